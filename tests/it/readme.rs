//! README is run: its commands with the output it prints, its programs as crates of their own and as doctests of the
//! library.

mod front_end;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::cargo::cargo;
use tests::program::{Program, Running};
use tests::stranger::Stranger;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// Returns the blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    readme().split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The two programs: the one that README opens with, and the one with users of its own.
pub(crate) fn programs() -> [String; 2] {
    blocks("rust,no_run")
        .try_into()
        .unwrap_or_else(|other: Vec<_>| panic!("two programs, not {}", other.len()))
}

/// Runs the commands of a session in a directory, and compares what each prints with what README says.
fn run_session(session: &str, server: &Running, directory: &Path) -> usize {
    let mut commands = 0;
    for step in session.split("$ curl").skip(1) {
        let (arguments, expected) = step.split_once('\n').unwrap();
        let command = format!("curl{arguments}").replace("http://127.0.0.1:3000", &server.url);
        let output = Command::new("bash").args(["-c", &command]).current_dir(directory).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
        commands += 1;
    }
    commands
}

/// README opens with the smallest example, to the letter.
#[test]
fn it_opens_with_the_smallest_program() {
    let example = fs::read_to_string(root().join("examples/minimal.rs")).unwrap();
    let code: Vec<_> =
        example.lines().skip_while(|line| line.is_empty() || line.starts_with("//!")).collect();
    assert_eq!(programs()[0].lines().collect::<Vec<_>>(), code);
    let before = readme().split("```").next().unwrap().lines().count();
    assert!(before <= 8, "{before} lines come first: a title and a few sentences");
}

/// The curl sessions print what README says they print, one after the other in one directory.
#[test]
fn the_curl_sessions_are_real() {
    let directory = tempfile::tempdir().unwrap();
    let minimal = Program::new(env!("CARGO_BIN_EXE_minimal"));
    let blocks = blocks("console");
    let [first, second] = &blocks[..] else { panic!("two sessions, not {}", blocks.len()) };
    for (program, session, count) in [(minimal, first, 4), (crate::quickstart(), second, 7)] {
        let server = program.data(&directory.path().join("data")).start();
        assert_eq!(run_session(session, &server, directory.path()), count);
    }
}

/// Starts an example with README's command, elsewhere, so that `./data` is not made in the project. The port is the one
/// thing set.
fn start(command: &str, directory: &Path) -> Running {
    let manifest = root().join("Cargo.toml");
    let mut words = command.split_whitespace();
    assert_eq!((words.next(), words.next()), (Some("cargo"), Some("run")), "{command}");
    let selection: Vec<_> = words.chain(["--manifest-path", manifest.to_str().unwrap(), "--quiet"]).collect();
    // Built first, which is bounded in time, so that the start is only that.
    cargo(directory, &[&["build"], &selection[..]].concat()).unwrap_or_else(|said| panic!("{said}"));
    Program::new(env!("CARGO")).arguments(&[&["run"], &selection[..]].concat()).directory(directory).start()
}

fn get(url: &str) -> String {
    let get = Command::new("curl").args(["-s", url]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(get.stdout).unwrap()
}

/// The main command needs nothing set, keeps its data where README says, and the server answers.
#[test]
fn the_main_command_runs() {
    let blocks = blocks("sh");
    let [command, "./tests/run\n"] = &blocks.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        panic!("{blocks:?}")
    };
    assert!(command.contains("--example quickstart "), "{command}");
    let directory = tempfile::tempdir().unwrap();
    let server = start(command, directory.path());
    assert_eq!(get(&server.at("/health")), "ok\n");
    assert!(
        directory.path().join("data/secret").exists() && directory.path().join("data/sessions/db").exists()
    );
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
}

/// So does the first one.
#[test]
fn the_first_command_runs() {
    let command = "cargo run -p examples --example minimal";
    assert!(readme().contains(&format!("`{command}`")));
    let directory = tempfile::tempdir().unwrap();
    let server = start(command, directory.path());
    assert!(get(&server.at("/me")).contains("not_authenticated"));
    assert!(directory.path().join("data/secret").exists() && directory.path().join("data/store/db").exists());
}

/// Each program compiles as one of somebody else's, with the dependencies that README names.
#[test]
fn the_programs_are_crates_of_their_own() {
    let [first, second] = programs();
    let stranger = Stranger::new().program("first", &first).program("second", &second);
    stranger.check().unwrap_or_else(|said| panic!("{said}"));
}

/// A debug build outside of the workspace is as quick as one inside: README's optimised crates are optimised here too.
#[test]
fn the_profile_is_that_of_the_workspace() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let optimised = |text: &str| -> BTreeSet<String> {
        let lines = text.split("[profile.dev.package]").nth(1).unwrap().lines().skip(1);
        lines.take_while(|line| line.contains(" = ")).map(str::to_owned).collect()
    };
    let [ours, readme] = [optimised(&manifest), optimised(&blocks("toml")[0])];
    assert!(readme.is_subset(&ours), "{readme:?}");
    let debug = "\n[profile.dev]\ndebug = \"line-tables-only\"\n";
    assert!(manifest.contains(debug) && blocks("toml")[0].contains(debug));
    // Keys, signatures and the store, which a first login hardly waits for, and hashes of other programs.
    let ours_alone =
        ["bcrypt", "blowfish", "crc32fast", "hmac", "pbkdf2", "salsa20", "scrypt", "sha1", "sha2", "sled"];
    let names: Vec<_> = ours.difference(&readme).map(|line| line.split(" = ").next().unwrap()).collect();
    assert_eq!(names, ours_alone);
}

/// The test command is a program, and runs what this test is part of.
#[test]
fn the_test_command_is_there() {
    let script = fs::read_to_string(root().join("tests/run")).unwrap();
    assert!(script.contains("cargo test --workspace --locked"), "{script}");
    let checked = Command::new("bash").arg("-n").arg(root().join("tests/run")).status().unwrap();
    assert!(checked.success());
}

/// The programs are short.
#[test]
fn the_programs_have_at_most_30_lines() {
    for program in programs() {
        let lines = program.lines().count();
        assert!(lines <= 30, "{lines} lines");
    }
}

/// Each feature is in README's table, with the same ones marked as default.
#[test]
fn every_feature_is_in_the_table() {
    let manifest = fs::read_to_string(root().join("jwtauth/Cargo.toml")).unwrap();
    let features = manifest.split("[features]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let default = features.lines().find(|line| line.starts_with("default = ")).unwrap();
    let mut count = 0;
    for line in features.lines().filter(|line| !line.starts_with('#') && !line.starts_with("default")) {
        let name = line.split(" = ").next().unwrap();
        let mark = if default.contains(&format!("\"{name}\"")) { " (default)" } else { "" };
        assert!(readme().contains(&format!("\n| `{name}`{mark} | ")), "{name}");
        count += 1;
    }
    assert_eq!(readme().matches("\n| feature |").count(), 1);
    assert!(count >= 8, "{count} features");
}
