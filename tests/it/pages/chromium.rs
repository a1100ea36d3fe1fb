//! The pages in a real browser: Chromium, driven by playwright-core, with axe-core to look for what keeps people out.
//!
//! `JWTAUTH_BLESS=1 cargo test -p tests --test it -- two_people` makes the pictures of README anew.

use std::fs;
use std::path::Path;

use tests::node;
use tests::program::Program;

/// Debian's Chromium, and the packages that drive it and look.
pub(super) const CHROMIUM: &str = "/usr/bin/chromium";
pub(super) const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];

/// What `people.mjs` calls it too.
const ADMIN_PASSWORD: &str = "through the looking glass";

#[test]
fn two_people_with_two_browsers_each_live_with_the_pages() {
    let name = "two_people_with_two_browsers_each_live_with_the_pages";
    if !Path::new(CHROMIUM).exists() {
        eprintln!("skipped {name}: there is no {CHROMIUM} (apt-get install chromium)");
        return;
    }
    let home = match node::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => home,
        Err(why) => {
            eprintln!("skipped {name}: {why}");
            return;
        }
    };
    let program = Program::new(env!("CARGO_BIN_EXE_pages")).env("JWTAUTH_ALLOW_DEV", "1");
    let server = program.env("JWTAUTH_ADMIN", "ada").env("JWTAUTH_ADMIN_PASSWORD", ADMIN_PASSWORD).start();
    // To be looked at when something is wrong.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&pictures).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/pages/people.mjs");
    // `localhost`, because a browser trusts that name.
    let url = server.url.replace("127.0.0.1", "localhost");
    let output =
        node::command(150, &home, script.to_str().unwrap()).arg(url).arg(&pictures).output().unwrap();
    node::expect_ok(&output, server);
    if std::env::var_os("JWTAUTH_BLESS").is_some() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pictures");
        for (picture, name) in [("readme.png", "devices.png"), ("readme_admin.png", "admin.png")] {
            fs::copy(pictures.join(picture), readme.join(name)).unwrap();
        }
    }
}
