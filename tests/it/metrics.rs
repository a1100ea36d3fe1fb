//! Feature `metrics`: each event is counted once, under its name, and nobody can make up labels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::store::{LoginEffects, SessionStore as _};
use jwtauth::{Device, Event, LoginAttempt, LoginError};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use poem::Route;
use poem::test::TestClient;
use serde_json::json;
use tests::app::{TestApp, User};
use tests::faulty::Faulty;
use tests::log::logged;
use tests::tab::Tab;

/// What was counted: each counter, with its labels, as text.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<BTreeMap<String, u64>>>);

/// One counter of them.
struct One(Counted, String);

impl CounterFn for One {
    fn increment(&self, by: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, _: u64) {
        panic!("{} is not set", self.1);
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(One(self.clone(), key.to_string())))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("{key} is no counter");
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key} is no counter");
    }
}

/// Every event of a few lives, in which each kind happens: the counters agree with what a hook has heard, and there are no
/// others. A name that was typed, a subject, an address: none of it is in a label.
#[test]
fn each_event_is_counted_once_under_its_name() {
    // On one thread: the recorder is this thread's own.
    logged(async |_| {
        let counted = Counted::default();
        let _recorder = metrics::set_default_local_recorder(&counted);
        let heard = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
        let noted = Arc::clone(&heard);
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.on_event(move |event: Event| {
                *noted.lock().unwrap().entry(event.name().into()).or_default() += 1;
                std::future::ready(())
            })
        });
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));

        // login, refresh, device_changed, token_revoked, session_revoked, all_revoked
        let mut laptop = Device::default();
        laptop.app = Some("Firefox".into());
        let tokens = sessions.login(&User::named("bob"), laptop).await.unwrap();
        let mut phone = Device::default();
        phone.app = Some("Chrome".into());
        let tokens = sessions.refresh(tokens.refresh().unwrap(), &phone).await.unwrap();
        sessions.revoke_jwt(tokens.access()).await.unwrap();
        sessions.revoke(tokens.session.id).await.unwrap();
        drop(tab.login("bob").await);
        sessions.revoke_all("bob").await.unwrap();

        // store_behind: a backup of the session as it was before its first refresh
        let pair = tab.login("carl").await;
        let before = store.inner.load(pair.session()).await.unwrap().unwrap();
        let newer = tab.post("/refresh", &pair.only_refresh()).await.pair();
        store.inner.insert(Arc::unwrap_or_clone(before), LoginEffects::default()).await.unwrap();
        assert_eq!(tab.post("/refresh", &newer.only_refresh()).await.status, 200);

        // reuse_detected
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 401);

        // login_failed
        let authenticate = async |_: LoginAttempt| Err::<User, _>(LoginError::InvalidCredentials);
        let client = TestClient::new(Route::new().nest("/", app.jwtauth.routes(authenticate)));
        let body = json!({"username": "mallory", "password": "xyzzy"});
        assert_eq!(client.post("/obtain").body_json(&body).send().await.0.status(), 401);

        // session_expired
        drop(tab.login("dora").await);
        app.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
        tests::sweep(sessions).await;

        // clock_set_back; the sweep has had clock_jumped_ahead
        app.clock.set(tests::app::START);
        assert!(sessions.now() > tests::app::START);
        while !heard.lock().unwrap().contains_key("clock_set_back") {
            tokio::task::yield_now().await;
        }

        let heard = heard.lock().unwrap().clone();
        let names: Vec<_> = heard.keys().map(String::as_str).collect();
        let all = [
            "all_revoked",
            "clock_jumped_ahead",
            "clock_set_back",
            "device_changed",
            "login",
            "login_failed",
            "refresh",
            "reuse_detected",
            "session_expired",
            "session_revoked",
            "store_behind",
            "token_revoked",
        ];
        assert_eq!(names, all, "each kind has happened");
        assert_eq!((heard["session_expired"], heard["login"], heard["login_failed"]), (1, 4, 1));
        let expected: BTreeMap<_, _> = heard
            .iter()
            .map(|(name, count)| (format!("Key(jwtauth_events_total, [event = {name}])"), *count))
            .collect();
        assert_eq!(*counted.0.lock().unwrap(), expected);
    });
}
