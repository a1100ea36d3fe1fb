//! What the compiler says about wrong input: one mistake a file, in `ui/`, with line and column.
//!
//! To accept new messages run with `TRYBUILD=overwrite`, and read them.

use std::process::Command;

/// The compiler whose notes the `.stderr` files hold. They move between releases.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn wrong_input_does_not_compile_and_says_why() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).expect("a version is text");
    if !version.starts_with(RUSTC) {
        println!("skipped: the messages are those of {RUSTC}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
