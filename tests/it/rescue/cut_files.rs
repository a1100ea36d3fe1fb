//! A data file that ends too early, and the copy of one that a start has left which was killed.
//!
//! sled takes the newest segments that it knows for all there is, and what stands behind them for free space. So a start
//! that is refused must leave the file as it was.

use std::time::Duration;

use super::*;

const SEGMENT: u64 = 512 * 1024;

/// Makes a store of several segments. `again`: it was opened once more at the end, so that sled's snapshot is new.
async fn large(path: &Path, again: bool) {
    let store = SledStore::open(path).await.unwrap();
    let mut inserts = tokio::task::JoinSet::new();
    for number in 0..650_u32 {
        let store = store.clone();
        inserts.spawn(async move {
            let mut session = jwtauth::testing::session(0, &format!("user {}", number % 7));
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            session.id = jwtauth::SessionId::from_bytes(id);
            session.user = Some("x".repeat(3_000).into_bytes());
            (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
            store.insert(session, LoginEffects::default()).await.unwrap();
        });
    }
    inserts.join_all().await;
    drop(store);
    if again {
        drop(SledStore::open(path).await.unwrap());
    }
}

#[test]
fn a_refused_start_leaves_a_file_that_ends_too_early_as_it_was() {
    bounded_by(Duration::from_secs(300), async {
        let folder = tempfile::tempdir().unwrap();
        for again in [true, false] {
            let pristine = folder.path().join(format!("pristine {again}"));
            large(&pristine, again).await;
            let len = fs::metadata(pristine.join("db")).unwrap().len();
            assert!(len > 4 * SEGMENT, "{len}");
            let mut refused = 0;
            for cut in
                (1..len.div_ceil(SEGMENT)).step_by(2).map(|number| number * SEGMENT).chain([len - 4_096])
            {
                for (zeros, without) in [(false, ""), (true, "journal"), (true, "snap")] {
                    let case =
                        format!("opened again: {again}, cut at {cut} of {len}, zeros: {zeros}, no {without}");
                    let path = folder.path().join("store");
                    copy(&pristine, &path);
                    for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
                        if !without.is_empty() && entry.file_name().to_str().unwrap().starts_with(without) {
                            fs::remove_file(entry.path()).unwrap();
                        }
                    }
                    let data = OpenOptions::new().write(true).open(path.join("db")).unwrap();
                    data.set_len(cut).unwrap();
                    if zeros {
                        data.set_len(len).unwrap();
                    }
                    let (before, bytes) = (doctor(&path), fs::read(path.join("db")).unwrap());
                    match SledStore::open(&path).await {
                        Ok(store) => {
                            let store: std::sync::Arc<dyn jwtauth::store::SessionStore> =
                                std::sync::Arc::new(store);
                            let go_on = |_| ControlFlow::Continue(());
                            let found = operate::status(&store, 300, &go_on).await.unwrap();
                            assert_eq!(before.condition, Condition::Whole, "{case}");
                            assert_eq!(found.live_sessions, before.readable.sessions, "{case}");
                        }
                        Err(error) => {
                            refused += 1;
                            assert_eq!(before.condition, Condition::Damaged, "{case}: {error}");
                            assert!(fs::read(path.join("db")).unwrap() == bytes, "{case}: {error}");
                            assert_eq!(doctor(&path).readable, before.readable, "{case}: {error}");
                            assert!(!path.join("db.unopened").exists(), "{case}");
                        }
                    }
                }
            }
            assert!(refused >= 3, "{refused}");
        }
    });
}

/// Without a journal nobody has counted what is lost. It is no new store, in which anybody may take any name.
#[test]
fn a_file_that_makes_no_sense_is_no_new_store() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path) = (folder.path().join("pristine"), folder.path().join("store"));
        make(&pristine, 20).await;
        let len = fs::metadata(pristine.join("db")).unwrap().len();
        let mut numbers = Numbers::seeded(7);
        let noise: Vec<u8> = (0..len).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect();
        for journal in [false, true] {
            copy(&pristine, &path);
            if !journal {
                fs::remove_file(path.join("journal")).unwrap();
            }
            fs::write(path.join("db"), &noise).unwrap();
            let refused = SledStore::open(&path).await.map(drop).unwrap_err();
            assert!(matches!(refused, jwtauth::error::StoreError::Corrupt { .. }), "{journal}: {refused}");
            assert!(fs::read(path.join("db")).unwrap() == noise, "{journal}");
            assert_eq!(doctor(&path).condition, Condition::Damaged, "{journal}");
        }
        // A store that was never used may lose its journal.
        fs::remove_dir_all(&path).unwrap();
        drop(SledStore::open(&path).await.unwrap());
        fs::remove_file(path.join("journal")).unwrap();
        drop(SledStore::open(&path).await.unwrap());
    });
}

/// What a killed start has left, beside what it has cut.
fn leave_copy(path: &Path, of: &Path) {
    fs::create_dir_all(path.join("aside")).unwrap();
    fs::copy(of, path.join("aside/db.unopened")).unwrap();
}

/// A restored store is not replaced by the damaged file that was there before it.
#[test]
fn a_copy_of_a_damaged_file_goes_when_other_files_take_its_place() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("store"), folder.path().join("backup"));
        make(&path, 20).await;
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        assert_eq!(run(&path, "", &["backup", &text(&backup)]).code, 0);
        let damaged = folder.path().join("damaged");
        let mut bytes = fs::read(path.join("db")).unwrap();
        let at = bytes.windows(8).position(|window| window == b"user 007").unwrap();
        (bytes[at], bytes[at + 1]) = (1, 1);
        fs::write(&damaged, &bytes).unwrap();
        leave_copy(&path, &damaged);
        fs::write(path.join("db"), &bytes[..at / 512 * 512]).unwrap();

        assert_eq!(run(&path, "", &["restore", &text(&backup), "--yes"]).code, 0);
        assert!(!path.join("aside/db.unopened").exists());
        assert!(
            fs::read(path.join("aside/restored/db")).unwrap() == bytes,
            "the best that was there is kept"
        );
        assert_eq!(doctor(&path).condition, Condition::Whole);
        assert!(repair(&path).aside.is_none(), "there is nothing to repair");
        assert!(logs_in(&path, "alice", PASSWORD).await);
    });
}

/// Somebody has put a whole file in the place of the damaged one by hand.
#[test]
fn a_copy_that_was_left_does_not_count_beside_a_whole_file() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("store"), folder.path().join("old"));
        make(&path, 5).await;
        copy(&path, &old);
        let store = SledStore::open(&path).await.unwrap();
        let later = jwtauth::AccountId::from_bytes([99; 16]);
        let hash = PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into());
        let account = StoredAccount::new(later, "later".into(), "later".into(), hash, 100);
        assert!(store.create_account(account).await.unwrap());
        drop(store);
        leave_copy(&path, &old.join("db"));
        let found = doctor(&path);
        assert_eq!((found.condition, found.lost_changes), (Condition::Whole, Some(0)), "{found:?}");
        assert_eq!(found.readable.accounts, 8);
        assert!(repair(&path).aside.is_none(), "there is nothing to repair");
        let store = SledStore::open(&path).await.unwrap();
        assert!(store.account(later).await.unwrap().is_some());
    });
}
