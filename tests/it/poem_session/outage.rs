//! poem's sessions when the store fails, hangs, or does not take what it is given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use jwtauth::error::StoreError;
use jwtauth::store::{LoginEffects, NewValue, StoreFuture, ValueKey, ValueStore};
use jwtauth::{PoemSessions, Session};
use poem::session::SessionStorage as _;
use serde_json::{Value, json};
use tests::{bounded, in_no_time};

use super::{Answer, App, open};

/// A store in memory that fails when told to.
#[derive(Clone, Debug, Default)]
struct Failing {
    values: Arc<Mutex<BTreeMap<ValueKey, Vec<u8>>>>,
    fault: Arc<AtomicU8>,
}

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

impl Failing {
    fn call<T: Send + 'static>(&self, done: T) -> StoreFuture<'_, T> {
        match self.fault.load(Ordering::SeqCst) {
            WORKS => Box::pin(async { Ok(done) }),
            FAILS => Box::pin(async { Err(StoreError::Backend("on purpose".into())) }),
            _ => Box::pin(std::future::pending()),
        }
    }
}

impl ValueStore for Failing {
    fn load_value(&self, key: ValueKey, _now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.call(self.values.lock().unwrap().get(&key).cloned())
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        if self.fault.load(Ordering::SeqCst) == WORKS {
            self.values.lock().unwrap().insert(value.key, value.bytes);
        }
        self.call(true)
    }

    fn remove_value(&self, key: ValueKey, _now: u64) -> StoreFuture<'_, bool> {
        let was_there =
            self.fault.load(Ordering::SeqCst) == WORKS && self.values.lock().unwrap().remove(&key).is_some();
        self.call(was_there)
    }

    fn insert_with_value(
        &self,
        _: Session,
        _: LoginEffects,
        _: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(async { Err(StoreError::Backend("this store keeps no sessions".into())) })
    }
}

/// a store that fails or hangs is 503 and never an empty session; no cookie is set or deleted.
#[test]
fn r_5_an_outage_is_503_and_never_an_empty_session() {
    in_no_time(|| async {
        let store = Failing::default();
        let app = App::new(PoemSessions::new(store.clone()));
        let id = app.open("word").await;
        let assert_unavailable = |answer: Answer, what: &str| {
            assert_eq!((answer.status, answer.cookie), (503, None), "{what}: {}", answer.body);
            assert!(answer.body.contains("store_unavailable"), "{what}: {}", answer.body);
            assert!(!answer.body.contains("on purpose"), "{what}: the cause is for the log");
        };
        store.fault.store(FAILS, Ordering::SeqCst);
        for path in ["/", "/write/x", "/purge", "/renew"] {
            assert_unavailable(app.get(path, &id).await, path);
        }
        assert_unavailable(app.get("/write/x", "").await, "a new one");
        assert_eq!(app.get("/", "").await.status, 200, "who has no session never touches the store");
        for fault in [FAILS, HANGS] {
            let store = Failing::default();
            let storage = PoemSessions::new(store.clone());
            let app = App::new(storage.clone());
            let id = app.open("word").await;
            // The read goes well and the change does not.
            let slow = app.get("/write-slowly", &id);
            let breaks = async {
                tokio::task::yield_now().await;
                store.fault.store(fault, Ordering::SeqCst);
                app.gate.add_permits(1);
            };
            assert_unavailable(tokio::join!(slow, breaks).0, "a change");
            let removed = storage.remove_session(&id).await;
            assert_eq!(removed.unwrap_err().status().as_u16(), 503, "a removal");
            store.fault.store(WORKS, Ordering::SeqCst);
            assert_eq!(app.word(&id).await, "word", "all is well when the fault is over");
        }
    });
}

/// What is too large is the application's fault: 500, and the session stays as it was.
#[test]
fn a_session_that_is_too_large_is_500_and_stays_as_it_was() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let app = App::new(PoemSessions::new(open(&directory.path().join("store")).await));
        let id = app.open("word").await;
        assert_eq!(app.get("/write-long/60000", &id).await.status, 200);
        let answer = app.get("/write-long/65536", &id).await;
        assert_eq!((answer.status, answer.cookie), (500, None), "{}", answer.body);
        assert!(answer.body.contains("server_error") && !answer.body.contains("65"), "{}", answer.body);
        assert_eq!(app.word(&id).await.len(), 60_000);
    });
}

/// JSON that can be written and not read again, as it is nested too deep, does not lock its owner out.
#[test]
fn r_7_a_session_that_cannot_be_read_counts_as_gone() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let storage = PoemSessions::new(open(&directory.path().join("store")).await);
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]));
        for (depth, readable) in [(100, true), (200, false)] {
            let entries = BTreeMap::from([("deep".to_owned(), nested(depth))]);
            storage.update_session("id", &entries, None).await.unwrap();
            let loaded = storage.load_session("id").await.unwrap();
            assert_eq!(loaded, readable.then_some(entries), "{depth} deep");
        }
    });
}
