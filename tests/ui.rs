//! What the compiler says about wrong input: one mistake a file, in `ui/`, with line and column.
//!
//! To accept new messages run with `TRYBUILD=overwrite`, and read them.

use std::process::Command;

/// Names the compiler whose notes the `.stderr` files hold, as `lints-of-rust`. The notes move between releases.
const WORKSPACE: &str = include_str!("../Cargo.toml");

#[test]
fn wrong_input_does_not_compile_and_says_why() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).expect("a version is text");
    let named = WORKSPACE.lines().find_map(|line| line.strip_prefix("lints-of-rust = \"")?.strip_suffix('"'));
    let named = named.expect("Cargo.toml of the workspace names a Rust");
    if !version.starts_with(&format!("rustc {named}.")) {
        println!("skipped: the messages are those of Rust {named}, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
