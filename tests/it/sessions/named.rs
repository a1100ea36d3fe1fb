//! Which session a token names, where that is asked and not whether the token is good now.

use jwtauth::error::TokenError;
use jwtauth::keys::Algorithm;
use jwtauth::store::{LoginEffects, SessionStore as _};
use jwtauth::{Device, JwtAuthBuilder, Key, LoginAttempt, LoginError, Session};
use poem::{Endpoint, Route};
use serde_json::json;
use tests::faulty::{Fault, Faulty};

use super::*;

const NEXT_SECRET: &[u8] = b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg";
const SERVICE: &str = "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uA-";

type Header = fn(&Tokens) -> String;
type Set = fn(JwtAuthBuilder) -> JwtAuthBuilder;

const WAYS: [(&str, Header); 3] =
    [("both", Tokens::cookies), ("access", Tokens::only_access), ("refresh", Tokens::only_refresh)];

/// What makes the tokens of a session that goes on be refused: other settings, and where the clock goes.
const STATES: [(&str, Set, i64); 9] = [
    ("nothing", |b| b, 0),
    ("clock back", |b| b, -1),
    ("clock back by a day", |b| b, -86_400),
    ("issuer renamed", |b| b.issuer("https://renamed.example"), 0),
    ("audience renamed", |b| b.audience("renamed"), 0),
    ("both lifetimes shortened", |b| b.refresh_ttl(60 * SECOND).access_ttl(30 * SECOND), 0),
    ("refresh_ttl shortened, later", |b| b.refresh_ttl(600 * SECOND), 700),
    ("access token expired", |b| b, 300),
    ("all renamed, later", |b| b.issuer("https://renamed.example").audience("renamed"), 80_000),
];

fn on(store: &Faulty, set: Set) -> TestApp {
    TestApp::with(store.clone(), set)
}

fn at(app: &TestApp, seconds: i64) {
    app.clock.set(START.checked_add_signed(seconds).unwrap());
}

/// The session is over for good, whatever the time and the settings are.
async fn is_over(store: &Faulty, pair: &Tokens) -> bool {
    let session = store.inner.load(pair.session()).await.unwrap();
    session.is_none_or(|session| session.revoked.is_some())
}

/// N-1, S-8: whatever the times and the settings are by now, a logout ends the session that its tokens name.
#[test]
fn n_1_s_8_a_logout_ends_the_session_that_its_tokens_name() {
    bounded(async {
        for (state, set, seconds) in STATES {
            for (way, header) in WAYS {
                let store = Faulty::default();
                let pair = Tab::new(&on(&store, |b| b)).login("alice").await;
                let elsewhere = Tab::new(&on(&store, |b| b)).login("alice").await;
                let app = on(&store, set);
                at(&app, seconds);
                let answer = Tab::new(&app).post("/logout", &header(&pair)).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.cookies()),
                    (200, Cookies::Deleted),
                    "{state}, {way}"
                );
                assert!(is_over(&store, &pair).await, "{state}, {way}");
                assert!(!is_over(&store, &elsewhere).await, "{state}, {way}");
            }
            let store = Faulty::default();
            let pair = Tab::new(&on(&store, |b| b)).login("alice").await;
            let app = on(&store, set);
            at(&app, seconds);
            let bearer = [("authorization", &*pair.bearer())];
            let answer = Tab::new(&app).send(Method::POST, "/logout", &bearer).await;
            assert_eq!(answer.status, 200, "{state}, bearer: {}", answer.body);
            assert!(is_over(&store, &pair).await, "{state}, bearer");
        }
    });
}

/// N-1, S-7: so does a login in that browser.
#[test]
fn n_1_s_7_a_login_replaces_the_session_that_the_old_tokens_name() {
    bounded(async {
        for (state, set, seconds) in STATES {
            for (way, header) in WAYS {
                let store = Faulty::default();
                let pair = Tab::new(&on(&store, |b| b)).login("alice").await;
                let app = on(&store, set);
                at(&app, seconds);
                let next = Tab::new(&app).login_with("bob", &header(&pair)).await.pair();
                assert!(is_over(&store, &pair).await, "{state}, {way}");
                assert_eq!(Tab::new(&app).get("/me", &next.cookies()).await.status, 200, "{state}, {way}");
            }
        }
    });
}

/// N-1: an old refresh token names the session that lives on, and so does an access token of a key that has
/// expired.
#[test]
fn n_1_old_tokens_and_old_keys_name_the_session_that_lives_on() {
    bounded(async {
        for way in ["logout", "login", "access of an old key"] {
            let store = Faulty::default();
            let app = on(&store, |b| b);
            let tab = Tab::new(&app);
            let first = tab.login("alice").await;
            app.clock.advance(DAY / 2);
            let second = tab.get("/me", &first.cookies()).await.pair();
            app.clock.advance(DAY / 2);
            let answer = match way {
                "logout" => tab.post("/logout", &first.only_refresh()).await,
                "login" => tab.login_with("bob", &first.only_refresh()).await,
                _ => {
                    let keys = app.jwtauth.keys();
                    let (old, new) = (keys.signing().kid, Key::hmac(Algorithm::HS256, NEXT_SECRET).unwrap());
                    let kid = new.kid().to_owned();
                    keys.add(new).unwrap();
                    keys.sign_with(&kid).unwrap();
                    keys.retire(&old).unwrap();
                    app.clock.advance(600 * SECOND);
                    assert_eq!(tab.bearer("/me", &second.access).await.status, 401);
                    tab.post("/logout", &second.only_access()).await
                }
            };
            assert_eq!(answer.status, 200, "{way}");
            assert_eq!(tab.get("/me", &second.only_refresh()).await.status, 401, "{way}");
            assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 0, "{way}");
        }
    });
}

/// N-1: an expired session may be alive again when the clock goes back. A logout has ended it.
#[test]
fn n_1_a_logout_ends_a_session_that_only_the_clock_has_ended() {
    bounded(async {
        for way in ["logout", "login", "logout_all"] {
            let store = Faulty::default();
            let app = on(&store, |b| b);
            let tab = Tab::new(&app);
            let pair = tab.login("alice").await;
            app.clock.advance(2 * DAY);
            match way {
                "logout" => assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200),
                "login" => assert_eq!(tab.login_with("bob", &pair.cookies()).await.status, 200),
                _ => {
                    let answer = tab.post("/logout/all", &pair.cookies()).await;
                    assert_eq!(answer.status, 401, "it ends nothing, and says so");
                    continue;
                }
            }
            assert!(is_over(&store, &pair).await, "{way}");
        }
    });
}

/// N-1, R-5: what cannot be ended is an error, and the cookies stay.
#[test]
fn n_1_r_5_what_cannot_be_ended_is_an_error() {
    bounded(async {
        for (state, set, seconds) in STATES {
            for (reads, changes) in [(Fault::Error, Fault::None), (Fault::None, Fault::Error)] {
                let store = Faulty::default();
                let pair = Tab::new(&on(&store, |b| b)).login("alice").await;
                let app = on(&store, set);
                at(&app, seconds);
                store.set(reads, changes);
                let tab = Tab::new(&app);
                for (way, header) in WAYS {
                    let answer = tab.post("/logout", &header(&pair)).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.cookies()),
                        (503, Cookies::None),
                        "{state}, {way}"
                    );
                    assert_eq!(tab.login_with("bob", &header(&pair)).await.status, 503, "{state}, {way}");
                }
                store.set(Fault::None, Fault::None);
                assert!(!is_over(&store, &pair).await, "{state}");
            }
        }
        // A key that was removed: whose token it is cannot be told, unless the other cookie says so.
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let keys = app.jwtauth.keys();
        let (old, new) = (keys.signing().kid, Key::hmac(Algorithm::HS256, NEXT_SECRET).unwrap());
        let kid = new.kid().to_owned();
        keys.add(new).unwrap();
        keys.sign_with(&kid).unwrap();
        keys.remove(&old).unwrap();
        let answer = tab.post("/logout", &pair.only_access()).await;
        assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::Deleted));
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
        assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 0);
    });
}

/// N-1, S-6: a signature that is not ours names nothing, whatever it says.
#[test]
fn n_1_s_6_a_forged_token_names_nothing() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let forged = |token: &str| {
            let (message, signature) = token.rsplit_once('.').unwrap();
            [format!("{message}.{}", "A".repeat(signature.len())), token[..token.len() - 4].to_owned()]
        };
        for back in [0, 1] {
            app.clock.set(START - back);
            let swapped = tests::tab::cookies(Some(&pair.refresh), Some(&pair.access));
            let mut cookies = vec![swapped];
            for (access, refresh) in forged(&pair.access).iter().zip(&forged(&pair.refresh)) {
                cookies.push(tests::tab::cookies(Some(access), Some(refresh)));
            }
            for cookies in cookies {
                assert_eq!(tab.post("/logout", &cookies).await.status, 200);
                assert_eq!(tab.login_with("bob", &cookies).await.status, 200);
                assert_eq!(tab.post("/logout/all", &cookies).await.status, 401);
            }
        }
        app.clock.set(START);
        assert_eq!(me(&tab, &pair).await, 200);
    });
}

/// N-1: a logout everywhere ends all sessions of the subject that the tokens name.
#[test]
fn n_1_s_9_a_logout_everywhere_asks_whose_session_it_is() {
    bounded(async {
        for (state, set, seconds) in STATES {
            for (way, header) in WAYS {
                let store = Faulty::default();
                let tab = Tab::new(&on(&store, |b| b));
                let (one, other) = (tab.login("alice").await, tab.login("alice").await);
                let bob = tab.login("bob").await;
                let app = on(&store, set);
                at(&app, seconds);
                let answer = Tab::new(&app).post("/logout/all", &header(&one)).await;
                assert_eq!(
                    (answer.body.as_str(), answer.cookies()),
                    ("2", Cookies::Deleted),
                    "{state}, {way}"
                );
                assert!(is_over(&store, &one).await && is_over(&store, &other).await, "{state}, {way}");
                assert!(!is_over(&store, &bob).await, "{state}, {way}");
            }
        }
    });
}

/// J-19, N-1: a token of one subject and a record of another do not belong together, though key and session
/// are right.
#[test]
fn j_19_n_1_the_subject_of_a_token_is_that_of_the_record() {
    bounded(async {
        let device = Device::default();
        for generation in [0, 1, 5] {
            let store = Faulty::default();
            let app = on(&store, |b| b);
            let pair = Tab::new(&app).login("alice").await;
            let user = User::named("alice");
            let sliding = app.jwtauth.sessions().login_sliding(&user, device.clone()).await.unwrap();
            let (other, ids) = (Faulty::default(), [pair.session(), sliding.session.id]);
            for id in ids {
                let mut record = Session::clone(&*store.inner.load(id).await.unwrap().unwrap());
                record.subject = "bob".into();
                record.generation = generation;
                other.insert(record, LoginEffects::default()).await.unwrap();
            }
            let app = on(&other, |b| b);
            let (tab, sessions, client) = (Tab::new(&app), app.jwtauth.sessions(), bodies(&app));
            for (way, header) in WAYS {
                assert_eq!(tab.get("/me", &header(&pair)).await.status, 401, "{way}");
                assert_eq!(tab.get("/hello", &header(&pair)).await.body, "nobody", "{way}");
                assert_eq!(tab.post("/refresh", &header(&pair)).await.status, 401, "{way}");
                assert_eq!(tab.post("/logout/all", &header(&pair)).await.status, 401, "{way}");
                assert_eq!(tab.post("/logout/others", &header(&pair)).await.status, 401, "{way}");
                assert_eq!(tab.post("/logout", &header(&pair)).await.status, 401, "{way}: it ends nothing");
                assert_eq!(tab.login_with("carol", &header(&pair)).await.status, 200, "{way}");
            }
            for token in [&pair.access, sliding.access()] {
                assert_eq!(tab.bearer("/me", token).await.status, 401);
                let bearer = format!("Bearer {token}");
                let logout = tab.send(Method::POST, "/logout", &[("authorization", &bearer)]).await;
                assert_eq!(logout.status, 401);
            }
            let wrong = |error| matches!(error, SessionError::Token(TokenError::Claim("sub")));
            assert!(wrong(sessions.refresh(&pair.refresh, &device).await.unwrap_err()));
            assert!(wrong(sessions.refresh_sliding(sliding.access(), &device).await.unwrap_err()));
            for token in [&pair.access, &pair.refresh, sliding.access()] {
                assert_eq!(post(&client, "/auth/verify", json!({"token": token})).await, 401);
                assert!(wrong(sessions.revoke_jwt(token).await.unwrap_err()));
                assert!(wrong(sessions.revoke_jwt_tree(token).await.unwrap_err()));
            }
            let records = sessions.list("bob").await.unwrap();
            assert_eq!(records.len(), 2, "nothing was revoked");
            for record in records {
                assert!(record.generation == generation && record.revoked_tokens.is_empty(), "nor spent");
            }
        }
    });
}

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

fn bodies(app: &TestApp) -> TestClient<impl Endpoint + use<>> {
    let tokens = app.jwtauth.routes(authenticate).body_tokens().service("billing", SERVICE).unwrap();
    let sliding = app.jwtauth.routes(authenticate).sliding_tokens();
    TestClient::new(Route::new().nest("/auth", tokens).nest("/sliding", sliding).with(app.jwtauth.clone()))
}

async fn post<E: Endpoint>(client: &TestClient<E>, path: &str, body: serde_json::Value) -> u16 {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("billing:{SERVICE}"));
    let request = client.post(path).header("authorization", format!("Basic {basic}")).body_json(&body);
    request.send().await.0.status().as_u16()
}

/// N-1, S-14: the routes that revoke a token, and the functions behind them.
#[test]
fn n_1_s_14_a_revocation_asks_which_session_a_token_names() {
    bounded(async {
        for (state, set, seconds) in STATES {
            for way in [
                "/auth/revoke",
                "/auth/oauth/revoke",
                "/auth/expire",
                "/auth/expire with its tree",
                "revoke_jwt",
            ] {
                for kind in ["access", "refresh", "sliding"] {
                    let store = Faulty::default();
                    let before = on(&store, |b| b);
                    let sessions = before.jwtauth.sessions();
                    let user = User::named("alice");
                    let tokens = match kind {
                        "sliding" => sessions.login_sliding(&user, Device::default()).await.unwrap(),
                        _ => sessions.login(&user, Device::default()).await.unwrap(),
                    };
                    let token = if kind == "refresh" { tokens.refresh().unwrap() } else { tokens.access() };
                    let app = on(&store, set);
                    at(&app, seconds);
                    let client = bodies(&app);
                    let status = match way {
                        "/auth/revoke" if kind == "access" => continue,
                        "/auth/revoke" if kind == "sliding" => {
                            post(&client, "/sliding/revoke", json!({"token": token})).await
                        }
                        "/auth/revoke" => post(&client, way, json!({"refresh": token})).await,
                        "/auth/oauth/revoke" => {
                            use base64::Engine as _;
                            let basic = format!("billing:{SERVICE}");
                            let basic = base64::engine::general_purpose::STANDARD.encode(basic);
                            let request = client.post(way).header("authorization", format!("Basic {basic}"));
                            let form = request.content_type("application/x-www-form-urlencoded");
                            form.body(format!("token={token}")).send().await.0.status().as_u16()
                        }
                        "revoke_jwt" => match app.jwtauth.sessions().revoke_jwt_tree(token).await {
                            Ok(()) => 200,
                            Err(_) => 401,
                        },
                        _ => {
                            let tree = way != "/auth/expire";
                            post(&client, "/auth/expire", json!({"token": token, "affect_tree": tree})).await
                        }
                    };
                    let case = format!("{state}, {way}, {kind}");
                    let is_dead = match kind {
                        "refresh" => sessions.refresh(token, &Device::default()).await.is_err(),
                        "sliding" => sessions.refresh_sliding(token, &Device::default()).await.is_err(),
                        _ => Tab::new(&before).bearer("/me", token).await.status == 401,
                    };
                    // An access token that is past its `exp` cannot be revoked alone: the service is told
                    // that it is over (RFC 7009), and the others that nothing was revoked.
                    let past = kind == "access"
                        && seconds >= 300
                        && ["/auth/oauth/revoke", "/auth/expire"].contains(&way);
                    match way {
                        "/auth/expire" if past => assert_eq!(status, 401, "{case}"),
                        _ if past => assert_eq!(status, 200, "{case}"),
                        _ => assert!(status == 200 && is_dead, "{case}: {status}, {is_dead}"),
                    }
                }
            }
        }
    });
}
