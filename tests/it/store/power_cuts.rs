//! `jwtauth backup`, `restore`, `repair`, `migrate` and `compact`, with a power cut at many moments of each: the old store is
//! whole, or the new one is. What was said to be done is done.

use std::ffi::OsString;
use std::ops::ControlFlow;

use jwtauth::store::operate::BackupFile;

use super::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_jwtauth_program");

fn program(arguments: &[OsString]) -> std::process::Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

/// A command on the store in a directory, with the files that it names there.
fn command(words: &'static [&'static str]) -> impl Fn(&Path) -> Vec<OsString> {
    move |dir| {
        let mut all: Vec<OsString> = words[..1].iter().map(OsString::from).collect();
        all.extend(words[1..].iter().map(|file| dir.join(file).into_os_string()));
        all.extend(["--yes".into(), "--store".into(), dir.join("store").into_os_string()]);
        all
    }
}

/// Makes a store, a backup of it, and ends one more session.
async fn backed_up(dir: &Path) -> PathBuf {
    let path = dir.join("store");
    let store = open(&path).await;
    put(&store, 0..5).await;
    assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
    drop(store);
    let output = program(&command(&["backup", "backup"])(dir));
    assert!(output.status.success(), "{output:?}");
    assert!(open(&path).await.revoke(session(3).id, LOGOUT).await.unwrap());
    path
}

fn copies(original: &tempfile::TempDir) -> impl Fn() -> tempfile::TempDir {
    let original = original.path().to_owned();
    move || {
        let dir = tempfile::tempdir().unwrap();
        copy(&original, dir.path());
        dir
    }
}

fn is_enough(images: Option<usize>) {
    assert!(images.is_none_or(|images| images > 60), "{images:?}");
}

#[test]
fn a_power_cut_in_a_backup_leaves_a_whole_one_or_none() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let before = all(&backed_up(original.path()).await).await;
        let check = async |dir: &Path, when: &str, is_done: bool| {
            assert_eq!(all(&dir.join("store")).await, before, "{when}");
            match File::open(dir.join("another")) {
                Ok(file) => {
                    let backup = BackupFile::check(file, &|_| ControlFlow::Continue(()));
                    let backup = backup.unwrap_or_else(|error| panic!("{when}: {error}"));
                    assert_eq!(backup.summary().sessions, 5, "{when}");
                }
                Err(_) => assert!(!is_done, "{when}"),
            }
        };
        let arguments = command(&["backup", "another"]);
        is_enough(power::cut_at_many_moments(PROGRAM, arguments, copies(&original), check).await);
    });
}

#[test]
fn a_power_cut_in_a_restore_leaves_the_old_store_or_the_new_one() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let before = all(&backed_up(original.path()).await).await;
        let check = async |dir: &Path, when: &str, is_done: bool| {
            let after = all(&dir.join("store")).await;
            let is_new = after.iter().all(|session| session.revoked.is_some());
            assert!(is_new || !is_done && after == before, "{when}: {after:?}");
        };
        let arguments = command(&["restore", "backup"]);
        is_enough(power::cut_at_many_moments(PROGRAM, arguments, copies(&original), check).await);
    });
}

/// What is left may be no store yet. Then the restore is done again.
#[test]
fn a_power_cut_in_a_restore_on_an_empty_machine_is_no_dead_end() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        fs::remove_dir_all(backed_up(original.path()).await).unwrap();
        let check = async |dir: &Path, when: &str, is_done: bool| {
            if !is_done {
                let output = program(&command(&["restore", "backup"])(dir));
                assert!(output.status.success(), "{when}: {output:?}");
            }
            let path = dir.join("store");
            assert!(path.join("db").exists(), "{when}: it is there");
            let after = all(&path).await;
            assert!(after.iter().all(|session| session.revoked.is_some()), "{when}");
        };
        let arguments = command(&["restore", "backup"]);
        is_enough(power::cut_at_many_moments(PROGRAM, arguments, copies(&original), check).await);
    });
}

#[test]
fn a_power_cut_in_a_repair_leaves_what_can_be_repaired() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let path = original.path().join("store");
        let store = open(&path).await;
        put(&store, 0..5).await;
        assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
        drop(store);
        // Two bits, so that nobody can tell which.
        let mut bytes = fs::read(path.join("db")).unwrap();
        let at = bytes.windows(9).rposition(|window| window == b"subject-1").unwrap();
        bytes[at] ^= 0x11;
        fs::write(path.join("db"), bytes).unwrap();
        let check = async |dir: &Path, when: &str, is_done: bool| {
            let path = dir.join("store");
            if !is_done {
                let again = program(&command(&["repair"])(dir));
                assert!(again.status.success(), "{when}: {again:?}");
            }
            let store = open(&path).await;
            let mut there = 0;
            for number in 0..5 {
                let found = store.load(session(number).id).await.unwrap();
                there += usize::from(found.is_some());
                let is_live = found.is_some_and(|session| session.revoked.is_none());
                assert!(number != 2 || !is_live, "{when}: nobody is let in");
            }
            assert!(there > 0, "{when}");
            assert!(path.join("aside/damaged/db").exists(), "{when}");
        };
        is_enough(power::cut_at_many_moments(PROGRAM, command(&["repair"]), copies(&original), check).await);
    });
}

/// Never do both stores open, and the same command ends it. Then the new one has everything.
#[test]
fn o_13_a_power_cut_in_a_migration_loses_nothing() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let before = all(&backed_up(original.path()).await).await;
        let arguments = |dir: &Path| {
            let [from, to] = ["store", "another"].map(|name| dir.join(name).into_os_string());
            vec!["migrate".into(), from, to]
        };
        let opened = async |path: PathBuf| {
            let opened = SledStore::open(SledConfig::new(path).create_if_missing(false)).await;
            opened.map(drop)
        };
        let check = async |dir: &Path, when: &str, is_done: bool| {
            let (old, new) = (opened(dir.join("store")).await, opened(dir.join("another")).await);
            assert!(old.is_err() || new.is_err(), "{when}: both open");
            assert_eq!(old.is_err(), matches!(old, Err(StoreError::Moved { .. })), "{when}: {old:?}");
            assert!(new.is_ok() || !is_done, "{when}: {new:?}");
            let again = program(&arguments(dir));
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            let was_done = new.is_ok() && old.is_err();
            assert_eq!(
                (again.status.success(), said.contains("was moved to")),
                (!was_done, was_done),
                "{when}: {said}"
            );
            assert_eq!(all(&dir.join("another")).await, before, "{when}");
            let old = opened(dir.join("store")).await;
            assert!(matches!(old, Err(StoreError::Moved { .. })), "{when}: {old:?}");
        };
        is_enough(power::cut_at_many_moments(PROGRAM, arguments, copies(&original), check).await);
    });
}

#[test]
fn a_power_cut_in_a_compaction_loses_nothing() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let path = original.path().join("store");
        let store = open(&path).await;
        put(&store, 0..5).await;
        for round in 0..60 {
            let mut update = UserUpdate::default();
            update.user = Some(format!(r#"{{"id":{round},"x":"{}"}}"#, "x".repeat(30_000)).into_bytes());
            store.update_user("subject-1".into(), update).await.unwrap();
        }
        assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
        drop(store);
        let before = all(&path).await;
        let check = async |dir: &Path, when: &str, _: bool| {
            assert_eq!(all(&dir.join("store")).await, before, "{when}");
        };
        is_enough(power::cut_at_many_moments(PROGRAM, command(&["compact"]), copies(&original), check).await);
    });
}
