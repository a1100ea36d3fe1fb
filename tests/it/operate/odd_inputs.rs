//! Names, files and outputs that are not what somebody expects: a clear sentence and the right exit code, and no panic.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use tests::bounded_by;

use super::*;

fn program(words: &[&OsStr]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(words).env_remove("JWTAUTH_STORE").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Linux takes any bytes for a name. What a program reads has a sign in the place of those that are no text.
#[test]
fn a_directory_whose_name_is_no_text_is_a_store_too() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(b"shop\xff"));
        fs::rename(store(folder.path()).await, &path).unwrap();
        let backup = folder.path().join(OsStr::from_bytes(b"backup\xff"));
        let [path, backup, project] =
            [path, backup, folder.path().join(OsStr::from_bytes(b"p\xff"))].map(OsString::from);
        let done = |words: &[&str], file: Option<&OsStr>, code: i32| {
            let words: Vec<&OsStr> = words.iter().map(OsStr::new).chain(file).collect();
            let output = program(&words).arg("--store").arg(&path).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
            output
        };
        let json =
            |output: std::process::Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
        for words in [&["status"][..], &["doctor"], &["compact"]] {
            done(words, None, 0);
        }
        assert!(
            json(done(&["doctor", "--json"], None, 0))["path"].as_str().unwrap().ends_with("shop\u{fffd}")
        );
        done(&["backup"], Some(&backup), 0);
        let restored = json(done(&["restore", "--json", "--yes"], Some(&backup), 0));
        assert!(restored["aside"].as_str().unwrap().contains("shop\u{fffd}/aside"), "{restored}");
        // A bit of a hash, in each message that has it.
        let data = Path::new(&path).join("db");
        let mut bytes = fs::read(&data).unwrap();
        let starts: Vec<usize> =
            (0..bytes.len() - 9).filter(|at| bytes[*at..].starts_with(b"$argon2id")).collect();
        starts.into_iter().for_each(|at| bytes[at] ^= 0x11);
        fs::write(&data, bytes).unwrap();
        let damaged = done(&["doctor"], None, 1);
        assert!(!damaged.stderr.windows(8).any(|text| text == b"panicked"), "{damaged:?}");
        let repaired = json(done(&["repair", "--json", "--yes"], None, 0));
        assert!(repaired["aside"].as_str().unwrap().contains("shop\u{fffd}/aside"), "{repaired}");
        let made = done(&["new"], Some(&project), 1);
        assert!(String::from_utf8_lossy(&made.stderr).contains("p\u{fffd}"), "{made:?}");
    });
}

/// As in `jwtauth status 2>&1 | head -1`, when `head` has gone.
#[test]
fn nobody_needs_to_read_what_it_says() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let run = |words: &[&str]| {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
            program(&words)
                .arg("--store")
                .arg(&path)
                .stderr(writer)
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .code()
        };
        assert_eq!(run(&["sessions", "revoke", "--all-of", "nobody"]), Some(1));
        assert_eq!(run(&["repair"]), Some(0));
        assert_eq!(run(&["export"]), Some(0));
        assert_eq!(run(&["accounts", "import", "/nowhere"]), Some(1));
        // Of an export nobody wants the rest. A backup that nobody has taken is none.
        for (words, code) in [(&["export"][..], 0), (&["export", "-"], 0), (&["backup", "-"], 3)] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
            let ended = program(&words).arg("--store").arg(&path).stdout(writer).output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!((ended.status.code(), said.is_empty()), (Some(code), code == 0), "{words:?}: {said}");
        }
    });
}

/// M-7: programs of Windows put a mark in front of UTF-8 that nobody sees.
#[test]
fn m_7_a_byte_order_mark_is_no_part_of_an_input() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let mark = '\u{feff}';
        assert_eq!(
            run(&path, &format!("{mark}a good long password\r\n"), &["accounts", "add", "ann"]).code,
            0
        );
        let hash =
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1NjEyMzQ1Njc4OTAxMjM0NTY";
        let line = serde_json::json!({ "name": "bea", "hash": hash }).to_string();
        let said = run(&path, &format!("{mark}{line}\n"), &["accounts", "import", "-"]);
        assert_eq!(said.code, 0, "{said:?}");
        let export = folder.path().join("export");
        assert_eq!(run(&path, "", &["export", export.to_str().unwrap()]).code, 0);
        let text = fs::read_to_string(&export).unwrap();
        fs::write(&export, format!("{mark}{text}")).unwrap();
        let other = folder.path().join("other");
        drop(jwtauth::SledStore::open(&other).await.unwrap());
        let said = run(&other, "", &["import", export.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{said:?}");
        let opened = jwtauth::SledStore::open(&other).await.unwrap();
        let builder = JwtAuth::builder().secret(tests::app::SECRET);
        let jwtauth = builder.accounts(AccountsConfig::default()).build(opened).unwrap();
        let accounts = jwtauth.accounts().unwrap();
        accounts.verify("ann", "a good long password", None).await.unwrap();
        assert!(accounts.by_name("bea").await.unwrap().is_some());
    });
}

#[test]
fn only_a_plain_file_is_replaced_by_a_backup() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let (directory, link) = (folder.path().join("directory"), folder.path().join("link"));
        fs::create_dir(&directory).unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "of somebody").unwrap();
        symlink(&target, &link).unwrap();
        for file in [&directory, &link, Path::new("/dev/null")] {
            for what in ["backup", "export"] {
                for yes in [&[][..], &["--yes"]] {
                    let words = [&[what, file.to_str().unwrap()][..], yes].concat();
                    let said = run(&path, "", &words);
                    let is_told = said.err.contains("only a plain file is replaced");
                    assert_eq!((said.code, is_told), (1, true), "{words:?} {said:?}");
                }
            }
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "of somebody");
    });
}

#[test]
fn a_directory_is_no_file_to_read() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let directory = folder.path().join("directory");
        fs::create_dir(&directory).unwrap();
        let name = directory.to_str().unwrap();
        for words in [&["import", name][..], &["restore", name, "--yes"]] {
            let said = run(&path, "", words);
            assert_eq!((said.code, said.err.contains(name)), (1, true), "{words:?} {said:?}");
            assert!(said.err.contains("is a directory"), "{words:?} {said:?}");
        }
    });
}

#[test]
fn what_cannot_be_written_is_not_said_of_the_store() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        for what in ["backup", "export"] {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let words = [what, "-"].map(OsStr::new);
            let output = program(&words).arg("--store").arg(&path).stdout(full).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.contains("the file cannot be written: No space left"), "{said}");
        }
    });
}

#[test]
fn an_empty_standard_input_has_no_password() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        for words in [["accounts", "add", "carol"], ["accounts", "password", "bob"]] {
            let said = run(&path, "", &words);
            assert_eq!((said.code, said.err.contains("standard input is empty")), (1, true), "{said:?}");
        }
    });
}

/// What keeps a whole store from being served is said too.
#[test]
fn a_doctor_sees_rights_that_are_missing_and_a_counter_that_is_not_there() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let counter = folder.path().join("counter");
        let look = || run(&path, "", &["doctor", "--rollback-counter", counter.to_str().unwrap()]);
        let missing = look();
        assert_eq!(
            (missing.code, missing.out.contains("there is no rollback counter")),
            (0, true),
            "{missing:?}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
        let looked = look();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(looked.out.contains("may not write into it (mode 500): chmod -R u+rwX"), "{looked:?}");
    });
}

/// Of a directory that this user may not look into nobody says that there is no store in it.
#[test]
fn a_doctor_who_may_not_look_says_so() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut other = Command::new("setpriv");
        other.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            env!("CARGO_BIN_EXE_jwtauth_program"),
        ]);
        if !other.arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs root, setpriv, and a program that others may run");
            return;
        }
        for command in ["doctor", "repair", "status"] {
            let mut other = Command::new("setpriv");
            other.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                env!("CARGO_BIN_EXE_jwtauth_program"),
            ]);
            let output = other.arg(command).arg("--store").arg(&path).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("this user may not look into"), "{command}: {said}");
            let whose = "belongs to the user with the id 0 and has mode 700, and this program runs as 65534";
            assert!(said.contains(whose) && said.contains("sudo -u '#0'"), "{command}: {said}");
            assert!(said.contains(&format!("sudo chown -R 65534 {path:?}")), "{command}: {said}");
        }
        // A backup and a data file that root has brought here.
        let (own, backup) = (folder.path().join("own"), folder.path().join("backup"));
        assert_eq!(run(&path, "", &["backup", backup.to_str().unwrap()]).code, 0);
        fs::create_dir(&own).unwrap();
        std::os::unix::fs::chown(&own, Some(65534), Some(65534)).unwrap();
        let as_other = |words: &[&str]| {
            let mut other = Command::new("setpriv");
            other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            other
                .arg(env!("CARGO_BIN_EXE_jwtauth_program"))
                .arg("--store")
                .arg(own.join("store"))
                .args(words);
            let output = other.stdin(Stdio::null()).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = as_other(&["restore", backup.to_str().unwrap()]);
        assert!(said.contains("the id 0 and has mode 600, and this program runs as 65534"), "{said}");
        let way = format!("sudo chown 65534 {backup:?} && sudo chmod u+r {backup:?}");
        assert!(code == Some(1) && said.contains(&way), "{said}");
        // What it says, without `sudo`: root does it here.
        let done = Command::new("sh").args(["-c", &way.replace("sudo ", "")]).status().unwrap();
        assert!(done.success());
        let (code, said) = as_other(&["restore", backup.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{said}");
        let data = own.join("store/db");
        std::os::unix::fs::chown(&data, Some(0), Some(0)).unwrap();
        let (code, said) = as_other(&["status"]);
        let way = format!("sudo chown -R 65534 {data:?}");
        assert!(code == Some(1) && said.contains(&way), "{said}");
        let done = Command::new("sh").args(["-c", &way.replace("sudo ", "")]).status().unwrap();
        assert!(done.success());
        assert_eq!(as_other(&["status"]).0, Some(0));
    });
}

/// Whatever a disk refuses, and whenever: what is said is what was refused.
#[test]
fn a_disk_that_takes_no_writes_is_not_one_that_cannot_be_read() {
    bounded_by(Duration::from_secs(120), async {
        if !Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs strace");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path) = (store(folder.path()).await, folder.path().join("copy"));
        let mut refused = 0;
        for call in ["fsync", "fdatasync", "sync_file_range"] {
            for first in 1..6 {
                let _ = fs::remove_dir_all(&path);
                tests::raw::copy(&pristine, &path);
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
                command.arg(format!("inject={call}:error=EIO:when={first}+"));
                command.arg(env!("CARGO_BIN_EXE_jwtauth_program")).arg("--store").args([&path]);
                command.args(["accounts", "add", "carol"]).stdin(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.stdout(Stdio::null()).spawn().unwrap();
                let _ = child.stdin.take().unwrap().write_all(b"through the looking glass\n");
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8(output.stderr).unwrap();
                if output.status.success() {
                    continue;
                }
                refused += 1;
                let when = format!("{call} {first}: {said}");
                assert!(said.contains("Input/output error"), "{when}");
                assert!(!said.contains("cannot read") && !said.contains("is closed"), "{when}");
            }
        }
        assert!(refused > 3, "{refused}");
    });
}

/// A disk that fails at some moment: it is said, and what sled says when it panics is left out.
#[test]
fn a_disk_that_fails_is_told_of_in_a_sentence() {
    bounded_by(Duration::from_secs(120), async {
        if !Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs strace");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let pristine = store(folder.path()).await;
        let (path, backup) = (folder.path().join("copy"), folder.path().join("backup"));
        let mut failed = 0;
        for first in 1..12 {
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&backup);
            tests::raw::copy(&pristine, &path);
            let calls = "fsync,fdatasync,sync_file_range";
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"]);
            command.arg(format!("inject={calls}:error=EIO:when={first}+"));
            command.arg(env!("CARGO_BIN_EXE_jwtauth_program")).arg("--store").args([&path]).arg("backup");
            let output = command.arg(&backup).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let when = format!("after {first}: {said}");
            assert!(!said.contains("panicked"), "{when}");
            if output.status.success() {
                continue;
            }
            failed += 1;
            assert!(output.status.code() == Some(3) && said.starts_with("jwtauth: "), "{when}");
            assert_eq!(run(&path, "", &["doctor"]).code, 0, "{when}");
        }
        assert!(failed > 3, "{failed}");
    });
}

/// Whoever gives up at a password sees what they type next.
#[test]
fn a_password_that_is_not_typed_leaves_the_terminal_as_it_was() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: `script` (Debian: bsdutils) is not there");
        return;
    }
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        // The shell goes on, and says how the terminal is.
        let typed = format!(
            "trap : INT; '{}' accounts add carol; echo code $?; stty -a",
            env!("CARGO_BIN_EXE_jwtauth_program")
        );
        let mut child = Command::new("script")
            .args(["-q", "-e", "-c", &typed, "/dev/null"])
            .env("JWTAUTH_STORE", &path)
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("New password") {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        keys.write_all(b"abc\x03").unwrap();
        screen.read_to_end(&mut seen).unwrap();
        child.wait().unwrap();
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.contains("code 130") && seen.contains(" echo "), "{seen}");
        assert!(!seen.contains("abc"), "{seen}");
        assert_eq!(count(&path, "accounts"), 2);
    });
}
