//! Each refusal of `open` names what to do. Who does it has a server that serves.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use jwtauth::SledConfig;
use jwtauth::error::StoreError;

use super::*;

/// What a server says that cannot start.
async fn refusal(what: &str, config: impl Into<SledConfig>) -> String {
    let error = SledStore::open(config).await.expect_err(what);
    assert!(!matches!(error, StoreError::Io { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn every_refusal_that_a_repair_ends_names_it() {
    bounded_by(Duration::from_secs(240), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, older) = (folder.path().join("pristine"), folder.path().join("older"));
        let (path, counter) = (folder.path().join("store"), folder.path().join("counter"));
        make(&pristine, 20).await;
        copy(&pristine, &older);
        let store = SledStore::open(SledConfig::new(&pristine).rollback_counter(&counter)).await.unwrap();
        let live = jwtauth::SessionId::from_bytes([1; 16]);
        assert!(store.revoke(live, Revocation { at: 300, reason: RevocationReason::Logout }).await.unwrap());
        drop(store);
        type Damage = fn(&Path, &Path, &Path);
        let cases: [(&str, Damage, &str); 9] = [
            ("a bit", |path, _, _| flip_user(path), "repair"),
            (
                "older data",
                |path, older, _| fs::write(path.join("db"), fs::read(older.join("db")).unwrap()).unwrap(),
                "repair",
            ),
            (
                "an older snapshot and data",
                |path, older, _| {
                    let journal = fs::read(path.join("journal")).unwrap();
                    copy(older, path);
                    fs::write(path.join("journal"), journal).unwrap();
                },
                "repair",
            ),
            ("an older copy of all", |path, older, _| copy(older, path), "repair"),
            ("the journal", |path, _, _| fs::write(path.join("journal"), [7; 20]).unwrap(), "repair"),
            ("the counter", |_, _, counter| fs::write(counter, [7; 20]).unwrap(), "doctor"),
            (
                "other settings of sled's, with the right checksum",
                |path, _, _| {
                    let settings =
                        b"segment_size: 524288\nuse_compression: true\nversion: 0.34\n\xf5\x66\x10\x89";
                    fs::write(path.join("conf"), settings).unwrap();
                },
                "repair",
            ),
            ("the mark", |path, _, _| fs::write(path.join("jwtauth"), [b'?'; 60]).unwrap(), "repair"),
            (
                "half of the data",
                |path, _, _| {
                    let bytes = fs::read(path.join("db")).unwrap();
                    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                    fs::write(path.join("db"), &bytes[..used / 2]).unwrap();
                },
                "repair",
            ),
        ];
        let kept = fs::read(&counter).unwrap();
        for (what, damage, command) in cases {
            copy(&pristine, &path);
            fs::write(&counter, &kept).unwrap();
            damage(&path, &older, &counter);
            let config = || SledConfig::new(&path).rollback_counter(&counter);
            let said = refusal(what, config()).await;
            if command == "repair" {
                let done = typed(command_in(&said, "jwtauth repair"));
                assert_eq!(done.code, 0, "{what}: {said} {done:?}");
                enable_alice(&done, &path);
            } else {
                let counter = counter.to_str().unwrap();
                let done = run(&path, "", &["repair", "--yes", "--rollback-counter", counter]);
                assert_eq!(done.code, 0, "{what}: {said} {done:?}");
                enable_alice(&done, &path);
            }
            let jwtauth = jwtauth_on(
                SledStore::open(config()).await.unwrap_or_else(|error| panic!("{what}: {error:?}")),
            );
            let accounts = jwtauth.accounts().unwrap();
            accounts
                .verify("alice", PASSWORD, None)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert!(accounts.verify("alice", OLD_PASSWORD, None).await.is_err(), "{what}");
            let session = jwtauth.sessions().find(live).await.unwrap();
            assert!(
                session.is_none_or(|session| session.state_at(1_000) != SessionState::Live),
                "{what}: it was ended"
            );
        }
    });
}

/// What a repair says to do next, if it has disabled accounts.
fn enable_alice(done: &Run, path: &Path) {
    if let Some(line) = done.out.lines().find(|line| line.starts_with("Next, ")) {
        let command = line.split_once(": ").unwrap().1.replace("NAME", "alice");
        // The message of `open` has named a counter that the program does not know, and need not.
        let enabled = typed(&command);
        assert_eq!(enabled.code, 0, "{path:?}: {command} {enabled:?}");
    }
}

fn flip_user(path: &Path) {
    let bytes = fs::read(path.join("db")).unwrap();
    let at = bytes.windows(8).rposition(|window| window == b"user 007").unwrap();
    flip(&path.join("db"), at as u64, 0);
}

/// What sled can do without does no harm, and the doctor says so: a missing snapshot, missing settings, no journal,
/// and a file whose name is no text.
#[test]
fn what_does_no_harm_is_no_damage() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path) = (folder.path().join("pristine"), folder.path().join("store"));
        make(&pristine, 5).await;
        drop(SledStore::open(&pristine).await.unwrap());
        for what in ["snap.", "conf", "journal", "blobs", ""] {
            copy(&pristine, &path);
            if what.is_empty() {
                fs::write(path.join("blobs").join(OsStr::from_bytes(b"\xff\xfe")), "of somebody").unwrap();
            }
            for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
                if what.is_empty() || !entry.file_name().to_str().unwrap().starts_with(what) {
                    continue;
                }
                if entry.path().is_dir() {
                    fs::remove_dir_all(entry.path()).unwrap();
                } else {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
            let diagnosis = doctor(&path);
            let opened = SledStore::open(&path).await;
            assert_eq!(
                diagnosis.condition == Condition::Whole,
                opened.is_ok(),
                "{what}: {opened:?} {diagnosis:#?}"
            );
            assert!(opened.is_ok(), "{what}: {opened:?}");
        }
        // The data itself cannot be done without, and of nothing no store is made.
        copy(&pristine, &path);
        fs::remove_file(path.join("db")).unwrap();
        let said = refusal("no data", &*path).await;
        assert!(!said.contains("repair"), "{said}");
        let looked = run(&path, "", &["doctor"]);
        assert_eq!((looked.code, looked.out.contains("jwtauth restore")), (1, true), "{said} {looked:?}");
        let refused = run(&path, "", &["repair", "--yes"]);
        assert_eq!((refused.code, refused.err.contains("restore a backup")), (3, true), "{refused:?}");
    });
}
