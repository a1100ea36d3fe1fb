//! The documents pass a validator that is not ours: `openapi-spec-validator`, from PyPI.
//!
//! It is installed once, beside the build. Where there is no Python, no pip or no network, the test says so
//! and is skipped.

use std::path::Path as FilePath;

use tests::python;

use super::document::document;

const VALIDATOR: &str = "openapi-spec-validator==0.9.0";

/// Returns whether a document is valid, and what was said of it.
fn validate(home: &FilePath, document: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document).unwrap();
    let path = file.path().to_str().unwrap();
    let output =
        python::command(60, home, &["python3", "-m", "openapi_spec_validator", path]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_public_validator_accepts_the_document() {
    let home = match python::installed(env!("CARGO_TARGET_TMPDIR"), &[VALIDATOR]) {
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
