//! The example `minimal`: accounts, ready-made routes and a guarded handler, in 20 lines.

use reqwest::Method;
use serde_json::{Value, json};
use tests::bounded;
use tests::browser::Browser;
use tests::program::Program;

const SOURCE: &str = include_str!("../../../examples/minimal.rs");

#[test]
fn it_has_at_most_20_lines_without_imports_and_blank_ones() {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("use ");
    let lines = SOURCE.lines().map(str::trim).filter(is_code).count();
    assert!((10..=20).contains(&lines), "{lines} lines");
}

/// As `JWTAUTH_DATA=${DATA}` in a file of a container gives it, if nobody has set `DATA`.
#[test]
fn an_empty_variable_for_the_data_means_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let program =
        Program::new(env!("CARGO_BIN_EXE_minimal")).env("JWTAUTH_DATA", "").directory(folder.path());
    let (status, said) = program.start().terminate();
    assert!(status.success(), "{said}");
    assert!(
        folder.path().join("data/store").is_dir() && folder.path().join("data/secret").is_file(),
        "{said}"
    );
}

#[test]
fn a_life_with_two_browsers() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_minimal")).data(data.path());
        let server = program.start();
        let [laptop, phone] = [(); 2].map(|()| Browser::new(&server.url));
        let post = async |browser: &Browser, path: &str, body: Value| {
            let answer = browser.request(Method::POST, path).json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
        };
        let alice = json!({"username": "Alice", "password": "wonderland"});
        let (status, account) = post(&laptop, "/auth/register", alice.clone()).await;
        assert_eq!((status, &account["name"]), (201, &json!("Alice")));
        assert!(!account.to_string().contains("argon2"), "{account}");
        assert_eq!(laptop.me().await, 401, "registered is not logged in");
        // Names are unique whatever their case.
        let (status, taken) =
            post(&phone, "/auth/register", json!({"username": "aLICE", "password": "wonderland"})).await;
        assert_eq!((status, &taken["code"]), (409, &json!("name_taken")));
        let (status, weak) =
            post(&phone, "/auth/register", json!({"username": "bob", "password": "short"})).await;
        assert_eq!((status, &weak["code"]), (400, &json!("invalid_password")));
        for browser in [&laptop, &phone] {
            assert_eq!(post(browser, "/auth/obtain", alice.clone()).await.0, 200);
            assert_eq!(browser.get("/me").await.text().await.unwrap(), "hello, Alice");
        }
        let listed: Value = laptop.get("/auth/sessions").await.json().await.unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 2);
        // S-11: a new password ends the other sessions, and the old one opens nothing more.
        let change = |old: &str| json!({"old_password": old, "new_password": "looking-glass"});
        let (status, wrong) = post(&laptop, "/auth/change-password", change("wrong")).await;
        assert_eq!((status, &wrong["code"]), (401, &json!("invalid_credentials")));
        assert_eq!(phone.me().await, 200);
        assert_eq!(post(&laptop, "/auth/change-password", change("wonderland")).await.0, 204);
        assert_eq!((laptop.me().await, phone.me().await), (200, 401));
        assert_eq!(post(&phone, "/auth/obtain", alice.clone()).await.0, 401);
        let stranger = Browser::new(&server.url);
        assert_eq!(post(&stranger, "/auth/change-password", change("wonderland")).await.0, 401);
        // A restart keeps accounts and sessions.
        let address = server.url.trim_start_matches("http://").to_owned();
        server.kill();
        let server = program.env("JWTAUTH_ADDR", &address).start();
        assert_eq!(laptop.me().await, 200);
        drop(server);
    });
}
