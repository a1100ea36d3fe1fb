//! A store that fails, hangs or panics: what the client is told, and what stays true.

use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::SessionStore as _;
use jwtauth::{Device, MemoryStore, StorageConfig};
use tests::app::{TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::tab::{Answer, Cookies, Tab};

fn app() -> (Faulty, TestApp, Tab) {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| {
        builder.storage(StorageConfig::default().timeout(Duration::from_millis(100)))
    });
    let tab = Tab::new(&app);
    (store, app, tab)
}

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "store_unavailable"), "{what}");
    assert_eq!(answer.headers["retry-after"], "1", "{what}");
    assert_eq!(answer.cookies(), Cookies::None, "{what}: cookies are neither set nor deleted");
    assert!(!answer.body.contains("on purpose"), "{what}: the cause is for the log");
}

/// 503 and never 200 or 401, for each route and each fault, and all is well when the fault is over.
#[test]
fn r_5_an_outage_is_503_and_ends_with_its_cause() {
    bounded(async {
        for fault in [Fault::Error, Fault::ErrorButDone, Fault::Hang] {
            let (store, app, tab) = app();
            let pair = tab.login("alice").await;

            store.set(Fault::None, fault);
            assert_unavailable(&tab.login_with("bob", "").await, "login");
            assert_unavailable(&tab.post("/refresh", &pair.cookies()).await, "refresh");
            assert_unavailable(&tab.get("/me", &pair.only_refresh()).await, "silent refresh");
            assert_unavailable(&tab.get("/hello", &pair.only_refresh()).await, "an outage is not nobody");
            assert_eq!(tab.get("/me", &pair.only_access()).await.status, 200, "{fault:?}: reads go on");
            // What was refreshed without an answer is answered again, and is no theft (unknown outcome).
            store.set(Fault::None, Fault::None);
            let next = tab.post("/refresh", &pair.cookies()).await.pair();
            assert_eq!(tab.get("/me", &next.cookies()).await.status, 200, "{fault:?}");

            store.set(Fault::None, fault);
            assert_unavailable(&tab.post("/logout", &next.cookies()).await, "logout");
            store.set(Fault::None, Fault::None);
            assert_eq!(tab.post("/logout", &next.cookies()).await.cookies(), Cookies::Deleted, "{fault:?}");
            assert_eq!(tab.get("/me", &next.cookies()).await.status, 401, "{fault:?}");

            let everywhere = [tab.login("alice").await, tab.login("alice").await];
            store.set(Fault::None, fault);
            assert_unavailable(&tab.post("/logout/all", &everywhere[0].cookies()).await, "logout all");
            store.set(Fault::None, Fault::None);
            let left = app.jwtauth.sessions().list("alice").await.unwrap().len();
            assert_eq!(left, if fault == Fault::ErrorButDone { 0 } else { 2 }, "{fault:?}: all or none");
        }
        let (store, _app, tab) = app();
        let pair = tab.login("alice").await;
        store.set(Fault::Error, Fault::None);
        for path in ["/me", "/hello", "/plain", "/admin", "/who"] {
            assert_unavailable(&tab.get(path, &pair.cookies()).await, path);
            assert_unavailable(&tab.bearer(path, &pair.access).await, path);
        }
        for path in ["/hello", "/open", "/who"] {
            assert_eq!(tab.get(path, "").await.status, 200, "{path}: strangers never touch the store");
        }
    });
}

/// N-2: the session is there, and only what it revokes is late. "Nobody is logged in" would be a lie.
#[test]
fn n_2_a_login_that_stands_when_its_time_is_over_has_succeeded() {
    bounded(async {
        let (store, app, tab) = app();
        store.set(Fault::None, Fault::Slow);
        let pair = tab.login("alice").await;
        store.set(Fault::None, Fault::None);
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 1);
    });
}

/// N-2: whoever hangs up while hooks hear of the login has no tokens.
#[test]
fn n_2_a_session_whose_login_was_given_up_is_revoked() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.on_event(|event| async move {
                if event.name() == "login" {
                    std::future::pending::<()>().await;
                }
            })
        });
        let sessions = app.jwtauth.sessions();
        let alice = User::named("alice");
        let login = sessions.login(&alice, Device::default());
        assert!(tokio::time::timeout(Duration::from_millis(50), login).await.is_err());
        while !sessions.list("alice").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// N-2: so has whoever hangs up while the store answers, though the session is there.
#[test]
fn n_2_a_session_is_revoked_if_nobody_waits_for_the_store() {
    bounded(async {
        let (store, app, _tab) = app();
        let sessions = app.jwtauth.sessions();
        store.set(Fault::None, Fault::Slow);
        let alice = User::named("alice");
        let login = sessions.login(&alice, Device::default());
        assert!(tokio::time::timeout(Duration::from_millis(20), login).await.is_err());
        store.set(Fault::None, Fault::None);
        while !sessions.list("alice").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// F-18: a sweep that fails is tried again, and the last handle takes the sweeper with it.
#[test]
fn f_18_the_sweeper_outlives_a_failure_and_ends_with_the_last_handle() {
    logged(async |log| {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().sweep_interval(Duration::from_secs(1)))
        });
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        store.set(Fault::None, Fault::Error);
        app.clock.advance(Duration::from_secs(24 * 60 * 60));
        // The first one after such a jump removes nothing.
        while app.jwtauth.sessions().sweep().await.is_ok() {}
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert!(store.inner.load(pair.session()).await.unwrap().is_some(), "the sweep has failed");
        let text = log.text();
        assert!(text.contains("a sweep failed; the next one tries again"), "{text}");
        store.set(Fault::None, Fault::None);
        while store.inner.load(pair.session()).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop((tab, app));
        // One is ours; the other was the app's, and the task would hold it up for ever.
        while Arc::strong_count(&store.inner) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
