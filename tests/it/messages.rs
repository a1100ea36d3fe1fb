//! What is said to those who run a service: what is wrong, and what to write.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use jwtauth::error::{AccountError, SessionError};
use jwtauth::keys::Algorithm;
use jwtauth::{
    Auth, JwtAuth, JwtAuthBuilder, Key, KeyConfig, MemoryStore, TokenConfig, Verifier, require_auth,
};
use poem::http::Method;
use poem::test::TestClient;
use poem::{EndpointExt, Route, get, handler};
use tests::app::{SECRET, TestApp};
use tests::bounded;
use tests::log::logged;
use tests::tab::Tab;

fn builder() -> JwtAuthBuilder {
    JwtAuth::builder().secret(SECRET)
}

/// As a `main` that returns the error prints it.
fn refused(builder: JwtAuthBuilder) -> String {
    format!("{:?}", builder.build(MemoryStore::new()).expect_err("a setting is refused"))
}

#[test]
fn a_secret_that_is_refused_says_where_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "short").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let said = refused(JwtAuth::builder().secret_file(&file));
    assert!(said.starts_with(&format!("the signing secret in the file {file:?} is too weak")), "{said}");
    let said = refused(JwtAuth::builder().secret_file(dir.path()));
    assert!(said.contains("it is a directory: name a file in it"), "{said}");
    let said = refused(JwtAuth::builder().secret(*b""));
    assert!(said.starts_with("the signing secret is too weak: it is empty"), "{said}");
    let said = refused(builder().keys(KeyConfig::default().old_secret(SECRET)));
    assert!(said.contains("is the secret that is in use"), "{said}");
    let said = refused(builder().keys(KeyConfig::default().old_secret(*b"short")));
    assert!(said.starts_with("an old secret is too weak"), "{said}");
    let said = refused(JwtAuth::builder().secret(*b"django-insecure-5v#k2l$w8x)q(9z!m4n7b"));
    assert!(said.contains("Django made it for development"), "{said}");
}

#[test]
fn a_length_of_time_names_the_setting_that_bounds_it() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (builder, want) in [
        (
            builder().refresh_ttl(60 * day),
            r#"absolute_ttl "30 days" is refused: it must be between 60 days and 400 days (no shorter than refresh_ttl)"#,
        ),
        (
            builder()
                .tokens(TokenConfig::default().leeway(Duration::from_secs(30)))
                .access_ttl(Duration::from_secs(60)),
            r#"TokenConfig::leeway "30 seconds" is refused: it must be between 0 seconds and 15 seconds (at most a quarter of access_ttl)"#,
        ),
    ] {
        assert_eq!(refused(builder), want);
    }
}

#[test]
fn an_error_that_main_returns_prints_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    fs::write(&file, include_str!("../keys/p256.pem")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
    let said = format!("{:?}", Key::from_file(&file).unwrap_err());
    assert!(said.contains("chmod 600"), "{said}");
    assert_eq!(format!("{:?}", AccountError::NameTaken), AccountError::NameTaken.to_string());
    assert_eq!(format!("{:?}", SessionError::Revoked), "session is revoked");
}

#[test]
fn a_page_that_is_refused_is_named_with_the_setting() {
    logged(async |log| {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let cookies = pair.cookies();
        let headers =
            [("cookie", &*cookies), ("origin", "http://localhost:5173"), ("host", "localhost:3000")];
        assert_eq!(tab.send(Method::POST, "/admin", &headers).await.status, 403);
        let text = log.text();
        for part in [r#"origin="http://localhost:5173""#, r#"host="localhost:3000""#, ".trusted_origin(..)"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        // Whoever sends it writes no lines of his own.
        let evil = [("cookie", &*cookies), ("origin", "http://a\u{80}b"), ("sec-fetch-site", "cross-site")];
        assert_eq!(tab.send(Method::POST, "/admin", &evil).await.status, 403);
        assert!(log.text().lines().all(|line| !line.contains(&pair.access)));
    });
}

#[test]
fn who_lacks_a_role_is_told_of_with_those_he_has() {
    logged(async |log| {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        assert_eq!(tab.get("/admin", &pair.cookies()).await.status, 403);
        let text = log.text();
        assert!(
            text.contains("a user lacks a role or scope that is required") && text.contains("roles=[]"),
            "{text}"
        );
        assert!(text.contains("the role `admin`"), "{text}");
    });
}

#[test]
fn a_token_without_a_scheme_is_told_of() {
    logged(async |log| {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        let answer = tab.send(Method::GET, "/me", &[("authorization", &pair.access)]).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "not_authenticated".into()));
        assert!(log.text().contains("has no scheme such as"), "{}", log.text());
        assert!(!log.text().contains(&pair.access), "and not shown");
    });
}

#[require_auth]
async fn stock() {}

/// Wrong settings look like an attack to whoever is refused; the log of the service says which they are, once.
#[test]
fn a_verifier_of_another_audience_says_so() {
    logged(async |log| {
        let app = TestApp::new();
        let pair = Tab::new(&app).login("bob").await;
        let key = || Key::hmac(Algorithm::HS256, SECRET).unwrap();
        for (issuer, audience, says) in
            [("jwtauth", "other", "meant for another audience"), ("other", "jwtauth", "another issuer")]
        {
            let verifier =
                Verifier::builder(issuer, audience).key(key()).clock(app.clock.clone()).build().unwrap();
            let client = TestClient::new(Route::new().at("/stock", get(stock)).with(verifier));
            let before = log.text().len();
            for token in [&pair.access, &pair.access, &"x.y.z".to_owned()] {
                let answer =
                    client.get("/stock").header("authorization", format!("Bearer {token}")).send().await;
                answer.assert_status(poem::http::StatusCode::UNAUTHORIZED);
            }
            let new = log.text().split_off(before);
            let told: Vec<_> = new.lines().filter(|line| line.contains("WARN")).collect();
            assert!(told.len() == 1 && told[0].contains(says) && told[0].contains("`aud`"), "{told:?}");
        }
    });
}

/// A test client names no host, as no browser does: there is nothing to warn of.
#[test]
fn cookies_are_not_said_to_be_dropped_where_there_is_no_browser() {
    logged(async |log| {
        let app = TestApp::new();
        Tab::new(&app).login("bob").await;
        assert!(!log.text().contains("browsers drop them"), "{}", log.text());
    });
}

#[handler]
fn whence(auth: Auth) -> String {
    auth.client_address().map_or("nowhere".into(), |peer| peer.to_string())
}

/// H-14: a login of the application's own goes by the same address as the ready-made one.
#[test]
fn h_14_a_handler_asks_for_the_address_behind_a_proxy() {
    bounded(async {
        for (proxy, want) in [(Some("127.0.0.1"), "203.0.113.7"), (None, "127.0.0.1")] {
            let app = TestApp::with(MemoryStore::new(), |builder| match proxy {
                Some(proxy) => builder.trusted_proxy(proxy),
                None => builder,
            });
            let served =
                tests::serve::serve(Route::new().at("/", get(whence)).with(app.jwtauth.clone())).await;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = client.get(served.at("/")).header("x-forwarded-for", "6.6.6.6, 203.0.113.7");
            assert_eq!(answer.send().await.unwrap().text().await.unwrap(), want);
        }
    });
}
