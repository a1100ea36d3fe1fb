//! Keys as their operator sees them: which one signs, how they are changed, what is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use jwtauth::error::{ConfigError, KeyError, TokenError};
use jwtauth::keys::Algorithm;
use jwtauth::{JwtAuth, Key, KeyConfig, TokenUser, Verifier};
use poem::http::{StatusCode, header};
use poem::test::TestClient;
use poem::{EndpointExt, Route, get, handler};
use serde_json::Value;
use tests::app::{SECRET, START, TestApp};
use tests::bounded;
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::Tokens;

const P256: &str = include_str!("../keys/p256.pem");
const ED25519: &str = include_str!("../keys/ed25519.pem");
const RSA: &str = include_str!("../keys/rsa.pem");
const NEXT_SECRET: &[u8] = b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg";

fn pem(text: &str) -> Key {
    Key::from_pem(text).unwrap()
}

fn with_key(key: Key) -> TestApp {
    TestApp::with(TestStore::new(), |builder| builder.key(key))
}

/// Returns the header of a token.
fn header_of(token: &str) -> Value {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice(&json).unwrap()
}

async fn me(tab: &Tab, pair: &Tokens) -> u16 {
    tab.get("/me", &pair.cookies()).await.status.as_u16()
}

/// Each algorithm from login to refresh; refresh tokens stay with the secret.
#[test]
fn j_3_sessions_with_a_key_of_each_algorithm() {
    bounded(async {
        let rsa = |algorithm| pem(RSA).with_algorithm(algorithm).unwrap();
        let keys = [
            pem(P256),
            pem(include_str!("../keys/p384.pem")),
            pem(include_str!("../keys/p521.pem")),
            pem(ED25519),
            rsa(Algorithm::RS256),
            rsa(Algorithm::PS384),
            Key::hmac(Algorithm::HS256, NEXT_SECRET).unwrap(),
        ];
        for key in keys {
            let (name, kid) = (key.algorithm().name(), key.kid().to_owned());
            let app = with_key(key);
            let tab = Tab::new(&app);
            let pair = tab.login("alice").await;
            let head = header_of(&pair.access);
            assert_eq!((head["alg"].as_str(), head["kid"].as_str()), (Some(name), Some(&*kid)));
            assert_eq!(header_of(&pair.refresh)["alg"], "HS256");
            assert_eq!(me(&tab, &pair).await, 200, "{name}");
            assert_eq!(tab.bearer("/me", &pair.access).await.status, 200, "{name}");
            assert_eq!(me(&tab, &tab.post("/refresh", &pair.cookies()).await.pair()).await, 200, "{name}");
            let cut = &pair.access[..pair.access.len() - 8];
            assert_eq!(tab.bearer("/me", cut).await.code(), "token_not_valid", "{name}");
            app.clock.advance(Duration::from_secs(300));
            assert_eq!(tab.bearer("/me", &pair.access).await.code(), "token_expired", "{name}");
        }
    });
}

/// add, sign, retire; nobody is logged out, also who was away all the while.
#[test]
fn r_10_a_rotation_ends_no_session() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let (busy, away) = (tab.login("alice").await, tab.login("bob").await);
        let keys = app.jwtauth.keys();
        let old = keys.signing();
        assert_eq!((old.algorithm, old.signs, old.expires_at), (Algorithm::HS256, true, None));

        keys.add(pem(P256)).unwrap();
        assert_eq!(keys.jwks()["keys"].as_array().unwrap().len(), 1, "published before it signs");
        assert_eq!(header_of(&tab.login("carol").await.access)["alg"], "HS256");
        keys.sign_with(pem(P256).kid()).unwrap();
        let until = keys.retire(&old.kid).unwrap();
        assert_eq!(until, START + 300 + 60, "access_ttl and a minute");
        assert_eq!(me(&tab, &busy).await, 200, "a token of the old key");
        let renewed = tab.post("/refresh", &busy.cookies()).await.pair();
        assert_eq!(header_of(&renewed.access)["alg"], "ES256");

        // Long after the old key is gone: its access token says nothing any more, the refresh token all.
        app.clock.advance(Duration::from_secs(3600));
        assert_eq!(keys.list().len(), 1);
        assert_eq!(tab.bearer("/me", &away.access).await.code(), "token_not_valid");
        let answer = tab.get("/me", &away.cookies()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(me(&tab, &answer.pair()).await, 200);
        // But for who has just the old one, or any garbage beside it.
        let alone = tab.get("/me", &away.only_access()).await;
        assert_eq!((alone.status.as_u16(), alone.cookies()), (401, Cookies::None));
        let garbage = Tokens { access: away.access.clone(), refresh: "x".into() };
        assert_eq!(me(&tab, &garbage).await, 401);
    });
}

/// removing a key ends its tokens with the next request, and the one that signs cannot be removed.
#[test]
fn r_10_removing_a_key_ends_its_tokens() {
    bounded(async {
        let app = with_key(pem(P256));
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        assert_eq!(tab.bearer("/me", &pair.access).await.status, 200, "and is remembered");
        let keys = app.jwtauth.keys();
        let stolen = keys.signing().kid;
        assert!(matches!(keys.remove(&stolen), Err(KeyError::Signs { .. })));
        keys.add(pem(ED25519)).unwrap();
        keys.sign_with(pem(ED25519).kid()).unwrap();
        assert_eq!(tab.bearer("/me", &pair.access).await.status, 200);
        keys.remove(&stolen).unwrap();
        assert_eq!(tab.bearer("/me", &pair.access).await.status, 401);
        assert_eq!(keys.jwks()["keys"].as_array().unwrap().len(), 1);
        assert!(matches!(keys.remove(&stolen), Err(KeyError::Unknown { .. })));
        assert!(matches!(keys.sign_with(&stolen), Err(KeyError::Unknown { .. })));
        keys.add(pem(P256).to_public().unwrap()).unwrap();
        assert!(matches!(keys.sign_with(&stolen), Err(KeyError::NotPrivate { .. })));
        assert!(matches!(keys.add(pem(P256)), Err(KeyError::Known { .. })));
        for number in 0..30 {
            keys.add(pem(P256).with_kid(format!("k{number}")).unwrap()).unwrap();
        }
        assert!(matches!(keys.add(pem(RSA)), Err(KeyError::TooMany { max: 32 })));
    });
}

/// the same rotation with a restart in between, of the access key and of the secret.
#[test]
fn r_10_a_restart_with_other_keys_ends_no_session() {
    bounded(async {
        let before = TestApp::new();
        let pair = Tab::new(&before).login("alice").await;
        let store = || {
            let sessions = before.jwtauth.sessions();
            async { sessions.list("alice").await.unwrap().remove(0) }
        };
        let session = store().await;
        type Set = fn(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder;
        let cases: [(&str, Set, [u16; 2]); 5] = [
            ("the same", |builder| builder, [200, 200]),
            (
                "old secret",
                |builder| builder.secret(NEXT_SECRET).keys(KeyConfig::default().old_secret(SECRET)),
                [200, 200],
            ),
            ("no old secret", |builder| builder.secret(NEXT_SECRET), [401, 401]),
            (
                "a key, and the secret's tokens",
                |builder| {
                    builder
                        .key(pem(P256))
                        .keys(KeyConfig::default().verify_key(Key::hmac(Algorithm::HS256, SECRET).unwrap()))
                },
                [200, 200],
            ),
            ("a key", |builder| builder.key(pem(P256)), [401, 200]),
        ];
        for (name, set, expected) in cases {
            let memory = TestStore::new();
            jwtauth::store::SessionStore::insert(&memory, session.clone(), Default::default()).await.unwrap();
            let tab = Tab::new(&TestApp::with(memory, set));
            let bearer = tab.bearer("/me", &pair.access).await.status.as_u16();
            let cookies = me(&tab, &pair).await;
            assert_eq!([bearer, cookies], expected, "{name}");
        }
    });
}

/// J-4: what is refused at start.
#[test]
fn j_4_settings_that_do_not_fit() {
    let build = |set: fn(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder| {
        set(JwtAuth::builder()).build(TestStore::new()).unwrap_err()
    };
    assert!(matches!(build(|builder| builder.key(pem(P256))), ConfigError::MissingSecret));
    let refused = |error: ConfigError| match error {
        ConfigError::Key(error) => error,
        other => panic!("{other}"),
    };
    let key = |set| refused(build(set));
    assert!(matches!(
        key(|builder| builder.secret(SECRET).keys(KeyConfig::default().algorithm(Algorithm::ES256))),
        KeyError::Algorithm { .. }
    ));
    assert!(matches!(
        key(|builder| builder
            .secret(SECRET)
            .key(pem(P256))
            .keys(KeyConfig::default().algorithm(Algorithm::HS256))),
        KeyError::Algorithm { .. }
    ));
    assert!(matches!(
        key(|builder| builder.secret(SECRET).key(pem(P256).to_public().unwrap())),
        KeyError::NotPrivate { .. }
    ));
    assert!(matches!(
        key(|builder| builder.secret(SECRET).key(pem(P256).expires_at(START))),
        KeyError::Retired { .. }
    ));
    assert!(matches!(
        key(|builder| builder
            .secret(SECRET)
            .keys(KeyConfig::default().verify_key(Key::hmac(Algorithm::HS256, SECRET).unwrap()))),
        KeyError::Known { .. }
    ));
    assert!(matches!(build(|builder| builder.secret(P256)), ConfigError::WeakSecret { .. }));
    let rsa = JwtAuth::builder()
        .secret(SECRET)
        .key(pem(RSA))
        .keys(KeyConfig::default().algorithm(Algorithm::PS512));
    assert_eq!(rsa.build(TestStore::new()).unwrap().keys().signing().algorithm, Algorithm::PS512);
}

/// The published set has the public parts of all keys that are good, and nothing of a secret.
#[test]
fn the_key_set_is_published_without_secrets() {
    bounded(async {
        let app = with_key(pem(P256));
        app.jwtauth.keys().add(Key::hmac(Algorithm::HS256, NEXT_SECRET).unwrap()).unwrap();
        app.jwtauth.keys().add(pem(ED25519).expires_at(START + 10)).unwrap();
        let routes = Route::new().at("/.well-known/jwks.json", app.jwtauth.jwks());
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let answer = client.get("/.well-known/jwks.json").send().await;
        answer.assert_status_is_ok();
        answer.assert_header(header::CONTENT_TYPE, "application/jwk-set+json");
        answer.assert_header(header::CACHE_CONTROL, "public, max-age=300");
        answer.assert_header(header::VARY, "Origin");
        let text = answer.0.into_body().into_string().await.unwrap();
        let set: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(set, app.jwtauth.keys().jwks());
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            let mut names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            names.retain(|name| !["kty", "crv", "x", "y", "kid", "alg", "use"].contains(name));
            assert!(names.is_empty(), "{names:?}");
        }
        assert_eq!(Key::from_jwks(&text).unwrap()[0].kid(), pem(P256).kid());
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(app.jwtauth.keys().jwks()["keys"].as_array().unwrap().len(), 1);
        client.post("/.well-known/jwks.json").send().await.assert_status(StatusCode::METHOD_NOT_ALLOWED);
        client.head("/.well-known/jwks.json").send().await.assert_status_is_ok();
        assert!(TestApp::new().jwtauth.keys().jwks()["keys"].as_array().unwrap().is_empty());
    });
}

/// A service that only verifies: the same tokens, no session, no refresh token, no other audience.
#[test]
fn a_verifier_takes_access_tokens_and_nothing_else() {
    bounded(async {
        let app = with_key(pem(P256));
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let of = |issuer: &str, audience: &str| {
            let public = pem(P256).to_public().unwrap();
            Verifier::builder(issuer, audience).key(public).clock(app.clock.clone()).build().unwrap()
        };
        let verifier = of("jwtauth", "jwtauth");
        for _ in 0..2 {
            let user = verifier.verify(&pair.access).await.unwrap();
            assert_eq!((user.subject(), user.roles()), ("alice", &["admin".to_owned()][..]));
            assert_eq!(user.session_id(), pair.session());
            assert_eq!((user.auth_time(), user.expires_at()), (START, START + 300));
            assert_eq!(user.claims()["token_type"], "access");
            assert!(user.has_role("admin") && !user.has_role("adm") && !user.has_scope(""));
        }
        assert!(verifier.verify(&pair.refresh).await.is_err());
        let forged = of("jwtauth", "other").verify(&pair.access).await;
        assert_eq!(forged.unwrap_err(), TokenError::WrongAudience);
        assert_eq!(of("other", "jwtauth").verify(&pair.access).await.unwrap_err(), TokenError::WrongIssuer);
        let other = with_key(pem(ED25519));
        let foreign = Tab::new(&other).login("alice").await;
        assert_eq!(verifier.verify(&foreign.access).await.unwrap_err(), TokenError::UnknownKey);

        let service = TestClient::new(Route::new().at("/stock", get(stock)).with(verifier.clone()));
        let bearer = |token: &str| service.get("/stock").header("authorization", format!("Bearer {token}"));
        bearer(&pair.access).send().await.assert_text("alice").await;
        bearer(&pair.refresh).send().await.assert_status(StatusCode::UNAUTHORIZED);
        service
            .get("/stock")
            .header("cookie", pair.cookies())
            .send()
            .await
            .assert_status(StatusCode::UNAUTHORIZED);
        let bare = TestClient::new(Route::new().at("/stock", get(stock)));
        bare.get("/stock").send().await.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
        app.clock.advance(Duration::from_secs(305));
        assert_eq!(verifier.verify(&pair.access).await.unwrap_err(), TokenError::Expired);

        assert!(Verifier::builder("", "a").key(pem(P256)).build().is_err());
        assert!(Verifier::builder("i", "a").build().is_err());
        let url =
            Verifier::builder("i", "a").key_set_with("http://example.com", |_| async { Ok(Vec::new()) });
        assert!(matches!(url.build(), Err(ConfigError::Key(KeyError::Url { .. }))));
    });
}

#[handler]
fn stock(user: TokenUser) -> String {
    user.subject().to_owned()
}

/// J-8: a key set is fetched when it must be, once in 30 seconds, once for all who wait, and kept while it fails.
#[test]
fn j_8_a_key_set_is_fetched_seldom_and_kept_when_fetching_fails() {
    bounded(async {
        let app = with_key(pem(P256));
        let tab = Tab::new(&app);
        let (fetches, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let (counted, fails, keys) = (Arc::clone(&fetches), Arc::clone(&broken), app.jwtauth.keys().clone());
        let verifier = Verifier::builder("jwtauth", "jwtauth")
            .clock(app.clock.clone())
            .key_set_with("https://login.example.com/jwks.json", move |_| {
                counted.fetch_add(1, SeqCst);
                let (fails, keys) = (fails.load(SeqCst), keys.clone());
                async move {
                    tokio::task::yield_now().await;
                    if fails { Err("down".into()) } else { Ok(keys.jwks().to_string().into_bytes()) }
                }
            })
            .build()
            .unwrap();
        let is_good = async |token: &str| verifier.verify(token).await.map(drop);
        let later = |secs| app.clock.advance(Duration::from_secs(secs));
        let login = async || tab.login("alice").await.access;

        let token = login().await;
        assert_eq!(is_good(&token).await, Err(TokenError::KeysUnavailable));
        assert_eq!(is_good(&token).await, Err(TokenError::KeysUnavailable));
        assert_eq!(fetches.load(SeqCst), 1, "no second try within 30 seconds");
        broken.store(false, SeqCst);
        later(30);
        let all = futures_util::future::join_all((0..20).map(|_| is_good(&token))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(fetches.load(SeqCst), 2, "one for all");

        // A new key is found by its name, and strangers cannot make us ask.
        app.jwtauth.keys().add(pem(ED25519)).unwrap();
        app.jwtauth.keys().sign_with(pem(ED25519).kid()).unwrap();
        let renewed = login().await;
        assert_eq!(
            is_good(&renewed).await,
            Err(TokenError::KeysUnavailable),
            "asked a moment ago, before it was issued"
        );
        later(30);
        assert_eq!(is_good(&renewed).await, Ok(()));
        assert_eq!(fetches.load(SeqCst), 3);
        let strange = Tab::new(&with_key(pem(RSA))).login("mallory").await.access;
        for _ in 0..5 {
            assert_eq!(is_good(&strange).await, Err(TokenError::UnknownKey));
        }
        assert_eq!(fetches.load(SeqCst), 3);

        // Down again: what is there is used for a day, and tried anew every 30 seconds.
        broken.store(true, SeqCst);
        later(300);
        let token = login().await;
        assert_eq!((is_good(&token).await, is_good(&token).await), (Ok(()), Ok(())));
        assert_eq!(fetches.load(SeqCst), 4);
        later(24 * 60 * 60 - 301);
        assert_eq!(is_good(&login().await).await, Ok(()));
        later(1);
        assert_eq!(is_good(&login().await).await, Err(TokenError::KeysUnavailable));
    });
}
