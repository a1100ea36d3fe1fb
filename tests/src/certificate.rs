//! Certificates of the tests' own, made by `openssl`.

use std::path::Path;
use std::process::Command;

/// A new key on the curve P-256 that no password guards.
const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// Returns whether there is an `openssl` on this machine.
#[must_use]
pub fn is_there() -> bool {
    Command::new("openssl").arg("version").output().is_ok()
}

/// Makes a certificate for a host that has signed itself: `certificate.pem`, with `key.pem`.
///
/// # Panics
///
/// If `openssl` refuses, or is not there.
pub fn self_signed(directory: &Path, host: &str) {
    let (subject, names) = (format!("/CN={host}"), format!("subjectAltName=DNS:{host}"));
    let files = ["-keyout", "key.pem", "-out", "certificate.pem"];
    openssl(
        directory,
        &[&["req", "-x509", "-days", "2", "-subj", &subject, "-addext", &names], &files, &NEW_KEY],
    );
}

/// Makes an authority that signs certificates: `NAME.pem`, with `NAME.key`.
///
/// # Panics
///
/// If `openssl` refuses, or is not there.
pub fn authority(directory: &Path, name: &str) {
    let (subject, key, certificate) = (format!("/CN={name}"), format!("{name}.key"), format!("{name}.pem"));
    let says = ["-addext", "keyUsage=critical,keyCertSign", "-keyout", &key, "-out", &certificate];
    openssl(directory, &[&["req", "-x509", "-days", "2", "-subj", &subject], &says, &NEW_KEY]);
}

/// Makes a certificate that an authority has signed: `NAME.pem`, with `NAME.key`. `hosts` is what it is for, such as
/// `DNS:localhost`.
///
/// # Panics
///
/// If `openssl` refuses, or a file cannot be written.
pub fn signed(directory: &Path, authority: &str, name: &str, hosts: &str) {
    let [key, request, made] = ["key", "csr", "pem"].map(|kind| format!("{name}.{kind}"));
    let asks = ["req", "-subj", "/CN=server", "-keyout", &key, "-out", &request];
    openssl(directory, &[&asks, &NEW_KEY]);
    std::fs::write(directory.join("names"), format!("subjectAltName={hosts}\n"))
        .expect("the names are written");
    let (certificate, key) = (format!("{authority}.pem"), format!("{authority}.key"));
    let by = ["-CA", &certificate, "-CAkey", &key, "-CAcreateserial", "-extfile", "names"];
    openssl(directory, &[&["x509", "-req", "-days", "2", "-in", &request, "-out", &made], &by]);
}

fn openssl(directory: &Path, arguments: &[&[&str]]) {
    let mut command = Command::new("openssl");
    let made = command.current_dir(directory).args(arguments.concat()).output().expect("there is an openssl");
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}
