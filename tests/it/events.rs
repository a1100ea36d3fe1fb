//! Hooks: told what has happened, in order, and asked before a login.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::error::SessionError;
use jwtauth::{
    Device, Event, JwtAuthBuilder, LoginAttempt, LoginError, RevocationReason, Session, StorageConfig, Veto,
};
use poem::Route;
use poem::http::StatusCode;
use poem::test::TestClient;
use serde_json::json;
use tests::app::{TestApp, User};
use tests::log::{logged, logged_in_no_time};
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::{bounded, in_no_time};
use tokio::time::Instant;

/// What a hook heard, in the order in which it did.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Returns a hook that notes the name of each event, with a mark of its own.
    fn hook(&self, mark: &'static str) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
        let heard = self.clone();
        move |event| {
            heard.add(format!("{mark}{}", event.name()));
            std::future::ready(())
        }
    }
}

fn app(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
    TestApp::with(TestStore::new(), set)
}

#[test]
fn r_12_every_event_is_told_once_and_after_it_is_done() {
    bounded(async {
        let heard = Heard::default();
        let app = app(|builder| builder.on_event(heard.hook("")));
        let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
        let pair = tab.login("bob").await;
        assert_eq!(heard.take(), ["login"]);
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(heard.take(), Vec::<String>::new(), "a request is no event");
        app.clock.advance(Duration::from_secs(301));
        let renewed = tab.get("/me", &pair.cookies()).await.pair();
        assert_eq!(heard.take(), ["refresh"], "a silent one too");
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 200);
        assert_eq!(heard.take(), Vec::<String>::new(), "the same successor once more");
        sessions.revoke_jwt(&renewed.access).await.unwrap();
        assert_eq!(heard.take(), ["token_revoked"]);
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 401);
        assert_eq!(heard.take(), ["reuse_detected"]);
        let pair = tab.login("bob").await;
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
        assert_eq!(heard.take(), ["login", "session_revoked"]);
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
        assert_eq!(heard.take(), Vec::<String>::new(), "it was over before");
        drop(tab.login("bob").await);
        sessions.revoke_all("bob").await.unwrap();
        assert_eq!(heard.take(), ["login", "all_revoked"]);
        let mut laptop = Device::default();
        laptop.app = Some("Firefox".into());
        let tokens = sessions.login(&User::named("bob"), laptop).await.unwrap();
        let mut phone = Device::default();
        phone.app = Some("Chrome".into());
        sessions.refresh(tokens.refresh().unwrap(), &phone).await.unwrap();
        assert_eq!(heard.take(), ["login", "refresh", "device_changed"]);
    });
}

#[test]
fn hooks_run_in_the_order_in_which_they_were_added() {
    bounded(async {
        let heard = Heard::default();
        let slow = heard.clone();
        let app = app(|builder| {
            builder
                .on_event(move |event| {
                    let slow = slow.clone();
                    async move {
                        for _ in 0..10 {
                            tokio::task::yield_now().await;
                        }
                        slow.add(format!("first {}", event.name()));
                    }
                })
                .on_event(heard.hook("second "))
        });
        drop(Tab::new(&app).login("bob").await);
        assert_eq!(heard.take(), ["first login", "second login"]);
    });
}

/// What an event says is what the store says by then.
#[test]
fn an_event_is_told_after_it_is_on_disk() {
    bounded(async {
        let heard = Heard::default();
        let noted = heard.clone();
        let app = app(|builder| {
            builder.on_event(move |event| {
                if let Event::SessionRevoked { session, reason } = event {
                    noted.add(format!("{session} {reason:?}"));
                }
                std::future::ready(())
            })
        });
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
        assert_eq!(heard.take(), [format!("{} {:?}", pair.session(), RevocationReason::Logout)]);
    });
}

#[test]
fn a_hook_cannot_make_a_request_fail() {
    logged(async |log| {
        let app = app(|builder| {
            builder
                .storage(StorageConfig::default().timeout(Duration::from_millis(100)))
                .on_event(|event| async move {
                    match event {
                        Event::Login { .. } => panic!("on purpose"),
                        _ => std::future::pending().await,
                    }
                })
                .on_authenticated(|_| async { panic!("on purpose") })
        });
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(
            tab.post("/logout", &pair.cookies()).await.status,
            200,
            "it waits no longer than a store may take"
        );
        assert!(log.text().contains("a hook panicked"), "{}", log.text());
        assert!(log.text().contains("a hook takes too long"), "{}", log.text());
    });
}

/// A sweep waits for hooks that hang three times, says so once, and goes on.
#[test]
fn a_sweep_goes_on_without_hooks_that_are_too_slow() {
    logged_in_no_time(async |log| {
        let heard = Heard::default();
        let noted = heard.clone();
        let app = app(|builder| {
            builder.on_event(move |event| {
                let hangs = matches!(event, Event::SessionExpired { .. });
                noted.add(event.name());
                async move {
                    if hangs {
                        std::future::pending().await
                    }
                }
            })
        });
        let sessions = app.jwtauth.sessions();
        for _ in 0..5 {
            sessions.login(&User::named("bob"), Device::default()).await.unwrap();
        }
        heard.take();
        app.clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(sessions.sweep().await.unwrap(), 0, "the clock has jumped");
        assert_eq!(sessions.sweep().await.unwrap(), 5);
        assert_eq!(heard.take(), [&["clock_jumped_ahead"][..], &["session_expired"; 3]].concat());
        let text = log.text();
        assert_eq!(text.matches("hooks are too slow: this sweep reports no more").count(), 1, "{text}");
    });
}

#[test]
fn who_is_calling_is_told_once_a_request() {
    bounded(async {
        let heard = Heard::default();
        let noted = heard.clone();
        let app = app(|builder| {
            builder.on_authenticated(move |who| {
                noted.add(who.subject());
                std::future::ready(())
            })
        });
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        heard.take();
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(heard.take(), ["bob"]);
        assert_eq!(tab.get("/me", "").await.status, 401);
        assert_eq!(heard.take(), Vec::<String>::new());
    });
}

/// A veto: no session, no cookies, no event, and the reason for the log only.
#[test]
fn a_hook_refuses_a_login() {
    logged(async |log| {
        let heard = Heard::default();
        let app = app(|builder| {
            builder
                .before_login(|session| async move {
                    assert_eq!(session.device.address, None, "it sees where the login comes from");
                    if session.subject == "bob" { Err(Veto::new("bob is on holiday")) } else { Ok(()) }
                })
                .on_event(heard.hook(""))
        });
        let tab = Tab::new(&app);
        let refused = tab.login_with("bob", "").await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "permission_denied"));
        assert!(!refused.body.contains("holiday"), "{}", refused.body);
        assert!(log.text().contains("bob is on holiday"), "{}", log.text());
        assert_eq!(heard.take(), Vec::<String>::new());
        assert_eq!(app.jwtauth.sessions().list("bob").await.unwrap().len(), 0);
        let refused = app.jwtauth.sessions().login(&User::named("bob"), Device::default()).await;
        assert!(matches!(refused, Err(SessionError::Vetoed)));
        drop(tab.login("carl").await);
        assert_eq!(heard.take(), ["login"]);
    });
}

/// A hook that is asked and does not answer: 503, no session, and the log says whose fault it is. All hooks of a login share
/// the time that a change of the store has.
#[test]
fn a_hook_that_hangs_refuses_its_login_in_time() {
    in_no_time(|| async {
        let app = app(|builder| {
            let wait = |session: Arc<Session>| async move {
                match session.subject.as_str() {
                    "bob" => std::future::pending().await,
                    "carl" => tokio::time::sleep(Duration::from_secs(6)).await,
                    _ => tokio::time::sleep(Duration::from_secs(4)).await,
                }
                Ok(())
            };
            builder.before_login(wait).before_login(wait)
        });
        let tab = Tab::new(&app);
        for name in ["bob", "carl"] {
            let start = Instant::now();
            let refused = tab.login_with(name, "").await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
            );
            assert_eq!(refused.headers["retry-after"], "1");
            assert_eq!(refused.cookies(), Cookies::None);
            assert_eq!(start.elapsed().as_secs(), 10, "{name}");
            assert_eq!(app.jwtauth.sessions().list(name).await.unwrap().len(), 0);
        }
        drop(tab.login("dora").await);
        let refused = app.jwtauth.sessions().login(&User::named("bob"), Device::default()).await;
        assert!(matches!(refused, Err(SessionError::HookTimedOut { after }) if after.as_secs() == 10));
    });
}

/// S66: a failed login is told with the name and without the password, and neither is logged.
#[test]
fn s_66_a_failed_login_is_told_without_the_password() {
    logged(async |log| {
        let heard = Heard::default();
        let noted = heard.clone();
        let app = app(|builder| {
            builder.on_event(move |event| {
                noted.add(format!("{event:?}"));
                std::future::ready(())
            })
        });
        let authenticate = async |_: LoginAttempt| Err::<User, _>(LoginError::InvalidCredentials);
        let client = TestClient::new(Route::new().nest("/", app.jwtauth.routes(authenticate)));
        let body = json!({"username": "bob", "password": "xyzzy-horse"});
        let answer = client.post("/obtain").body_json(&body).send().await;
        assert_eq!(answer.0.status(), 401);
        let told = heard.take();
        assert!(told.len() == 1 && told[0].contains("LoginFailed") && told[0].contains("bob"), "{told:?}");
        assert!(!told[0].contains("xyzzy"), "{told:?}");
        let log = log.text();
        assert!(
            log.contains("event=\"login_failed\"") && !log.contains("bob") && !log.contains("xyzzy"),
            "{log}"
        );
    });
}
