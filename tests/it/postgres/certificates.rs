//! Certificates for servers, by an authority of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs `openssl`. `false`, and a line that says so, if it is not on this machine.
fn openssl(directory: &Path, arguments: &[&str]) -> bool {
    let Ok(made) = Command::new("openssl").current_dir(directory).args(arguments).output() else {
        println!("skipped: needs openssl");
        return false;
    };
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
    true
}

/// Makes an authority.
pub(super) fn authority(directory: &Path, name: &str) -> bool {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    openssl(
        directory,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    )
}

/// Makes a certificate of an authority for a server with these names.
pub(super) fn certificate(directory: &Path, of: &str, name: &str, names: &str) {
    let [key, request, made] = ["key", "csr", "pem"].map(|kind| format!("{name}.{kind}"));
    openssl(
        directory,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=database",
            "-keyout",
            &key,
            "-out",
            &request,
        ],
    );
    fs::write(directory.join("names"), format!("subjectAltName={names}\n")).unwrap();
    let (certificate, key) = (format!("{of}.pem"), format!("{of}.key"));
    openssl(
        directory,
        &[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &certificate,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            &made,
        ],
    );
}
