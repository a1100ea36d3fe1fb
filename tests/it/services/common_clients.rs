//! The same, as clients that many people use do it: requests and authlib from PyPI, over HTTP.
//!
//! Where there is no Python, no pip or no network, the test says so and is skipped.

use std::process::Stdio;

use tests::python;
use tests::serve::serve;

use super::*;

const PACKAGES: [&str; 3] = ["authlib==1.9.10", "requests==2.34.2", "cryptography==50.0.2"];

/// N-25, N-26, N-29: what authlib makes of our answers and of our tokens, and how requests sends a secret.
#[test]
fn n_25_n_26_n_29_authlib_and_requests() {
    let home = match python::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => home,
        Err(why) => return eprintln!("skipped n_25_n_26_n_29_authlib_and_requests: {why}"),
    };
    bounded(async {
        let clock = jwtauth::clock::SystemClock;
        let key = jwtauth::Key::from_pem(include_str!("../../keys/p256.pem")).unwrap();
        let app = TestApp::with(TestStore::new(), |builder| builder.clock(clock).key(key));
        let auth = app.jwtauth.routes(authenticate).body_tokens().service("billing", SECRET).unwrap();
        let server = serve(Route::new().nest("/auth", auth).with(app.jwtauth.clone())).await;
        let asked = json!({"url": server.at("/auth"), "name": "billing", "secret": SECRET});
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/services/common_clients.py");
        let run = move || {
            let mut command = python::command(60, &home, &["python3", script, &asked.to_string()]);
            command.stdin(Stdio::null()).output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{why}");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            said,
            json!({
                "introspected": {"access": true, "refresh": false, "garbage": false},
                "offline": {"access": true, "refresh": false},
                "encoded": 200, "raw": 200, "wrong": [401, "invalid_client"],
            }),
            "{why}"
        );
    });
}
