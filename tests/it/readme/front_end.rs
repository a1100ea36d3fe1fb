//! README's snippet for a front end runs in a real browser, as it stands there.

use std::fs;
use std::path::Path;

use tests::node;
use tests::program::Program;

use super::blocks;

#[test]
fn the_snippet_for_a_front_end_runs_in_a_browser() {
    let name = "the_snippet_for_a_front_end_runs_in_a_browser";
    let [snippet] = &blocks("js")[..] else { panic!("one snippet") };
    if !Path::new("/usr/bin/chromium").exists() {
        eprintln!("skipped {name}: there is no /usr/bin/chromium (apt-get install chromium)");
        return;
    }
    let home =
        match node::installed(env!("CARGO_TARGET_TMPDIR"), &["playwright-core@1.65.1", "axe-core@4.14.1"]) {
            Ok(home) => home,
            Err(why) => return eprintln!("skipped {name}: {why}"),
        };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snippet.js");
    fs::write(&file, snippet).unwrap();
    let server = Program::new(env!("CARGO_BIN_EXE_spa")).env("JWTAUTH_ACCESS_TTL", "1").start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/readme/snippet.mjs");
    let mut command = node::command(100, &home, script.to_str().unwrap());
    let output = command.arg(server.url.replace("127.0.0.1", "localhost")).arg(&file).output().unwrap();
    node::expect_ok(&output, server);
}
