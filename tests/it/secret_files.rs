//! M-7: secrets and keys in files that somebody else has mounted, or whose modes somebody else has changed.
//!
//! Each case runs this test binary again, as another user or with a mount of its own, and reads one file there: as the
//! secret of a `JwtAuth`, and as a key.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use jwtauth::{JwtAuth, Key, MemoryStore};
use tempfile::TempDir;
use tests::log::logged;

/// Says which file [`reads_one_file`] is to read.
const FILE: &str = "JWTAUTH_TEST_FILE";
const ANOTHER: u32 = 65534;
const AS_ANOTHER: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
/// What is in the file. As a secret it is refused too, but only after it was read.
const KEY: &str = r#"{"kty":"oct","alg":"HS256","k":"0Vq1u0mA2Gm4b3kzZJb1sYp2mKx7d9vQe5rTnLw8hXc"}"#;

/// The program of the cases. Without the variable there is nothing to read.
#[test]
fn reads_one_file() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let said = logged(async |log| {
        let secret = JwtAuth::builder().secret_file(&path).build(MemoryStore::new());
        let secret = secret.map(drop).map_err(|error| format!("{error:?}"));
        let secret = secret.or_else(|error| if error.contains("too weak") { Ok(()) } else { Err(error) });
        let key = Key::from_file(&path).map(drop).map_err(|error| format!("{error:?}"));
        format!("secret: {secret:?}\nkey: {key:?}\n{}", log.text())
    });
    println!("{said}");
}

/// A directory that others may enter.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    set(directory.path(), 0, 0o755);
    directory
}

fn set(path: &Path, owner: u32, mode: u32) {
    chown(path, Some(owner), None).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn make(path: &Path, owner: u32, mode: u32) {
    fs::write(path, KEY).unwrap();
    set(path, owner, mode);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Tells whether a command can run another one here.
fn works(words: &[&str]) -> bool {
    let status = Command::new(words[0]).args(&words[1..]).arg("true").status();
    status.is_ok_and(|status| status.success())
}

/// Reads a file by way of another command. Returns what was said.
fn read(path: &Path, wrapper: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let words = wrapper.iter().map(PathBuf::from).chain([own]).collect::<Vec<_>>();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", "secret_files::reads_one_file", "--nocapture"]);
    let output = command.env(FILE, path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[track_caller]
fn taken(path: &Path, wrapper: &[&str], warning: &str) {
    let said = read(path, wrapper);
    assert!(said.contains("secret: Ok(())\nkey: Ok(())"), "{said}");
    assert!(said.contains("WARN jwtauth: ") && said.contains(warning), "{said}");
    assert!(!said.contains("0Vq1u0mA"), "nothing of the secret: {said}");
}

#[track_caller]
fn refused(path: &Path, wrapper: &[&str], advice: &[&str]) {
    let said = read(path, wrapper);
    assert!(said.contains("secret: Err(") && said.contains("key: Err("), "{said}");
    for part in advice {
        assert!(said.matches(part).count() >= 2, "{part} is not in both errors: {said}");
    }
}

const MENDED: &str = "it is private now";
const MOUNTED: &str = "that cannot be changed from here";

/// Whose modes a platform has widened, as `fsGroup` of Kubernetes does.
#[test]
fn m_7_a_secret_file_of_our_own_is_mended() {
    let directory = directory();
    let file = directory.path().join("secret");
    for wide in [0o640, 0o644, 0o660, 0o664] {
        make(&file, 0, wide);
        let said = read(&file, &["env"]);
        assert!(said.contains("secret: Ok(())\nkey: Ok(())"), "{said}");
        assert_eq!(said.matches(MENDED).count(), 1, "once, as it is mended: {said}");
        assert_eq!(mode(&file), 0o600, "{wide:o}");
    }
}

#[test]
fn m_7_what_anybody_can_change_is_refused() {
    let directory = directory();
    let file = directory.path().join("secret");
    for wide in [0o602, 0o646, 0o666, 0o777] {
        make(&file, 0, wide);
        refused(&file, &["env"], &["so anybody can change", "chmod 600"]);
        assert_eq!(mode(&file), wide, "nothing is changed");
    }
    make(&file, 0, 0o644);
    set(directory.path(), 0, 0o777);
    refused(&file, &["env"], &["777 lets anybody put a file there", "chmod o-w"]);
    // Reached by a link from a better place.
    let better = self::directory();
    let link = better.path().join("secret");
    symlink(&file, &link).unwrap();
    refused(&link, &["env"], &["777 lets anybody put a file there"]);
    set(directory.path(), 0, 0o1777);
    assert!(read(&link, &["env"]).contains(MENDED), "a sticky directory will do");
}

/// A volume that anybody can write, with `fsGroup`: what we have made there was for its group at most.
#[test]
fn m_7_a_secret_of_our_own_is_taken_from_an_open_volume() {
    let directory = directory();
    let file = directory.path().join("secret");
    for (place, wide) in [(0o777, 0o660), (0o2777, 0o660), (0o777, 0o640)] {
        make(&file, 0, wide);
        set(directory.path(), 0, place);
        let said = read(&file, &["env"]);
        assert!(said.contains("secret: Ok(())") && said.contains(MENDED), "{place:o} {wide:o}: {said}");
        assert_eq!(mode(&file), 0o600, "{wide:o}");
    }
}

/// `$CREDENTIALS_DIRECTORY`, `/run/secrets`: of root, for a program of another user.
#[test]
fn m_7_what_root_has_mounted_for_us_is_taken() {
    if !is_root() || !works(&AS_ANOTHER) {
        println!("skipped: needs root and setpriv");
        return;
    }
    let directory = directory();
    let file = directory.path().join("secret");
    for wide in [0o444, 0o440, 0o644, 0o640] {
        make(&file, 0, wide);
        chown(&file, None, Some(ANOTHER)).unwrap();
        taken(&file, &AS_ANOTHER, MOUNTED);
        assert_eq!(mode(&file), wide);
    }
    // In a directory where anybody could have put it first: of root, and of anybody.
    set(directory.path(), 0, 0o1777);
    taken(&file, &AS_ANOTHER, MOUNTED);
    make(&file, 1234, 0o444);
    let planted = &["1777 lets anybody put a file there"];
    refused(&file, &AS_ANOTHER, planted);
    // A link of theirs, or a second link, to a file of root's, and a directory of theirs.
    let elsewhere = self::directory();
    let of_root = elsewhere.path().join("os-release");
    make(&of_root, 0, 0o444);
    set(elsewhere.path(), 0, 0o755);
    let link = directory.path().join("link");
    symlink(&of_root, &link).unwrap();
    taken(&link, &AS_ANOTHER, MOUNTED);
    lchown(&link, Some(1234), None).unwrap();
    refused(&link, &AS_ANOTHER, planted);
    let second = directory.path().join("second");
    if fs::hard_link(&of_root, &second).is_ok() {
        refused(&second, &AS_ANOTHER, planted);
        fs::remove_file(&second).unwrap();
    }
    let theirs = directory.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    make(&theirs.join("secret"), 1234, 0o444);
    set(&theirs, 1234, 0o755);
    refused(&theirs.join("secret"), &AS_ANOTHER, planted);
    set(directory.path(), 0, 0o755);
    taken(&file, &AS_ANOTHER, MOUNTED);

    // For root alone: nobody can run `chmod` there, so other remedies are named too.
    make(&file, 0, 0o400);
    // Debug of a text in a text: quotes are escaped.
    let said = read(&file, &AS_ANOTHER).replace('\\', "");
    for part in ["the id 65534", "chown 65534", "LoadCredential=", r#"uid: "65534""#, "defaultMode: 0440"] {
        assert_eq!(said.matches(part).count(), 2, "{part} is not in both errors: {said}");
    }
    // Our own is mended as another user too.
    make(&file, ANOTHER, 0o644);
    assert!(read(&file, &AS_ANOTHER).contains(MENDED));
    assert_eq!(mode(&file), 0o600);
}

/// A mount where nothing can be changed, not even by the owner; the links are those of a secret of Kubernetes.
#[test]
fn m_7_a_read_only_mount_is_taken_as_it_is() {
    let directory = directory();
    let volume = directory.path().join("volume");
    let version = volume.join("..2026_11_28_12_00_00.1234");
    fs::create_dir_all(&version).unwrap();
    make(&version.join("secret"), 0, 0o444);
    symlink("..2026_11_28_12_00_00.1234", volume.join("..data")).unwrap();
    symlink("..data/secret", volume.join("secret")).unwrap();
    set(&volume, 0, 0o1777);
    let path = volume.to_str().unwrap();
    let script =
        format!("mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}' && exec \"$@\"");
    let mounted = |user: &[&'static str]| {
        let script: &'static str = Box::leak(script.clone().into_boxed_str());
        [&["unshare", "--mount", "sh", "-c", script, "sh"][..], user].concat()
    };
    if !is_root() || !works(&mounted(&[])) {
        println!("skipped: needs root and a mount namespace");
        return;
    }
    let secret = volume.join("secret");
    for mode in [0o444, 0o440, 0o644, 0o640] {
        set(&version.join("secret"), 0, mode);
        taken(&secret, &mounted(&[]), MOUNTED);
        chown(version.join("secret"), None, Some(ANOTHER)).unwrap();
        taken(&secret, &mounted(&AS_ANOTHER), MOUNTED);
    }
    // The owner on the host may be anybody, as with a file that Docker Compose mounts.
    set(&version.join("secret"), 1000, 0o444);
    set(&volume, 0, 0o755);
    taken(&secret, &mounted(&AS_ANOTHER), MOUNTED);
    set(&version.join("secret"), 0, 0o666);
    refused(&secret, &mounted(&[]), &["so anybody can change"]);
}

/// M-7: a new volume belongs to root, so the program makes no secret there. The error says what to write.
#[test]
fn m_7_m_10_an_error_says_why_no_secret_can_be_made() {
    if !is_root() || !works(&AS_ANOTHER) {
        println!("skipped: needs root and setpriv");
        return;
    }
    let directory = directory();
    let said = read(&directory.path().join("secret"), &AS_ANOTHER);
    assert!(said.contains("belongs to the user with the id 0") && said.contains("chown -R 65534"), "{said}");
    let said = read(&directory.path().join("data/secret"), &AS_ANOTHER);
    assert!(said.contains("install -d -m 700 -o 65534"), "{said}");
}

/// `docker run --env-file` keeps the quotes of a line, and Compose takes them off: with both there would be two secrets.
#[test]
fn m_7_a_variable_holds_the_secret_alone() {
    let data = directory();
    let secret = "wonderland-wonderland-wonderland-wonderland";
    for (text, says) in [
        (format!("\"{secret}\""), "JWTAUTH_SECRET: it stands in quotes"),
        (format!("'{secret}'"), "JWTAUTH_SECRET: it stands in quotes"),
        (format!("JWTAUTH_SECRET={secret}"), "JWTAUTH_SECRET: it begins with a name"),
    ] {
        let mut program = Command::new("timeout");
        program.args(["30", env!("CARGO_BIN_EXE_quickstart")]).env("JWTAUTH_SECRET", &text);
        program.env("JWTAUTH_DATA", data.path()).env("JWTAUTH_ADDR", "127.0.0.1:0");
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(says) && !said.contains("wonderland"), "{text}: {said}");
    }
}
