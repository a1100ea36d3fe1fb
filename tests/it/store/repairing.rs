//! A repair that is killed, and a start that is killed before it is refused: another one goes on, and nothing
//! is lost on the way.

use std::ffi::OsString;

use super::*;

fn repair(store: &Path) -> Vec<OsString> {
    vec!["repair".into(), "--yes".into(), "--store".into(), store.into()]
}

/// Makes a store with a bit that is wrong near the beginning of its log.
async fn damaged(path: &Path) {
    let store = open(path).await;
    put(&store, 0..5).await;
    assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
    drop(store);
    let mut bytes = fs::read(path.join("db")).unwrap();
    let at = bytes.windows(9).position(|window| window == b"subject-1").unwrap();
    bytes[at] ^= 1;
    fs::write(path.join("db"), bytes).unwrap();
}

/// sled cuts its log at the wrong bit, and all sessions are behind that.
#[test]
fn a_kill_at_any_call_of_a_start_that_is_refused_loses_nothing() {
    bounded_by(Duration::from_secs(300), async {
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
        let original = tempfile::tempdir().unwrap();
        damaged(&original.path().join("store")).await;
        let prepare = || {
            let dir = tempfile::tempdir().unwrap();
            copy(original.path(), dir.path());
            dir
        };
        let arguments = |dir: &Path| vec!["status".into(), "--store".into(), dir.join("store").into()];
        let check = async |dir: &Path, when: &str| {
            let path = dir.join("store");
            let repaired = Command::new(program).args(repair(&path)).output().unwrap();
            assert!(repaired.status.success(), "{when}: {repaired:?}");
            let store = open(&path).await;
            for number in 0..5 {
                let found = store.load(session(number).id).await.unwrap();
                let is_live = found.map(|session| session.revoked.is_none());
                assert_eq!(is_live, Some(number != 2), "{when}: {number}");
            }
        };
        let kills = kill::at_any_call(program, arguments, prepare, check).await;
        assert!(kills.is_none_or(|kills| kills > 20), "there were kills: {kills:?}");
    });
}

#[test]
fn a_kill_at_any_call_of_a_repair_leaves_what_can_be_repaired() {
    bounded_by(Duration::from_secs(600), async {
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
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
        let refused = SledStore::open(&path).await;
        let is_damage = |error| matches!(error, StoreError::Corrupt { .. } | StoreError::RolledBack { .. });
        assert!(refused.map(drop).is_err_and(is_damage));

        let prepare = || {
            let dir = tempfile::tempdir().unwrap();
            copy(original.path(), dir.path());
            dir
        };
        let check = async |dir: &Path, when: &str| {
            let path = dir.join("store");
            let again = Command::new(program).args(repair(&path)).output().unwrap();
            assert!(again.status.success(), "{when}: {again:?}");
            let store = open(&path).await;
            let mut there = 0;
            for number in 0..5 {
                let found = store.load(session(number).id).await.unwrap();
                there += usize::from(found.is_some());
                let is_live = found.is_some_and(|session| session.revoked.is_none());
                assert!(number != 2 || !is_live, "{when}: nobody is let in");
            }
            assert!(there > 0, "{when}");
            assert!(!path.join("new").exists() && path.join("aside/damaged/db").exists(), "{when}");
        };
        let arguments = |dir: &Path| repair(&dir.join("store"));
        let kills = kill::at_any_call(program, arguments, prepare, check).await;
        assert!(kills.is_none_or(|kills| kills > 50), "there were kills: {kills:?}");
    });
}
