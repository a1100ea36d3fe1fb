//! Answers that never arrive, come twice, or are asked for late: the owner stays in, and a thief is found.

mod late;
mod replaced;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::error::BoxError;
use jwtauth::store::SessionStore;
use jwtauth::{Event, JwtAuthBuilder, LoginAttempt, LoginError, SledStore, StorageConfig, TokenConfig};
use poem::http::Method;
use poem::test::TestClient;
use poem::{Endpoint, EndpointExt as _, Route};
use serde_json::{Value, json};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::tab::{Answer, Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::{Tokens, claims};

/// Longer than an access token lives.
const LATER: Duration = Duration::from_secs(301);

fn app() -> TestApp {
    TestApp::new()
}

/// Asserts that a pair was spent, its successor was used, and that this is told.
async fn assert_theft(tab: &Tab, spent: &Tokens, next: &Tokens) {
    assert_eq!(tab.get("/me", &next.cookies()).await.status, 200, "its owner has it");
    let answer = tab.post("/refresh", &spent.only_refresh()).await;
    assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::Deleted));
    assert_eq!(tab.get("/me", &next.cookies()).await.status, 401, "nobody goes on");
}

/// N-6: the access token of before lives on, and says nothing of the answer. The one that came with it does.
#[test]
fn n_6_an_access_token_of_before_does_not_tell_that_the_answer_arrived() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        let old = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(10));
        let lost = tab.post("/refresh", &old.only_refresh()).await.pair();
        assert_eq!(tab.get("/me", &old.only_access()).await.status, 200);
        assert_eq!(tab.bearer("/me", &old.access).await.status, 200);
        app.clock.advance(Duration::from_secs(40));
        let again = tab.post("/refresh", &old.only_refresh()).await.pair();
        assert_eq!(again.refresh, lost.refresh, "the same answer, long after the grace window");
        assert_eq!(tab.bearer("/me", &again.access).await.status, 200);
        app.clock.advance(Duration::from_secs(40));
        assert_theft(&tab, &old, &again).await;
    });
}

/// N-6: the answer to a silent refresh, to an explicit one and to one of body tokens is lost; the same tokens are good long
/// after the grace window, and again and again.
#[test]
fn n_6_a_lost_answer_is_given_again_until_it_is_used() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        for path in ["/me", "/hello", "/refresh"] {
            let method = if path == "/refresh" { Method::POST } else { Method::GET };
            let first = tab.login("alice").await;
            app.clock.advance(LATER);
            let ask = async || tab.send(method.clone(), path, &[("cookie", &first.cookies())]).await.pair();
            let lost = ask().await;
            let mut last = None;
            for wait in [1, 40, 400, 4_000] {
                app.clock.advance(Duration::from_secs(wait));
                let again = ask().await;
                assert_eq!(again.refresh, lost.refresh, "{path}, {wait}");
                assert_eq!(tab.get("/open", &again.cookies()).await.status, 200);
                last = Some(again);
            }
            let last = last.unwrap();
            assert_eq!(tab.bearer("/me", &last.access).await.status, 200, "{path}: it can be used");
            app.clock.advance(Duration::from_secs(31));
            assert_theft(&tab, &first, &last).await;
        }
    });
}

/// N-6: a page whose renderer drops `Set-Cookie` makes four requests at a time; then the browser comes with the old pair.
#[test]
fn n_6_answers_without_their_cookies_throw_nobody_out() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        for _ in 0..3 {
            app.clock.advance(LATER);
            let cookies = first.cookies();
            let ask = || tab.get("/me", &cookies);
            let answers: [Answer; 4] = tokio::join!(ask(), ask(), ask(), ask()).into();
            let pairs = answers.map(|answer| answer.pair());
            assert!(pairs.iter().all(|pair| pair.refresh == pairs[0].refresh));
            app.clock.advance(Duration::from_secs(31));
        }
        let browser = tab.get("/me", &first.cookies()).await.pair();
        assert_eq!(claims(&browser.refresh)["gen"], 1);
        assert_eq!(tab.get("/me", &browser.cookies()).await.cookies(), Cookies::None);
    });
}

/// N-6: a restart changes nothing: neither whom a lost answer lets in, nor who is a thief.
#[test]
fn n_6_a_restart_forgets_neither_a_lost_answer_nor_a_used_one() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let open = async || {
            let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
            TestApp::with(store, |builder| builder)
        };
        let app = open().await;
        let tab = Tab::new(&app);
        let (lost, used) = (tab.login("alice").await, tab.login("bob").await);
        app.clock.advance(LATER);
        let first = tab.get("/me", &lost.cookies()).await.pair();
        let second = tab.get("/me", &used.cookies()).await.pair();
        assert_eq!(tab.get("/me", &second.cookies()).await.status, 200);
        drop((tab, app));
        let app = open().await;
        app.clock.set(START + 2 * LATER.as_secs());
        let tab = Tab::new(&app);
        let again = tab.get("/me", &lost.cookies()).await.pair();
        assert_eq!(again.refresh, first.refresh);
        assert_ne!(claims(&again.access)["jti"], claims(&first.access)["jti"], "a token of its own");
        assert_eq!(tab.get("/me", &used.only_refresh()).await.cookies(), Cookies::Deleted);
        assert_eq!(tab.get("/me", &second.cookies()).await.status, 401);
    });
}

/// N-5: the store says that it failed, or nothing, and has done it all the same; also late, when the client is gone.
#[test]
fn n_5_a_refresh_whose_outcome_nobody_knows_is_no_theft() {
    bounded(async {
        for fault in [Fault::ErrorButDone, Fault::Late, Fault::Slow, Fault::Hang] {
            for path in ["/refresh", "/me"] {
                let store = Faulty::default();
                let set = |builder: JwtAuthBuilder| {
                    builder.storage(StorageConfig::default().timeout(Duration::from_millis(100)))
                };
                let app = TestApp::with(store.clone(), set);
                let tab = Tab::new(&app);
                let pair = tab.login("alice").await;
                app.clock.advance(LATER);
                store.set(Fault::None, fault);
                let method = if path == "/refresh" { Method::POST } else { Method::GET };
                let ask = async || tab.send(method.clone(), path, &[("cookie", &pair.cookies())]).await;
                for _ in 0..3 {
                    assert_eq!(ask().await.status, 503, "{fault:?}");
                }
                tokio::time::sleep(Duration::from_millis(1_200)).await;
                store.set(Fault::None, Fault::None);
                app.clock.advance(Duration::from_secs(60));
                let next = ask().await.pair();
                assert_eq!(tab.get("/me", &next.cookies()).await.status, 200, "{fault:?} {path}");
                assert_eq!(claims(&next.refresh)["gen"], 1, "{fault:?} {path}");
            }
        }
    });
}

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

/// A client of the routes with tokens in bodies.
struct BodyClient<E>(TestClient<E>);

impl<E: Endpoint> BodyClient<E> {
    async fn post(&self, path: &str, agent: &str, body: Value) -> (u16, Value) {
        let request = self.0.post(format!("/auth/{path}")).header("user-agent", agent).body_json(&body);
        let mut answer = request.send().await.0;
        let body = answer.take_body().into_string().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&body).unwrap_or_default())
    }

    async fn obtain(&self) -> Value {
        self.post("obtain", "owner", json!({"username": "alice", "password": "right"})).await.1
    }

    async fn refresh(&self, agent: &str, token: &Value) -> (u16, Value) {
        self.post("refresh", agent, json!({ "refresh": token["refresh"] })).await
    }
}

fn body_client(app: &TestApp) -> BodyClient<impl Endpoint + use<>> {
    let routes = app.jwtauth.routes(authenticate).body_tokens();
    BodyClient(TestClient::new(Route::new().nest("/auth", routes).with(app.jwtauth.clone())))
}

/// N-6, N-28: with tokens in bodies. A repeated answer has the same bytes for a while, and then an access token of its own.
#[test]
fn n_6_n_28_a_lost_answer_of_body_tokens_is_given_again() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), tests::app::with_registry);
        let client = body_client(&app);
        let first = client.obtain().await;
        let (_, lost) = client.refresh("owner", &first).await;
        app.clock.advance(Duration::from_secs(100));
        let (_, same) = client.refresh("owner", &first).await;
        assert_eq!((&same["access"], &same["refresh"]), (&lost["access"], &lost["refresh"]));
        app.clock.advance(Duration::from_secs(100));
        let (_, other) = client.refresh("owner", &first).await;
        assert_eq!(other["refresh"], lost["refresh"]);
        let ids = [&lost, &other].map(|body| claims(body["access"].as_str().unwrap())["jti"].clone());
        assert_ne!(ids[0], ids[1]);
        // Both are in the registry for as long as they are good.
        let sessions = app.jwtauth.sessions();
        for (now, active) in [(299, [true, true]), (301, [false, true]), (501, [false, false])] {
            app.clock.set(START + now);
            let tokens = sessions.tokens_of("alice").await.unwrap();
            let found = ids.clone().map(|id| tokens.iter().find(|token| token.id.to_string() == id));
            let found = found.map(|token| token.is_some_and(|token| token.is_active_at(START + now)));
            assert_eq!(found, active, "at {now}");
        }
    });
}

/// N-6: with claims of the application each repeated answer has an access token of its own. The first one proves too that
/// its owner has the answer.
#[test]
fn n_6_the_first_of_several_access_tokens_tells_that_the_answer_arrived() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.access_claims(|_| std::future::ready(Ok::<_, BoxError>(json!({"plan": "gold"}))))
        });
        let client = body_client(&app);
        let first = client.obtain().await;
        app.clock.advance(Duration::from_secs(1));
        let (_, owners) = client.refresh("owner", &first).await;
        app.clock.advance(Duration::from_secs(5));
        let (_, thiefs) = client.refresh("thief", &first).await;
        assert_ne!(owners["access"], thiefs["access"]);
        assert_eq!(client.post("verify", "owner", json!({ "token": owners["access"] })).await.0, 200);
        app.clock.advance(Duration::from_secs(31));
        assert_eq!(client.refresh("thief", &first).await.0, 401, "found");
        assert_eq!(client.refresh("owner", &owners).await.0, 401, "theft ends the session");
    });
}

/// N-28: what an access token says of its user is what it said when its id was made.
#[test]
fn n_28_no_two_tokens_have_one_id() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        let before = tab.post("/refresh", &first.cookies()).await.pair();
        let user = User { name: "alice".into(), roles: vec!["clerk".into()] };
        app.jwtauth.sessions().update_user(&user).await.unwrap();
        let after = tab.post("/refresh", &first.cookies()).await.pair();
        assert_eq!(after.refresh, before.refresh);
        let [before, after] = [before, after].map(|pair| claims(&pair.access));
        assert_eq!((&before["roles"], &after["roles"]), (&json!(["admin"]), &json!(["clerk"])));
        assert_ne!(before["jti"], after["jti"]);
    });
}

/// N-7: an answer that goes to another client is told, and may be refused; the owner stays in, and so does nobody else.
#[test]
fn n_7_an_answer_that_is_repeated_elsewhere_is_told() {
    logged(async |log| {
        for refuse in [false, true] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let heard = Arc::clone(&told);
            let hook = move |event: Event| {
                heard.lock().unwrap().push(event.name());
                std::future::ready(())
            };
            let tokens = TokenConfig::default();
            let tokens = if refuse { tokens.refuse_repeats_elsewhere() } else { tokens };
            let set = |builder: JwtAuthBuilder| builder.tokens(tokens).on_event(hook);
            let app = TestApp::with(TestStore::new(), set);
            let client = body_client(&app);
            let first = client.obtain().await;
            let (_, second) = client.refresh("owner", &first).await;
            assert_eq!(client.refresh("owner", &first).await.1["refresh"], second["refresh"]);
            assert_eq!(std::mem::take(&mut *told.lock().unwrap()), ["login", "refresh"]);
            let (status, body) = client.refresh("thief", &first).await;
            assert_eq!(std::mem::take(&mut *told.lock().unwrap()), ["repeated_elsewhere"]);
            assert!(log.text().contains("WARN") && log.text().contains("repeated_elsewhere"));
            match refuse {
                true => assert_eq!((status, &body["code"]), (401, &json!("token_not_valid"))),
                false => assert_eq!((status, &body["refresh"]), (200, &second["refresh"])),
            }
            assert_eq!(client.refresh("owner", &second).await.0, 200, "nothing was ended");
        }
    });
}

/// N-7: a question that costs nothing does not tell whether the owner has spent the token a moment ago.
#[test]
fn n_7_verify_says_the_same_before_and_after_a_refresh() {
    bounded(async {
        let app = app();
        let client = body_client(&app);
        let first = client.obtain().await;
        let verify = async || client.post("verify", "thief", json!({ "token": first["refresh"] })).await.0;
        assert_eq!(verify().await, 200);
        let (_, second) = client.refresh("owner", &first).await;
        assert_eq!(verify().await, 200);
        app.clock.advance(Duration::from_secs(31));
        assert_eq!(verify().await, 200, "it is still answered");
        let used = client.post("verify", "owner", json!({ "token": second["access"] })).await.0;
        // Nobody waits until a use is noted.
        app.jwtauth.sessions().flush().await.unwrap();
        assert_eq!((used, verify().await), (200, 401), "it is answered no more");
    });
}

/// N-6: a token of the newest generation is noted without waiting, and before anything that comes after it.
#[test]
fn n_6_a_use_is_noted_before_the_next_request() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store.clone(), |builder| builder);
        let tab = Tab::new(&app);
        for round in 0..20 {
            let first = tab.login("alice").await;
            app.clock.advance(LATER);
            let second = tab.get("/me", &first.cookies()).await.pair();
            app.clock.advance(Duration::from_secs(31));
            assert_eq!(tab.get("/me", &second.cookies()).await.status, 200, "{round}");
            assert_eq!(tab.get("/me", &first.only_refresh()).await.status, 401, "{round}");
            assert!(
                !store
                    .load(second.session())
                    .await
                    .unwrap()
                    .unwrap()
                    .is_live_at(app.jwtauth.sessions().now())
            );
        }
    });
}
