//! A store that makes its files smaller by itself, while it is in use.

use jwtauth::store::StoreRecord;
use jwtauth::store::{CompactStore, CopiedRecord, WholeStore};

use super::*;

/// The length of the data file from which on the stores of these tests are looked at.
const FROM: u64 = 1024 * 1024;

async fn open_small(path: &Path) -> SledStore {
    SledStore::open(SledConfig::new(path).compact_from(FROM)).await.unwrap()
}

/// While new files are put in place there may be none.
fn data_len(path: &Path) -> u64 {
    fs::metadata(path.join("db")).map_or(u64::MAX, |data| data.len())
}

/// Replaces the user value of a session again and again, so that the file holds much that is free.
async fn churn(store: &SledStore, round: u64) {
    let mut update = UserUpdate::default();
    update.user = Some(format!(r#"{{"id":{round},"x":"{}"}}"#, "x".repeat(30_000)).into_bytes());
    assert_eq!(store.update_user("subject-1".into(), update).await.unwrap(), 2);
}

/// Waits for something that the thread of the store does when it comes to it.
async fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_store_stays_small_by_itself_and_nothing_is_lost() {
    bounded_by(Duration::from_secs(120), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = open_small(&path).await;
        put(&store, 0..5).await;
        let over = Arc::new(AtomicBool::new(false));
        // No request is refused because of it: it waits.
        let reading = tokio::spawn({
            let (store, over) = (store.clone(), Arc::clone(&over));
            async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number = (number + 1) % 5;
                    assert!(store.load(session(number).id).await.unwrap().is_some());
                    assert!(!store.sessions_of(format!("subject-{}", number % 3)).await.unwrap().is_empty());
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut round = 0;
        while store.space().await.unwrap().compactions < 2 {
            churn(&store, round).await;
            round += 1;
        }
        over.store(true, Ordering::Relaxed);
        reading.await.unwrap();
        assert!(store.revoke(session(2).id, LOGOUT).await.unwrap());
        let space = store.space().await.unwrap();
        let last = space.last.unwrap();
        assert!(last.after < last.before, "{last:?}");
        assert!(space.bytes.is_some_and(|bytes| bytes > 0), "{space:?}");
        let reads = |found: &Session, round: u64| {
            let user = found.user.as_deref().unwrap();
            user.starts_with(format!(r#"{{"id":{round},"#).as_bytes())
        };
        assert!(reads(&store.load(session(1).id).await.unwrap().unwrap(), round - 1));
        drop(store);
        let after = all(&path).await;
        assert!(reads(&after[1], round - 1) && reads(&after[4], round - 1) && after[2].revoked.is_some());
        assert!(!path.join("new").exists() && !path.join("swap").exists() && !path.join("aside").exists());
    });
}

#[test]
fn a_sweep_gives_its_space_back() {
    bounded_by(Duration::from_secs(120), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = open_small(&path).await;
        for first in 0..20 {
            let logins = (0..50).map(|number| {
                let mut session = session(1);
                session.id = SessionId::from_bytes(tests::numbers::spread(50 * first + number));
                session.user = Some(format!(r#"{{"x":"{}"}}"#, "x".repeat(4_000)).into_bytes());
                store.insert(session, LoginEffects::default())
            });
            for login in futures_util::future::join_all(logins).await {
                login.unwrap();
            }
        }
        put(&store, 9..10).await;
        let before = data_len(&path);
        assert!(before > 4 * FROM, "{before}");
        while store.sweep(1_001, 100).await.unwrap().more {}
        until(|| data_len(&path) < before / 2).await;
        assert!(store.load(session(9).id).await.unwrap().is_some());
        drop(store);
        let store = open_small(&path).await;
        assert_eq!(store.sessions_of("subject-1".into()).await.unwrap().len(), 0);
        assert!(store.load(session(9).id).await.unwrap().is_some());
    });
}

#[test]
fn a_store_that_is_told_so_leaves_its_files_alone() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = SledStore::open(SledConfig::new(&path).compact_from(u64::MAX)).await.unwrap();
        put(&store, 0..5).await;
        let mut round = 0;
        while data_len(&path) < 3 * FROM {
            churn(&store, round).await;
            round += 1;
        }
        assert_eq!(store.space().await.unwrap().compactions, 0);
    });
}

/// A backup that is being taken is not cut off by a compaction, which waits for it.
#[test]
fn a_copy_that_is_being_made_comes_to_its_end() {
    bounded_by(Duration::from_secs(60), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = open(&path).await;
        put(&store, 0..5).await;
        let mut copy = store.copy().await.unwrap();
        let mut sessions = 0;
        let compacting = tokio::spawn({
            let store = store.clone();
            async move { store.compact().await }
        });
        until(|| path.join("new").exists()).await;
        put(&store, 5..8).await;
        loop {
            let page = copy.next().await.unwrap();
            let is_session =
                |record: &&CopiedRecord| matches!(record, CopiedRecord::Kept(StoreRecord::Session(_)));
            sessions += page.records.iter().filter(is_session).count();
            assert!(!compacting.is_finished());
            if page.end.is_some() {
                break;
            }
        }
        assert!(sessions >= 8, "{sessions}");
        drop(copy);
        compacting.await.unwrap().unwrap();
        drop(store);
        assert_eq!(all(&path).await.len(), 5);
    });
}

/// When the last handle is dropped, the directory is free: no thread goes on.
#[test]
fn a_compaction_ends_with_its_store() {
    bounded_by(Duration::from_secs(60), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = open(&path).await;
        put(&store, 0..5).await;
        for round in 0..50 {
            churn(&store, round).await;
        }
        let copy = store.copy().await.unwrap();
        // It cannot come to its end while the copy is there.
        let compacting = store.compact();
        until(|| path.join("new").exists()).await;
        drop(compacting);
        drop(copy);
        drop(store);
        let store = SledStore::open(SledConfig::new(&path).lock_timeout(Duration::ZERO)).await.unwrap();
        assert!(store.load(session(4).id).await.unwrap().is_some());
        assert!(!path.join("new").exists());
    });
}
