//! What must hold when requests of one session meet, over real HTTP and in a real store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use jwtauth::SledStore;
use tests::app::TestApp;
use tests::browser::Browser;
use tests::serve::serve;
use tests::tab::{Answer, Cookies, Tab};
use tests::wire::{Tokens, claims, set_cookies};
use tests::{bounded, bounded_by};
use tokio::task::JoinHandle;

/// S-5, R-14: 64 requests at once with one expired access cookie and one refresh cookie.
#[test]
fn s_5_of_64_parallel_refreshes_one_rotates_and_all_are_let_in() {
    bounded_by(Duration::from_secs(240), async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let server = serve(app.endpoint()).await;
        let tab = Tab::new(&app);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for round in 0..100 {
            let first = tab.login("alice").await;
            app.clock.advance(Duration::from_secs(300));
            let requests =
                (0..64).map(|_| client.get(server.at("/me")).header("cookie", first.cookies()).send());
            let answers = join_all(requests).await;
            let mut refresh_tokens = Vec::new();
            for answer in answers {
                let answer = answer.unwrap();
                assert_eq!(answer.status(), 200, "round {round}");
                refresh_tokens.push(Tokens::of(answer.headers()).refresh);
            }
            refresh_tokens.dedup();
            assert_eq!(refresh_tokens.len(), 1, "round {round}: one successor");
            assert_eq!(claims(&refresh_tokens[0])["gen"], 1, "round {round}: one rotation");
            let session = &app.jwtauth.sessions().list("alice").await.unwrap()[0];
            assert_eq!(
                (session.id, session.generation),
                (first.session(), 1),
                "round {round}: one rotation on record"
            );
            // One live refresh token: the successor works, and once it is spent and the window over, the first does not.
            let successor = format!("__Host-refresh_token={}", refresh_tokens[0]);
            assert_eq!(tab.post("/refresh", &successor).await.status, 200, "round {round}");
            assert_eq!(tab.post("/refresh", &first.only_refresh()).await.status, 401, "round {round}");
        }
    });
}

/// Defect 6: many logouts of one session at once are all answered as one would be.
#[test]
fn s_8_of_64_logouts_at_once_none_fails() {
    bounded_by(Duration::from_secs(120), async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let server = serve(app.endpoint()).await;
        let tab = Tab::new(&app);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for round in 0..20 {
            let pair = tab.login("alice").await;
            let requests =
                (0..64).map(|_| client.post(server.at("/logout")).header("cookie", pair.cookies()).send());
            for answer in join_all(requests).await {
                assert_eq!(answer.unwrap().status(), 200, "round {round}");
            }
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 401, "round {round}");
        }
    });
}

/// S-8: a logout that was answered stays one: no slower request of that session brings it or its cookies
/// back, whether that request had to refresh first or not. One everywhere too.
#[test]
fn s_8_a_logout_stays_a_logout_while_slower_requests_are_in_flight() {
    bounded_by(Duration::from_secs(120), async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let server = serve(app.endpoint()).await;
        for round in 0..100 {
            let browser = Browser::new(&server.url);
            assert_eq!(browser.login("alice", "right").await.status(), 200);
            if round % 2 == 0 {
                // The slow requests will have to refresh, and hold new cookies while they wait.
                app.clock.advance(Duration::from_secs(300));
            }
            let before = app.started.load(Ordering::SeqCst);
            let slow: Vec<_> = (0..4)
                .map(|_| {
                    let browser = browser.clone();
                    tokio::spawn(async move { browser.get("/slow").await })
                })
                .collect();
            while app.started.load(Ordering::SeqCst) < before + 4 {
                tokio::task::yield_now().await;
            }
            let way = ["/logout", "/logout/all"][round / 2 % 2];
            let logout = browser.post(way).await;
            assert_eq!(logout.status(), 200, "round {round}");
            app.gate.add_permits(4);
            for answer in slow {
                let answer = answer.await.unwrap();
                assert_eq!(answer.status(), 200, "round {round}: it was let in before the logout");
                assert!(set_cookies(answer.headers()).is_empty(), "round {round}: no cookies come back");
            }
            assert_eq!(browser.cookie("access_token"), None, "round {round}");
            assert_eq!(browser.cookie("refresh_token"), None, "round {round}");
            assert_eq!(browser.me().await, 401, "round {round}");
            assert!(app.jwtauth.sessions().list("alice").await.unwrap().is_empty(), "round {round}");
        }
    });
}

/// Sends a request to the slow handler, and returns when the handler has started.
async fn ask_slowly(app: &TestApp, pair: &Tokens) -> JoinHandle<Answer> {
    let (tab, cookies) = (Tab::new(app), pair.cookies());
    let before = app.started.load(Ordering::SeqCst);
    let asking = tokio::spawn(async move { tab.get("/slow", &cookies).await });
    while app.started.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    asking
}

/// A slow request that refreshed does not put its older cookies over those of a later refresh.
#[test]
fn a_slow_answer_does_not_overwrite_newer_cookies() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(300));
        let slow = ask_slowly(&app, &first).await;
        let second = tab.get("/me", &first.cookies()).await.pair();
        let third = tab.post("/refresh", &second.cookies()).await.pair();
        app.gate.add_permits(1);
        let slow = slow.await.unwrap();
        assert_eq!((slow.status.as_u16(), slow.cookies()), (200, Cookies::None));
        assert_eq!(tab.get("/me", &third.cookies()).await.status, 200);
    });
}

/// N-5: a handler slower than the grace window does not make its own browser look like a thief.
#[test]
fn n_5_a_refresh_behind_a_slow_handler_is_no_theft() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(300));
        let slow = ask_slowly(&app, &first).await;
        app.clock.advance(Duration::from_secs(100));
        // The browser holds nothing but the old cookies yet.
        let meanwhile = tab.get("/me", &first.cookies()).await.pair();
        app.gate.add_permits(1);
        let late = slow.await.unwrap().pair();
        assert_eq!(meanwhile.refresh, late.refresh, "one successor");
        app.clock.advance(Duration::from_secs(29));
        assert_eq!(
            tab.get("/me", &first.cookies()).await.pair().refresh,
            late.refresh,
            "sent before the answer came"
        );
        app.clock.advance(Duration::from_secs(300));
        assert_eq!(tab.get("/me", &late.cookies()).await.pair().session(), late.session());
    });
}

/// N-5: a browser that went away before the answer came is let in with its old cookies when it is back.
#[test]
fn n_5_an_answer_that_nobody_waited_for_is_given_again() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(300));
        let abandoned = ask_slowly(&app, &first).await;
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        app.clock.advance(Duration::from_secs(600));
        let second = tab.get("/me", &first.cookies()).await.pair();
        assert_eq!(claims(&second.refresh)["gen"], 1, "the same successor, not a second one");
        let third = tab.post("/refresh", &second.cookies()).await.pair();
        app.clock.advance(Duration::from_secs(30));
        assert_eq!(
            tab.post("/refresh", &first.only_refresh()).await.status,
            401,
            "its owner has moved on: theft"
        );
        assert_eq!(tab.get("/me", &third.cookies()).await.status, 401);
    });
}
