//! `operate::compact` and `jwtauth compact`: less space, and nothing is lost at any kill.

use std::ffi::OsString;
use std::ops::ControlFlow;

use jwtauth::store::AccountStore as _;
use jwtauth::store::operate::{self, OperateError};

use super::*;

/// The length of a data file of sled, in bytes.
const FOUR_SEGMENTS: u64 = 4 * 512 * 1024;

/// Makes a store of some sessions, one of which is revoked, whose files hold much that is free.
async fn wasteful(dir: &Path, rounds: u64) -> PathBuf {
    let path = dir.join("store");
    // It would make its file smaller by itself.
    let store = SledStore::open(SledConfig::new(&path).compact_from(u64::MAX)).await.unwrap();
    put(&store, 0..5).await;
    for round in 0..rounds {
        let mut update = UserUpdate::default();
        update.user = Some(format!(r#"{{"id":{round},"x":"{}"}}"#, "x".repeat(30_000)).into_bytes());
        store.update_user("subject-1".into(), update).await.unwrap();
    }
    assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
    path
}

#[test]
fn a_compact_store_holds_the_same_in_less_space() {
    bounded(async {
        // sled uses free segments again, so now and then there is little to save.
        let (_dir, path, before) = loop {
            let dir = tempfile::tempdir().unwrap();
            let path = wasteful(dir.path(), 200).await;
            let before = all(&path).await;
            if fs::metadata(path.join("db")).unwrap().len() >= FOUR_SEGMENTS {
                break (dir, path, before);
            }
        };
        fs::write(path.join("note.txt"), "of a person").unwrap();
        let compaction = operate::compact(&path, &|_| ControlFlow::Continue(())).unwrap();
        assert!(compaction.after * 3 < compaction.before, "{compaction:?}");
        assert_eq!(all(&path).await, before);
        assert_eq!(fs::read(path.join("note.txt")).unwrap(), b"of a person");
        for name in ["new", "swap", "aside"] {
            assert!(!path.join(name).exists(), "{name}");
        }
        let modes = files(&path).into_iter().map(|(path, (_, mode))| (path.is_dir(), mode));
        let note = |mode| mode == 0o644;
        let widened: Vec<_> =
            modes.filter(|(is_dir, mode)| *mode != if *is_dir { 0o700 } else { 0o600 }).collect();
        assert!(widened.iter().all(|(_, mode)| note(*mode)) && widened.len() <= 1, "{widened:?}");
        // The next changes are made as before.
        let store = open(&path).await;
        assert!(store.revoke(session(3).id, LOGOUT).await.unwrap());
        drop(store);
        assert!(all(&path).await[3].revoked.is_some());
    });
}

/// What sled writes at once is longer than it needs to be, before it is settled and after.
#[test]
fn no_compaction_makes_the_files_larger() {
    bounded_by(Duration::from_secs(120), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = SledStore::open(SledConfig::new(&path).compact_from(u64::MAX)).await.unwrap();
        // So many changes may wait at a time.
        for start in (0..6_000_u64).step_by(2_000) {
            let adding = (start..start + 2_000).map(|number| {
                let mut account = testing::account(0, &format!("name-{number}"));
                account.id = jwtauth::AccountId::from_bytes(tests::numbers::spread(number));
                store.create_account(account)
            });
            assert!(futures_util::future::join_all(adding).await.into_iter().all(Result::unwrap));
        }
        drop(store);
        // In segments: sled closes the last one a byte short, and opens it with that byte.
        let data = || fs::metadata(path.join("db")).unwrap().len().div_ceil(FOUR_SEGMENTS / 4);
        let mut is_kept = false;
        for round in 0..20 {
            if is_kept {
                break;
            }
            let before = data();
            let told = std::sync::Mutex::new(Vec::new());
            let compaction = operate::compact(&path, &|progress| {
                told.lock().unwrap().push((progress.done, progress.of));
                ControlFlow::Continue(())
            });
            let compaction = compaction.unwrap();
            println!("{round}: {before} {compaction:?} {}", data());
            assert!(compaction.after <= compaction.before && data() <= before, "{round}: {compaction:?}");
            is_kept = compaction.after == compaction.before;
            let told = told.into_inner().unwrap();
            let keys = told.last().unwrap().1.unwrap();
            assert!(keys >= 12_000 && told.iter().all(|(done, of)| *of == Some(keys) && *done <= keys));
        }
        assert!(is_kept, "nothing is left to save at last");
        let store = open(&path).await;
        assert_eq!(store.accounts(None, 10_000).await.unwrap().len(), 6_000);
    });
}

#[test]
fn a_compaction_that_cannot_be_changes_nothing() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let path = wasteful(dir.path(), 2).await;
        let store = open(&path).await;
        let config = || SledConfig::new(&path).lock_timeout(Duration::ZERO);
        let refused = operate::compact(config(), &|_| ControlFlow::Continue(()));
        assert!(matches!(refused, Err(OperateError::Store(StoreError::Locked { .. }))), "{refused:?}");
        put(&store, 9..10).await;
        drop(store);
        let before = files(&path);
        // A limit on the size of files is like a full disk.
        let limited = Command::new("sh")
            .args(["-c", "ulimit -f 1000; exec \"$0\" compact"])
            .arg(env!("CARGO_BIN_EXE_jwtauth_program"))
            .env("JWTAUTH_STORE", &path)
            .output()
            .unwrap();
        assert!(!limited.status.success(), "{limited:?}");
        assert_eq!(files(&path).get(&path.join("db")), before.get(&path.join("db")));
        assert_eq!(all(&path).await.len(), 5);
    });
}

#[test]
fn a_kill_at_any_call_of_a_compaction_loses_nothing() {
    bounded_by(Duration::from_secs(300), async {
        let original = tempfile::tempdir().unwrap();
        let path = wasteful(original.path(), 30).await;
        let before = all(&path).await;
        let prepare = || {
            let dir = tempfile::tempdir().unwrap();
            copy(original.path(), dir.path());
            dir
        };
        let trial = prepare();
        let done = operate::compact(trial.path().join("store"), &|_| ControlFlow::Continue(())).unwrap();
        assert!(done.after < done.before, "the new files take the place of the old ones: {done:?}");
        let arguments = |dir: &Path| -> Vec<OsString> {
            vec!["compact".into(), "--store".into(), dir.join("store").into()]
        };
        let check = async |dir: &Path, when: &str| {
            assert_eq!(all(&dir.join("store")).await, before, "{when}");
            assert!(!dir.join("store/new").exists(), "{when}");
        };
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
        let kills = kill::at_any_call(program, arguments, prepare, check).await;
        assert!(kills.is_none_or(|kills| kills > 50), "there were kills: {kills:?}");
    });
}

/// Changes go on while a store is compacted: none is refused, and each one is there afterwards, also if the
/// process is killed.
#[test]
fn a_store_in_use_is_compacted_and_no_answer_is_lost() {
    bounded_by(Duration::from_secs(120), async {
        let dir = tempfile::tempdir().unwrap();
        let path = wasteful(dir.path(), 300).await;
        // Only when it is asked to.
        let store = SledStore::open(SledConfig::new(&path).compact_from(u64::MAX)).await.unwrap();
        let before = fs::metadata(path.join("db")).unwrap().len();
        let over = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn({
            let (store, over) = (store.clone(), Arc::clone(&over));
            async move {
                let mut answered = Vec::new();
                for number in 10..=u64::MAX {
                    let mut session = session(1);
                    session.id = SessionId::from_bytes(tests::numbers::spread(number));
                    store.insert(session.clone(), LoginEffects::default()).await.unwrap();
                    if number % 3 == 0 {
                        assert!(store.revoke(session.id, LOGOUT).await.unwrap());
                    }
                    answered.push((session.id, number % 3 == 0));
                    if over.load(Ordering::Relaxed) && answered.len() > 50 {
                        break;
                    }
                }
                answered
            }
        });
        let compact = Arc::new(store.clone()).compact_store().unwrap();
        for round in 0..3 {
            let [one, other] = [compact.compact(), compact.compact()];
            let (one, other) = futures_util::join!(one, other);
            let done =
                one.as_ref().or(other.as_ref()).unwrap_or_else(|_| panic!("{round}: {one:?} {other:?}"));
            assert!(round > 0 || done.after * 2 < done.before, "{done:?}");
            let refused = one.as_ref().err().or(other.as_ref().err());
            assert!(
                refused.is_none_or(|error| matches!(error, StoreError::BeingCompacted { .. })),
                "{refused:?}"
            );
        }
        over.store(true, Ordering::Relaxed);
        let answered = writing.await.unwrap();
        let after = fs::metadata(path.join("db")).unwrap().len();
        // A busy machine writes more meanwhile: a session takes 1.3 kB, and a third of them are written twice.
        let meanwhile = 1_800 * answered.len() as u64;
        assert!(after < before / 2 + meanwhile, "{before} {after} {meanwhile}");
        for (id, is_revoked) in &answered {
            let found = store.load(*id).await.unwrap().expect("what was answered is there");
            assert_eq!(found.revoked.is_some(), *is_revoked);
        }
        // As after kill -9: the files as they are now.
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        drop((store, compact));
        let killed = open(&copied.path().join("store")).await;
        for (id, is_revoked) in answered {
            let found = killed.load(id).await.unwrap().expect("what was answered is there");
            assert_eq!(found.revoked.is_some(), is_revoked);
        }
        assert!(!path.join("new").exists() && !path.join("swap").exists());
    });
}

/// The files cannot be exchanged: the store that is in use goes on, and the next attempt may succeed.
#[test]
fn an_exchange_that_fails_is_taken_back() {
    bounded_by(Duration::from_secs(60), async {
        let dir = tempfile::tempdir().unwrap();
        let path = wasteful(dir.path(), 100).await;
        let before = all(&path).await;
        let store = open(&path).await;
        // It leads nowhere, so nothing can be put there.
        std::os::unix::fs::symlink("/nowhere/at/all", path.join("aside")).unwrap();
        let compact = Arc::new(store.clone()).compact_store().unwrap();
        compact.compact().await.unwrap_err();
        let start = Instant::now();
        while store.revoke(session(3).id, LOGOUT).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "it comes back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!path.join("swap").exists() && !path.join("new").exists());
        fs::remove_file(path.join("aside")).unwrap();
        let done = compact.compact().await.unwrap();
        assert!(done.after < done.before, "{done:?}");
        drop((store, compact));
        let after = all(&path).await;
        assert!(after[3].revoked.is_some());
        assert_eq!([&after[..3], &after[4..]].concat(), [&before[..3], &before[4..]].concat());
    });
}
