//! README is run: its commands with the output it prints, its program as a doctest of the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::program::Program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The curl session prints what README says it prints.
#[test]
fn the_curl_session_is_real() {
    let directory = tempfile::tempdir().unwrap();
    let server = crate::quickstart().data(&directory.path().join("data")).start();
    let blocks = blocks("console");
    let [session] = &blocks[..] else { panic!("one session, not {}", blocks.len()) };
    let mut commands = 0;
    for step in session.split("$ curl").skip(1) {
        let (arguments, expected) = step.split_once('\n').unwrap();
        let command = format!("curl{arguments}").replace("http://127.0.0.1:3000", &server.url);
        let output =
            Command::new("bash").args(["-c", &command]).current_dir(directory.path()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
        commands += 1;
    }
    assert_eq!(commands, 7);
}

/// The main command needs nothing set, keeps its data where README says, and the server answers.
#[test]
fn the_main_command_runs() {
    assert_eq!(blocks("sh"), ["cargo run --example quickstart\n", "./tests/run\n"]);
    let directory = tempfile::tempdir().unwrap();
    // Run from elsewhere, so that `./data` is not made in the project. The port is the one thing set.
    let manifest = root().join("Cargo.toml");
    let server = Program::new(env!("CARGO"))
        .arguments(&[
            "run",
            "--quiet",
            "--example",
            "quickstart",
            "--manifest-path",
            &manifest.to_string_lossy(),
        ])
        .directory(directory.path())
        .start();
    let get = Command::new("curl").args(["-s", &server.at("/health")]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(get.stdout, b"ok\n");
    assert!(
        directory.path().join("data/secret").exists() && directory.path().join("data/sessions/db").exists()
    );
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
}

/// The program is a crate of its own, with the dependencies that README names, and compiles as one.
#[test]
fn the_program_is_a_crate_of_its_own() {
    let [dependencies, program] =
        [&blocks("toml")[..], &blocks("rust,no_run")[..]].map(|blocks| blocks[0].clone());
    let project = root().canonicalize().unwrap();
    let library = project.join("jwtauth");
    let dependencies = dependencies.replace("../jwtauth/jwtauth", &library.to_string_lossy());
    let directory = tempfile::tempdir().unwrap();
    let package = "[package]\nname = \"stranger\"\nedition = \"2024\"\n\n[workspace]\n\n";
    fs::write(directory.path().join("Cargo.toml"), format!("{package}{dependencies}")).unwrap();
    fs::create_dir(directory.path().join("src")).unwrap();
    fs::write(directory.path().join("src/main.rs"), program).unwrap();
    // The versions that everything else is tested with.
    fs::copy(project.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    let checked = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--target-dir"])
        .arg(project.join("target/stranger"))
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}

/// The test command is a program, and runs what this test is part of.
#[test]
fn the_test_command_is_there() {
    let script = fs::read_to_string(root().join("tests/run")).unwrap();
    assert!(script.contains("cargo test --workspace --locked"), "{script}");
    let checked = Command::new("bash").arg("-n").arg(root().join("tests/run")).status().unwrap();
    assert!(checked.success());
}

/// The program is short.
#[test]
fn the_program_has_at_most_30_lines() {
    let blocks = blocks("rust,no_run");
    let [program] = &blocks[..] else { panic!("one program, not {}", blocks.len()) };
    let lines = program.lines().count();
    assert!(lines <= 30, "{lines} lines");
}
