//! The tokens of the providers, signed by the libraries of other languages.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{node, python};

use super::*;

/// Has all tokens of all providers signed by another program, which gets them on its standard input.
fn signed_by(mut command: Command) -> Vec<Vec<String>> {
    let asked = json!({"key": RSA, "tokens": providers().iter().map(Provider::tokens).collect::<Vec<_>>()});
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check_all(signed: &[Vec<String>]) {
    bounded(async {
        let key = Key::from_pem(RSA_PUBLIC).unwrap();
        for (provider, signed) in providers().iter().zip(signed) {
            provider.check(&key, signed).await;
        }
    });
}

/// N-30: the same tokens, made by PyJWT.
#[test]
fn n_30_tokens_made_by_pyjwt() {
    let packages = ["PyJWT==2.15.1", "cryptography==50.0.2"];
    match python::installed(env!("CARGO_TARGET_TMPDIR"), &packages) {
        Ok(home) => {
            check_all(&signed_by(python::command(60, &home, &["python3", script("sign.py").as_str()])))
        }
        Err(why) => eprintln!("skipped n_30_tokens_made_by_pyjwt: {why}"),
    }
}

/// N-30: the same tokens, made by jose.
#[test]
fn n_30_tokens_made_by_jose() {
    match node::installed(env!("CARGO_TARGET_TMPDIR"), &["jose@6.2.18"]) {
        Ok(home) => check_all(&signed_by(node::command(60, &home, &script("sign.mjs")))),
        Err(why) => eprintln!("skipped n_30_tokens_made_by_jose: {why}"),
    }
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/verifier").join(name);
    path.to_str().unwrap().to_owned()
}
