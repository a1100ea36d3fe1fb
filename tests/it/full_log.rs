//! A log that cannot be written, such as on a full disk: requests go on (R-5).

use std::fs;
use std::path::Path;

use tests::bounded;
use tests::browser::Browser;
use tests::program::Program;

/// Standard error of the program is a device that is always full.
const FULL: [&str; 3] = ["sh", "-c", r#"exec "$0" 2>/dev/full"#];

#[test]
fn r_5_a_log_that_takes_nothing_keeps_nobody_out() {
    if !Path::new("/dev/full").exists() {
        println!("skipped r_5_a_log_that_takes_nothing_keeps_nobody_out: there is no /dev/full");
        return;
    }
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let full = Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path()).wrapped(&FULL);
        let server = full.env("JWTAUTH_ADDR", "127.0.0.1:0").start();
        let browser = Browser::new(&server.url);
        let user = serde_json::json!({ "username": "alice", "password": "wonderland" });
        for (path, status) in [("/auth/register", 201), ("/auth/obtain", 200), ("/auth/obtain", 200)] {
            let asked = browser.request(reqwest::Method::POST, path).json(&user);
            assert_eq!(asked.send().await.unwrap().status(), status, "{path}");
        }
        assert_eq!(browser.get("/me").await.status(), 200);
        let (status, _) = server.terminate();
        assert!(status.success(), "{status}");
    });
}

/// Each subscriber in an example, README, the guides and the template of new projects.
#[test]
fn r_5_every_log_that_is_shown_goes_on_when_it_cannot_be_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files =
        vec![root.join("README.md"), root.join("jwtauth/src/bin/jwtauth/project/template/main.rs.txt")];
    for folder in ["examples", "jwtauth/src/docs"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "rs" || it == "md")));
    }
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for made in text.split("tracing_subscriber::fmt()").skip(1) {
            seen += 1;
            let made = made.split("init()").next().unwrap();
            assert!(made.contains(".log_internal_errors(false)"), "{}: {made}", file.display());
        }
    }
    assert!(seen > 12, "{seen}");
}
