//! `jwtauth backup` and `jwtauth restore`, killed at any call: the old store is whole, or the new one is.

use std::ffi::OsString;
use std::ops::ControlFlow;

use jwtauth::store::operate::BackupFile;

use super::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_jwtauth_program");

fn program(arguments: &[OsString]) -> std::process::Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn arguments(command: &str, file: PathBuf, store: PathBuf) -> Vec<OsString> {
    vec![command.into(), file.into(), "--yes".into(), "--store".into(), store.into()]
}

/// Makes a store, a backup of it, and ends one more session.
async fn backed_up(dir: &Path) -> PathBuf {
    let path = dir.join("store");
    let store = open(&path).await;
    put(&store, 0..5).await;
    assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
    drop(store);
    let output = program(&arguments("backup", dir.join("backup"), path.clone()));
    assert!(output.status.success(), "{output:?}");
    assert!(open(&path).await.revoke(session(3).id, LOGOUT).await.unwrap());
    path
}

fn copy_of(original: &tempfile::TempDir) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(original.path(), dir.path());
    dir
}

#[test]
fn a_kill_at_any_call_of_a_backup_leaves_a_whole_one_or_none() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let path = backed_up(original.path()).await;
        let before = all(&path).await;
        let arguments = |dir: &Path| arguments("backup", dir.join("another"), dir.join("store"));
        let check = async |dir: &Path, when: &str| {
            assert_eq!(all(&dir.join("store")).await, before, "{when}");
            if let Ok(file) = File::open(dir.join("another")) {
                let backup = BackupFile::check(file, &|_| ControlFlow::Continue(()));
                assert_eq!(backup.unwrap_or_else(|error| panic!("{when}: {error}")).summary().sessions, 5);
            }
        };
        let kills = kill::at_any_call(PROGRAM, arguments, || copy_of(&original), check).await;
        assert!(kills.is_none_or(|kills| kills > 20), "there were kills: {kills:?}");
    });
}

#[test]
fn a_kill_at_any_call_of_a_restore_leaves_the_old_store_or_the_new_one() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let path = backed_up(original.path()).await;
        let before = all(&path).await;
        let arguments = |dir: &Path| arguments("restore", dir.join("backup"), dir.join("store"));
        let check = async |dir: &Path, when: &str| {
            let after = all(&dir.join("store")).await;
            let is_new = after.iter().all(|session| session.revoked.is_some());
            assert!(is_new || after == before, "{when}: {after:?}");
        };
        let kills = kill::at_any_call(PROGRAM, arguments, || copy_of(&original), check).await;
        assert!(kills.is_none_or(|kills| kills > 50), "there were kills: {kills:?}");
    });
}

/// What is left may be no store yet. Then the restore is done again.
#[test]
fn a_kill_at_any_call_of_a_restore_on_an_empty_machine_is_no_dead_end() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        fs::remove_dir_all(backed_up(original.path()).await).unwrap();
        let arguments = |dir: &Path| arguments("restore", dir.join("backup"), dir.join("store"));
        let check = async |dir: &Path, when: &str| {
            let output = program(&arguments(dir));
            assert!(output.status.success(), "{when}: {output:?}");
            let after = all(&dir.join("store")).await;
            assert!(after.iter().all(|session| session.revoked.is_some()), "{when}");
        };
        let kills = kill::at_any_call(PROGRAM, arguments, || copy_of(&original), check).await;
        assert!(kills.is_none_or(|kills| kills > 50), "there were kills: {kills:?}");
    });
}
