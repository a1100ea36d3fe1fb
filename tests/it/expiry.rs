//! Sessions whose time runs out: reported once, by the sweep that removes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, future};

use jwtauth::store::SessionStore as _;
use jwtauth::{Event, JwtAuthBuilder, Session, SledStore, StorageConfig};
use tests::app::TestApp;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::raw::copy;
use tests::tab::Tab;
use tests::test_store::TestStore;
use tests::{bounded, in_no_time};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The sessions that a hook was told were expired.
#[derive(Clone, Default)]
struct Expired(Arc<Mutex<Vec<Arc<Session>>>>);

impl Expired {
    fn hooked(&self, builder: JwtAuthBuilder) -> JwtAuthBuilder {
        let told = self.clone();
        builder.on_event(move |event| {
            if let Event::SessionExpired { session } = event {
                told.0.lock().unwrap().push(session);
            }
            future::ready(())
        })
    }

    fn take(&self) -> Vec<Arc<Session>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn a_session_that_runs_out_is_told_of_once_and_one_that_was_ended_is_not() {
    bounded(async {
        let (expired, store) = (Expired::default(), Faulty::default());
        let app = TestApp::with(store.clone(), |builder| expired.hooked(builder));
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let ended = tab.login("alice").await;
        assert_eq!(tab.post("/logout", &ended.cookies()).await.status, 200);
        let pair = tab.login("bob").await;
        app.clock.advance(DAY / 2);
        let renewed = tab.post("/refresh", &pair.only_refresh()).await.pair();
        app.clock.advance(DAY / 2);
        assert_eq!(tests::sweep(sessions).await, 1, "alice's session is removed");
        assert_eq!(expired.take(), [], "and was ended; bob's goes on, by its refresh");
        app.clock.advance(DAY / 2);
        assert_eq!(tab.get("/me", &renewed.cookies()).await.status, 401, "it is over at once");
        assert_eq!(expired.take(), [], "and is reported by the sweep");
        let before = store.inner.load(pair.session()).await.unwrap().unwrap();
        assert_eq!(tests::sweep(sessions).await, 1);
        assert_eq!(expired.take(), [Arc::clone(&before)], "as it was");
        assert_eq!((before.subject.as_str(), before.generation), ("bob", 1));
        assert_eq!(tests::sweep(sessions).await, 0);
        assert_eq!(expired.take(), [], "once");
    });
}

#[test]
fn the_sweep_in_the_background_tells_it_too() {
    in_no_time(|| async {
        let expired = Expired::default();
        let app = TestApp::with(TestStore::new(), |builder| expired.hooked(builder));
        let pair = Tab::new(&app).login("bob").await;
        app.clock.advance(DAY);
        // The first sweep finds that the clock has jumped ahead.
        tokio::time::sleep(Duration::from_secs(121)).await;
        let told: Vec<_> = expired.take().iter().map(|session| session.id).collect();
        assert_eq!(told, [pair.session()]);
    });
}

/// A process that dies while a hook hears of it does not tell it again: the session is gone from the files by then.
#[test]
fn a_session_is_told_of_after_its_removal_is_on_disk() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let (data, image) = (directory.path().join("data"), directory.path().join("image"));
        fs::create_dir(&data).unwrap();
        let store = SledStore::open(data.join("sessions")).await.unwrap();
        let paths = (data.clone(), image.clone());
        let app = TestApp::with(store, |builder| {
            builder.on_event(move |event| {
                if matches!(event, Event::SessionExpired { .. }) {
                    copy(&paths.0, &paths.1);
                }
                future::ready(())
            })
        });
        let pair = Tab::new(&app).login("bob").await;
        app.clock.advance(DAY);
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, 1);
        let expired = Expired::default();
        let restarted = TestApp::with(SledStore::open(image.join("sessions")).await.unwrap(), |builder| {
            expired.hooked(builder)
        });
        restarted.clock.advance(DAY);
        let sessions = restarted.jwtauth.sessions();
        assert_eq!(sessions.find(pair.session()).await.unwrap(), None);
        assert_eq!(tests::sweep(sessions).await, 0);
        assert_eq!(expired.take(), []);
    });
}

/// 600 sessions and a hook that never ends: three of them are waited for, all are removed, and the log says so.
#[test]
fn a_hook_that_hangs_does_not_hold_up_a_sweep_for_ever() {
    const SESSIONS: usize = 600;
    in_no_time(|| async {
        let begun = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&begun);
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.max_sessions(1_000).on_event(move |event| {
                let expired = matches!(event, Event::SessionExpired { .. });
                *counted.lock().unwrap() += usize::from(expired);
                async move {
                    if expired {
                        future::pending().await
                    }
                }
            })
        });
        let tab = Tab::new(&app);
        for _ in 0..SESSIONS {
            tab.login("bob").await;
        }
        app.clock.advance(DAY);
        let start = Instant::now();
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, SESSIONS);
        let took = start.elapsed();
        let wait = Duration::from_secs(10);
        assert!((3 * wait..4 * wait).contains(&took), "{took:?}");
        assert_eq!(*begun.lock().unwrap(), 3);
    });
}

/// A hook that takes its time and ends hears of all.
#[test]
fn a_slow_hook_hears_of_every_session() {
    in_no_time(|| async {
        let expired = Expired::default();
        let told = expired.clone();
        let app = TestApp::with(TestStore::new(), |builder| {
            // The sweep in the background does not help.
            builder.max_sessions(1_000).storage(StorageConfig::default().sweep_interval(DAY)).on_event(
                move |event| {
                    let told = told.clone();
                    async move {
                        if let Event::SessionExpired { session } = event {
                            tokio::time::sleep(Duration::from_secs(9)).await;
                            told.0.lock().unwrap().push(session);
                        }
                    }
                },
            )
        });
        let tab = Tab::new(&app);
        for _ in 0..300 {
            tab.login("bob").await;
        }
        app.clock.advance(DAY);
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, 300);
        assert_eq!(expired.take().len(), 300);
    });
}

/// What is not known to be removed for good is not reported, and the next sweep has another try.
#[test]
fn a_store_that_fails_has_nothing_told() {
    logged(async |log| {
        let expired = Expired::default();
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| expired.hooked(builder));
        drop(Tab::new(&app).login("bob").await);
        app.clock.advance(DAY);
        store.set(Fault::None, Fault::Error);
        assert_eq!(app.jwtauth.sessions().sweep().await.unwrap(), 0, "the clock has jumped ahead");
        app.jwtauth.sessions().sweep().await.unwrap_err();
        assert_eq!(expired.take(), []);
        assert!(!log.text().contains("session_expired"), "{}", log.text());
        store.set(Fault::None, Fault::None);
        assert_eq!(tests::sweep(app.jwtauth.sessions()).await, 1);
        assert_eq!(expired.take().len(), 1);
        assert!(log.text().contains("session_expired"), "{}", log.text());
    });
}
