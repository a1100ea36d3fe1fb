//! A program of 20 lines is enough for accounts and pages, and its people need no explanation.

use std::fs;
use std::path::Path;

use tests::node;
use tests::program::Program;

use super::chromium::{CHROMIUM, PACKAGES};

/// The program, without what is said of it.
fn program() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/first_pages.rs");
    let text = fs::read_to_string(file).unwrap();
    text.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn the_program_of_the_documentation_has_at_most_20_lines() {
    let program = program();
    assert!(program.lines().count() <= 20, "{}", program.lines().count());
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jwtauth/src/docs/pages.md");
    assert!(fs::read_to_string(guide).unwrap().contains(&format!("```no_run\n{program}```\n")));
}

#[test]
fn a_newcomer_registers_and_logs_another_device_out() {
    let name = "a_newcomer_registers_and_logs_another_device_out";
    if !Path::new(CHROMIUM).exists() {
        return eprintln!("skipped {name}: there is no {CHROMIUM} (apt-get install chromium)");
    }
    let home = match node::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => home,
        Err(why) => return eprintln!("skipped {name}: {why}"),
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Program::new(env!("CARGO_BIN_EXE_first_pages")).directory(directory.path()).start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/pages/newcomer.mjs");
    let port = server.url.rsplit(':').next().unwrap();
    let mut command = node::command(60, &home, script.to_str().unwrap());
    let output = command.arg(format!("http://localhost:{port}/")).output().unwrap();
    node::expect_ok(&output, server);
}
