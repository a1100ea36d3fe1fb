//! The documents pass a validator that is not ours: `openapi-spec-validator`, from PyPI.
//!
//! It is installed once, beside the build. Where there is no Python, no pip or no network, the test says so
//! and is skipped.

use std::path::{Path as FilePath, PathBuf};
use std::process::{Command, Output};

use super::document::document;

const VALIDATOR: &str = "openapi-spec-validator==0.9.0";

/// Runs a command that is killed when it takes too long.
fn run(seconds: u32, path: &FilePath, command: &[&str]) -> Result<Output, String> {
    let output = Command::new("timeout")
        .args(["--kill-after=5", &seconds.to_string()])
        .args(command)
        .env("PYTHONPATH", path)
        .output();
    output.map_err(|error| format!("{command:?}: {error}"))
}

/// Returns where the validator is, or why it is nowhere.
fn installed() -> Result<PathBuf, String> {
    let home = FilePath::new(env!("CARGO_TARGET_TMPDIR")).join(VALIDATOR);
    if home.exists() {
        return Ok(home);
    }
    // Under another name until all of it is there.
    let part = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    let target = part.path().join("packages");
    let target = target.to_str().ok_or("the path is no text")?;
    let mut install = vec!["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    install.extend(["--no-input", "--timeout=15", "--retries=1", "--only-binary=:all:"]);
    install.extend(["--target", target, VALIDATOR]);
    let output = run(120, part.path(), &install)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::rename(target, &home).map_err(|error| error.to_string())?;
    Ok(home)
}

/// Returns whether a document is valid, and what was said of it.
fn validate(home: &FilePath, document: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document).unwrap();
    let path = file.path().to_str().unwrap();
    let output = run(60, home, &["python3", "-m", "openapi_spec_validator", path]).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_public_validator_accepts_the_document() {
    let home = match installed() {
        Ok(home) => home,
        Err(why) => {
            println!("skipped: {VALIDATOR} cannot be installed: {}", why.trim());
            return;
        }
    };
    let document = document();
    let (valid, said) = validate(&home, &document);
    println!("{VALIDATOR}: {said}");
    assert!(valid, "{said}\n{document}");
    // It looks at what we write: schemes, requirements and responses.
    for (right, wrong) in [
        ("\"in\": \"cookie\"", "\"in\": \"jar\""),
        ("\"bearerFormat\"", "\"bearerForm\""),
        ("\"bearer\": []", "\"bearer\": {}"),
        ("\"#/components/schemas/JwtauthProblem\"", "\"#/components/schemas/Nowhere\""),
    ] {
        assert!(document.contains(right), "{right}: {document}");
        let (valid, said) = validate(&home, &document.replace(right, wrong));
        assert!(!valid, "{wrong} is accepted: {said}");
    }
}
