//! Events of requests that were dropped, or answered because the store took too long, while it made the change.

use std::future::Future;
use std::time::Duration;

use jwtauth::store::SessionStore as _;
use jwtauth::{Device, StorageConfig};
use poem::http::StatusCode;
use tests::app::{TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::tab::Tab;
use tests::test_store::TestStore;
use tracing::Instrument as _;

use super::{kept, names};

/// Waits until the trail has as many events as are expected, and compares them.
async fn assert_kept(store: &Faulty, expected: &[&str]) {
    let mut all = kept(store).await;
    while all.len() < expected.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        all = kept(store).await;
    }
    assert_eq!(names(&all), expected);
}

/// Drops a call while the store has made its change and not answered yet.
async fn hang_up(call: impl Future) {
    assert!(tokio::time::timeout(Duration::from_millis(30), call).await.is_err(), "it is slower than that");
}

fn app(timeout: Duration) -> (Faulty, TestApp) {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| {
        builder.storage(StorageConfig::default().keep_events(1_000).timeout(timeout))
    });
    (store, app)
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn o_8_a_thief_who_hangs_up_is_reported() {
    bounded(async {
        let (store, app) = app(LONG);
        let tab = Tab::new(&app);
        let pair = tab.login("ann").await;
        let next = tab.post("/refresh", &pair.cookies()).await.pair();
        assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
        app.clock.advance(Duration::from_secs(60));
        store.set(Fault::None, Fault::Slow);
        hang_up(tab.post("/refresh", &pair.only_refresh())).await;
        assert_kept(&store, &["login", "reuse_detected"]).await;
    });
}

#[test]
fn o_8_a_logout_that_nobody_waits_for_is_reported() {
    bounded(async {
        let (store, app) = app(LONG);
        let tab = Tab::new(&app);
        let pairs = [tab.login("ann").await, tab.login("ann").await];
        store.set(Fault::None, Fault::Slow);
        hang_up(tab.post("/logout", &pairs[0].cookies())).await;
        assert_kept(&store, &["login", "login", "session_revoked"]).await;
        hang_up(tab.post("/logout/all", &pairs[1].cookies())).await;
        assert_kept(&store, &["login", "login", "session_revoked", "all_revoked"]).await;
    });
}

#[test]
fn o_8_a_change_that_takes_too_long_is_reported_when_it_is_made() {
    bounded(async {
        let (store, app) = app(SHORT);
        let tab = Tab::new(&app);
        let pair = tab.login("ann").await;
        store.set(Fault::None, Fault::Late);
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_kept(&store, &["login", "session_revoked"]).await;
        let all = kept(&store).await;
        assert_eq!(all[1].event.subject.as_deref(), Some("ann"));
    });
}

/// The session of a login that was given up is revoked, and the trail does not say that it lives.
#[test]
fn o_8_the_end_of_a_login_that_was_given_up_is_reported() {
    bounded(async {
        let (store, app) = app(LONG);
        store.set(Fault::None, Fault::Slow);
        let ann = User::named("ann");
        hang_up(app.jwtauth.sessions().login(&ann, Device::default())).await;
        assert_kept(&store, &["session_revoked"]).await;
        let revoked = &kept(&store).await[0].event;
        assert!(
            store
                .inner
                .sessions_of("ann".into())
                .await
                .unwrap()
                .iter()
                .all(|of| Some(of.id) == revoked.session)
        );
    });
}

/// Hooks hear what the trail keeps.
#[test]
fn o_8_hooks_hear_of_what_nobody_waited_for() {
    bounded(async {
        let store = Faulty::default();
        let (heard, mut events) = tokio::sync::mpsc::unbounded_channel();
        let app = TestApp::with(store.clone(), |builder| {
            builder.on_event(move |event| {
                let _ = heard.send(event.name());
                async {}
            })
        });
        let pair = Tab::new(&app).login("ann").await;
        assert_eq!(events.recv().await, Some("login"));
        store.set(Fault::None, Fault::Slow);
        hang_up(app.jwtauth.sessions().revoke(pair.session())).await;
        assert_eq!(events.recv().await, Some("session_revoked"));
    });
}

/// Who looks for all lines of one request finds those of events too.
#[test]
fn an_event_is_logged_in_the_span_of_its_request() {
    logged(async |log| {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.on_event(|event| async move { tracing::info!("heard of {}", event.name()) })
        });
        let pair = Tab::new(&app).login("ann").await;
        let request = tracing::info_span!("request", id = 7);
        assert!(app.jwtauth.sessions().revoke(pair.session()).instrument(request).await.unwrap());
        let text = log.text();
        for said in ["event=\"session_revoked\"", "heard of session_revoked"] {
            let line =
                text.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{said}: {text}"));
            assert!(line.contains("request{id=7}"), "{line}");
        }
    });
}
