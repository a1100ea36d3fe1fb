//! Records that are read while the store is used: what is wrong in them is found, and then nothing is answered any more.

use jwtauth::store::{NewValue, ValueKey, ValueStore as _};

use super::*;

/// Read while it is used, however small it is.
fn while_used(path: &Path) -> SledConfig {
    SledConfig::new(path).verify_first(0)
}

/// Waits until every record was read, or something was found. Returns whether all is well.
async fn is_whole(store: &SledStore) -> bool {
    loop {
        match store.load(session(0).id).await {
            Err(StoreError::Corrupt { .. }) => return false,
            Ok(_) if store.is_verified() => return true,
            other => drop(other.unwrap()),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The keys of a session in the tree: its record, and its entries in two indexes.
fn keys(path: &Path, number: u8) -> BTreeMap<u8, Vec<u8>> {
    let id = session(number).id;
    let raw = tests::raw::open(path);
    let keys = raw.iter().keys().map(|key| key.unwrap().to_vec());
    keys.filter(|key| key.ends_with(id.as_bytes())).map(|key| (key[0], key)).collect()
}

#[test]
fn r_7_what_is_wrong_with_sessions_is_found_while_the_store_is_used() {
    bounded(async {
        for kind in ["missing", "stale", "flipped", "subject", "expiry"] {
            let data = tempfile::tempdir().unwrap();
            let path = data.path().join("store");
            put(&open(&path).await, 0..9).await;
            let keys = keys(&path, 4);
            let before = tests::raw::open(&path).get(&keys[&b's']).unwrap().unwrap();
            assert!(open(&path).await.revoke(session(4).id, LOGOUT).await.unwrap());
            let raw = tests::raw::open(&path);
            match kind {
                "missing" => drop(raw.remove(&keys[&b's']).unwrap().unwrap()),
                "stale" => drop(raw.insert(&keys[&b's'], before).unwrap()),
                "flipped" => {
                    let mut bytes = raw.get(&keys[&b's']).unwrap().unwrap().to_vec();
                    *bytes.last_mut().unwrap() ^= 1;
                    raw.insert(&keys[&b's'], bytes).unwrap();
                }
                "subject" => drop(raw.remove(&keys[&b'u']).unwrap().unwrap()),
                _ => drop(raw.remove(&keys[&b'x']).unwrap().unwrap()),
            }
            raw.flush().unwrap();
            drop(raw);
            let copied = data.path().join("copied");
            copy(&path, &copied);

            let store = SledStore::open(while_used(&path)).await.unwrap();
            assert!(!is_whole(&store).await, "{kind}");
            assert!(!store.is_verified() && store.stamp(session(0).id).is_none(), "{kind}");
            let refused = [
                store.insert(session(100), LoginEffects::default()).await.err(),
                store.revoke(session(0).id, LOGOUT).await.err(),
                store.sessions_of(session(0).subject).await.err(),
                store.flush().await.err(),
            ];
            let is_corrupt = |error: &Option<StoreError>| matches!(error, Some(StoreError::Corrupt { path: named, .. }) if *named == path);
            assert!(refused.iter().all(is_corrupt), "{kind}: {refused:?}");
            drop(store);
            assert!(path.join("doubt").is_file(), "{kind}");
            for attempt in 0..2 {
                let opened = SledStore::open(while_used(&path)).await;
                assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{kind}, {attempt}: {opened:?}");
            }
            // Read first, it is refused at once, and nothing needs to be noted.
            for config in [SledConfig::new(&copied), while_used(&copied).verify_first(u64::MAX)] {
                let opened = SledStore::open(config).await;
                assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{kind}: {opened:?}");
                assert!(!copied.join("doubt").exists());
            }
        }
    });
}

/// An account says who is let in, and a value may say that something was revoked: they are read first.
#[test]
fn r_7_what_must_be_known_first_is_known_before_the_first_answer() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let store = open(&path).await;
        put(&store, 0..3).await;
        for number in 1..=2 {
            let value = NewValue::new(ValueKey::from_bytes([number; 32]), b"revoked".to_vec(), 100, 1_000);
            assert!(store.save_value(value).await.unwrap());
        }
        drop(store);
        let journal = fs::read(path.join("journal")).unwrap();
        for (what, key) in [("value", b'v'), ("index", b'w')] {
            let copied = data.path().join(what);
            copy(&path, &copied);
            let raw = tests::raw::open(&copied);
            let found = raw.scan_prefix([key]).keys().next().unwrap().unwrap();
            raw.remove(found).unwrap();
            drop(raw);
            let opened = SledStore::open(while_used(&copied)).await;
            assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{what}: {opened:?}");
        }
        // Rolled back by one change.
        let older = data.path().join("older");
        copy(&path, &older);
        let store = open(&path).await;
        assert!(store.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(store);
        assert_ne!(fs::read(path.join("journal")).unwrap(), journal);
        fs::copy(path.join("journal"), older.join("journal")).unwrap();
        let opened = SledStore::open(while_used(&older)).await;
        assert!(matches!(opened, Err(StoreError::RolledBack { lost: 1, .. })), "{opened:?}");
    });
}

/// One that is whole is found whole, and a doubt that came to nothing is forgotten.
#[test]
fn r_7_a_whole_store_is_found_whole_and_a_doubt_is_settled_first() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&open(&path).await, 0..9).await;
        let store = SledStore::open(while_used(&path)).await.unwrap();
        assert!(is_whole(&store).await);
        assert!(store.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(store);
        fs::write(path.join("doubt"), "somebody has seen a ghost\n").unwrap();
        let store = SledStore::open(while_used(&path)).await.unwrap();
        assert!(store.is_verified(), "all of it was read first");
        assert!(!path.join("doubt").exists());
        drop(store);
        // A small one is read first anyway.
        assert!(open(&path).await.is_verified());
    });
}

/// What a copy or a compaction makes of a store must not be made of one that is wrong.
#[test]
fn r_7_a_copy_and_a_compaction_wait_until_all_was_read() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&open(&path).await, 0..9).await;
        let record = keys(&path, 4).remove(&b's').unwrap();
        for is_damaged in [false, true] {
            if is_damaged {
                tests::raw::open(&path).remove(&record).unwrap().unwrap();
            }
            let store: Arc<dyn SessionStore> = Arc::new(SledStore::open(while_used(&path)).await.unwrap());
            // A compaction waits for the end of a copy.
            let copied = Arc::clone(&store).whole_store().unwrap().copy().await.map(drop);
            let compacted = Arc::clone(&store).compact_store().unwrap().compact().await;
            let is_corrupt = |error: &StoreError| matches!(error, StoreError::Corrupt { .. });
            assert_eq!(copied.as_ref().err().is_some_and(is_corrupt), is_damaged, "{copied:?}");
            assert_eq!(compacted.as_ref().err().is_some_and(is_corrupt), is_damaged, "{compacted:?}");
            assert_eq!((copied.is_ok(), store.is_verified()), (!is_damaged, !is_damaged));
        }
    });
}

/// Totals of an earlier release do not tell kinds of records apart: all is read first, once.
#[test]
fn r_19_a_store_of_an_earlier_release_is_read_first_and_upgraded() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layout_3"), data.path());
        let path = data.path().join("store");
        let layout = || tests::raw::open(&path).get("m").unwrap().unwrap()[0];
        assert!(layout() < 5);
        let store = SledStore::open(while_used(&path)).await.unwrap();
        assert!(store.is_verified());
        drop(store);
        assert_eq!(layout(), 6);
        let store = SledStore::open(while_used(&path)).await.unwrap();
        assert!(is_whole(&store).await);
    });
}
