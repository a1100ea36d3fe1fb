//! A machine whose clock shows a time before 1970, as one without a battery may: a start says so, and the store is
//! as it was.

use std::fs;
use std::process::Command;

use tests::program::Program;

#[test]
fn r_9_a_clock_before_1970_is_named_and_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let [source, library] = ["clock.c", "clock.so"].map(|name| folder.path().join(name));
    fs::write(&source, include_str!("before_1970.c")).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
    if !cfg!(target_os = "linux") || !built.is_ok_and(|output| output.status.success()) {
        println!("skipped r_9_a_clock_before_1970_..: needs Linux and a C compiler");
        return;
    }
    let data = folder.path().join("data");
    let program = Program::new(env!("CARGO_BIN_EXE_minimal")).data(&data);
    let early = program.clone().env("LD_PRELOAD", &library.to_string_lossy());
    for _ in ["new", "there"] {
        let (code, said) = early.fail();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the clock of this machine shows a time before 1970: set it first"), "{said}");
        assert!(!said.contains("panicked") && !said.contains("damaged"), "{said}");
        let (status, said) = program.start().terminate();
        assert!(status.success(), "{said}");
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    }
}
