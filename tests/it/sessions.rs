//! The life of a session as its user sees it: login, refresh, reuse, logout, limits.

mod named;
mod over;
mod pending;
mod room;

use std::time::Duration;

use jwtauth::AuthUser as _;
use jwtauth::error::SessionError;
use jwtauth::{Auth, CookieConfig, JwtAuth, TokenConfig};
use poem::http::Method;
use poem::test::TestClient;
use poem::{EndpointExt, handler};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::log::logged;
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::{Tokens, claims};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn me(tab: &Tab, pair: &Tokens) -> u16 {
    tab.get("/me", &pair.cookies()).await.status.as_u16()
}

/// S-7: a login takes over nothing from the browser, and ends what the browser held before.
#[test]
fn s_7_a_login_is_new_in_every_respect_and_replaces_the_old_one() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        let elsewhere = tab.login("alice").await;
        let second = tab.login_with("bob", &first.cookies()).await.pair();
        assert_ne!(first.session(), second.session());
        for claim in ["sid", "jti"] {
            assert_ne!(claims(&first.access)[claim], claims(&second.access)[claim], "{claim}");
            assert_ne!(claims(&first.refresh)[claim], claims(&second.refresh)[claim], "{claim}");
        }
        assert_eq!(me(&tab, &first).await, 401, "the session that was replaced");
        assert_eq!(me(&tab, &elsewhere).await, 200, "another browser");
        assert_eq!(tab.get("/hello", &second.cookies()).await.body, "bob");
        // With the refresh token alone, or the expired access token alone, it is still known which one ends.
        let third = tab.login_with("carol", &second.only_refresh()).await.pair();
        assert_eq!(me(&tab, &second).await, 401);
        app.clock.advance(300 * SECOND);
        let _fourth = tab.login_with("dave", &third.only_access()).await.pair();
        assert_eq!(me(&tab, &third).await, 401);
        // Garbage, and what somebody else planted, ends nothing and is not adopted.
        let fifth = tab.login_with("eve", "__Host-access_token=x; __Host-refresh_token=y").await.pair();
        assert_eq!(me(&tab, &fifth).await, 200);
        // L2: what has expired is in nobody's way.
        app.clock.advance(DAY);
        assert_eq!(me(&tab, &fifth).await, 401);
        let sixth = tab.login_with("eve", &fifth.cookies()).await.pair();
        assert_eq!(me(&tab, &sixth).await, 200);
    });
}

/// S-2, S-4, S-5: a refresh spends its token, and inside the grace window gives the same successor again.
#[test]
fn s_2_s_4_s_5_refresh_rotates_and_repeats_inside_the_grace_window() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(SECOND);
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        assert_ne!(first.refresh, second.refresh);
        assert_ne!(first.access, second.access);
        for (old, new, ttl) in
            [(&first.access, &second.access, 300), (&first.refresh, &second.refresh, 86_400)]
        {
            let (old, new) = (claims(old), claims(new));
            assert_ne!(old["jti"], new["jti"]);
            assert_eq!((new["iat"].as_u64(), new["exp"].as_u64()), (Some(START + 1), Some(START + 1 + ttl)));
            for kept in ["sub", "sid", "iss", "roles"] {
                assert_eq!(old[kept], new[kept], "{kept}");
            }
        }
        app.clock.advance(29 * SECOND);
        let again = tab.post("/refresh", &first.cookies()).await.pair();
        assert_eq!(second.refresh, again.refresh, "the last second of the window: the same successor");
        assert_eq!(me(&tab, &again).await, 200);
        let third = tab.post("/refresh", &second.cookies()).await.pair();
        assert_ne!(third.refresh, second.refresh);
        assert_eq!(me(&tab, &third).await, 200);
    });
}

/// S-3, N-6: a spent token that comes back after the window ends the session, access tokens included, if its successor was
/// used: by the access token, or by the refresh token.
#[test]
fn s_3_n_6_reuse_ends_the_session() {
    bounded(async {
        for wait in [30 * SECOND, 600 * SECOND] {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let first = tab.login("alice").await;
            let second = tab.post("/refresh", &first.cookies()).await.pair();
            assert_eq!(me(&tab, &second).await, 200);
            app.clock.advance(wait);
            let answer = tab.post("/refresh", &first.only_refresh()).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::Deleted), "after {wait:?}");
            assert_eq!(tab.bearer("/me", &second.access).await.status, 401);
            assert_eq!(tab.get("/me", &second.only_refresh()).await.status, 401, "the successor is dead too");
        }
        // An older generation is theft even inside the window of the last rotation.
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        let third = tab.post("/refresh", &second.cookies()).await.pair();
        assert_eq!(tab.get("/me", &first.only_refresh()).await.status, 401);
        assert_eq!(me(&tab, &third).await, 401);
    });
}

/// S-6: garbage and forgeries end nothing.
#[test]
fn s_6_garbage_ends_nothing() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let spent = tab.post("/refresh", &pair.cookies()).await.pair();
        app.clock.advance(60 * SECOND);
        let mut forged = pair.refresh.clone();
        forged.truncate(pair.refresh.len() - 2);
        for garbage in ["", "x", "a.b.c", &forged, &pair.access, &format!("{}A", pair.refresh)] {
            for path in ["/refresh", "/logout", "/me"] {
                let cookie = format!("__Host-refresh_token={garbage}");
                tab.post(path, &cookie).await;
                tab.get(path, &cookie).await;
            }
        }
        assert_eq!(me(&tab, &spent).await, 200);
    });
}

/// H-10: a bearer header beside cookies does not open the login of another site's making.
#[test]
fn h_10_a_bearer_header_does_not_switch_the_cross_origin_check_off_for_a_login() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let alice = tab.login("alice").await;
        let client = TestClient::new(app.endpoint());
        let login = client
            .post("/login")
            .content_type("application/json")
            .header("cookie", alice.cookies())
            .header("authorization", "Bearer bad")
            .header("sec-fetch-site", "cross-site")
            .body(r#"{"username":"bob","password":"right"}"#);
        login.send().await.assert_status(poem::http::StatusCode::FORBIDDEN);
        assert_eq!(me(&tab, &alice).await, 200);
        assert_eq!(app.jwtauth.sessions().list("bob").await.unwrap().len(), 0);
    });
}

/// J-25: nothing about a person in a token but the subject and what they may do.
#[test]
fn j_25_claims_are_these_and_no_others() {
    bounded(async {
        let app = TestApp::new();
        let pair = Tab::new(&app).login("alice").await;
        let names = |token: &str| {
            let claims = claims(token);
            let mut names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names(&pair.access), "aud auth_time client_id exp iat iss jti roles sid sub token_type");
        assert_eq!(names(&pair.refresh), "exp gen iat iss jti sid sub token_type");
        let access = claims(&pair.access);
        assert_eq!((access["sub"].as_str(), access["token_type"].as_str()), (Some("alice"), Some("access")));
        assert_eq!((access["iat"].as_u64(), access["exp"].as_u64()), (Some(START), Some(START + 300)));
    });
}

/// A role that is taken away is gone with the very next request, whatever the token says.
#[test]
fn a_renewed_user_is_seen_at_once() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        assert_eq!(tab.get("/admin", &pair.cookies()).await.status, 200);
        let demoted = User { roles: Vec::new(), ..User::named("alice") };
        assert_eq!(app.jwtauth.sessions().update_user(&demoted).await.unwrap(), 1);
        let answer = tab.get("/admin", &pair.cookies()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "permission_denied"));
        assert!(tab.get("/me", &pair.cookies()).await.body.contains(r#""roles":[]"#));
    });
}

/// Roles that do not fit into a cookie are refused when they are given, not at the refresh that would fail.
#[test]
fn an_update_that_no_cookie_could_hold_is_refused_as_a_whole() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let roles = (0..600).map(|n| format!("role-{n}")).collect();
        let refused = app.jwtauth.sessions().update_user(&User { roles, ..User::named("alice") }).await;
        assert!(matches!(refused, Err(SessionError::TokenTooLarge { .. })), "{refused:?}");
        app.clock.advance(300 * SECOND);
        let next = tab.get("/admin", &pair.cookies()).await.pair();
        assert_eq!(tab.get("/admin", &next.cookies()).await.status, 200);
    });
}

#[handler]
async fn login_twice(auth: Auth) -> poem::Result<()> {
    auth.login(&User::named("alice")).await?;
    auth.login(&User::named("bob")).await?;
    Ok(())
}

/// Of two logins in one request the first is no session that nobody holds.
#[test]
fn a_second_login_in_one_request_ends_the_first() {
    bounded(async {
        let app = TestApp::new();
        let twice = TestClient::new(login_twice.with(app.jwtauth.clone()));
        twice.post("/").send().await.assert_status_is_ok();
        let sessions = app.jwtauth.sessions();
        assert_eq!(sessions.list("alice").await.unwrap().len(), 0);
        assert_eq!(sessions.list("bob").await.unwrap().len(), 1);
    });
}

/// Subjects of 1 to 255 bytes, and an error that says so.
#[test]
fn a_subject_has_1_to_255_bytes() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        for (len, status) in [(1, 200), (255, 200), (0, 500), (256, 500)] {
            assert_eq!(tab.login_with(&"n".repeat(len), "").await.status.as_u16(), status, "{len} bytes");
        }
        assert!(SessionError::Subject { got: 256 }.to_string().contains("1 to 255 bytes, got 256"));
    });
}

/// Tokens of one secret mean nothing to another, and other names in `iss` and `aud` neither.
#[test]
fn j_17_j_18_tokens_of_another_service_are_refused() {
    bounded(async {
        let app = TestApp::new();
        let pair = Tab::new(&app).login("alice").await;
        type Set = fn(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder;
        let others: [Set; 3] = [
            |builder| builder.secret(*b"another secret of 32 bytes, ABCDEFG"),
            |builder| builder.issuer("https://other.example"),
            |builder| builder.audience("other"),
        ];
        for set in others {
            let other = TestApp::with(TestStore::new(), set);
            let tab = Tab::new(&other);
            assert_eq!(tab.bearer("/me", &pair.access).await.code(), "token_not_valid");
            assert_eq!(tab.get("/me", &pair.cookies()).await.cookies(), Cookies::None);
        }
    });
}

/// A setting that is refused says which one, and what to do.
#[test]
fn settings_are_refused_at_the_start() {
    let refused = |builder: jwtauth::JwtAuthBuilder| builder.build(TestStore::new()).unwrap_err().to_string();
    let good = || JwtAuth::builder().secret(tests::app::SECRET);
    assert!(refused(JwtAuth::builder()).contains("no signing secret"));
    assert!(refused(JwtAuth::builder().secret(*b"short")).contains("openssl rand -base64 48"));
    assert!(
        refused(JwtAuth::builder().secret_from_env("JWTAUTH_NO_SUCH_VARIABLE"))
            .contains("JWTAUTH_NO_SUCH_VARIABLE")
    );
    assert!(
        refused(good().access_ttl(Duration::ZERO))
            .contains("access_ttl \"0 seconds\" is refused: it must be between 1 second")
    );
    assert!(refused(good().trusted_origin("https://example.com/")).contains("https://example.com/"));
    assert!(refused(good().cookies(CookieConfig::default().names("a b", "c"))).contains("a b"));
    assert!(refused(good().issuer("")).contains("issuer"));
    assert!(refused(good().tokens(TokenConfig::default().client_id(""))).contains("client_id"));
}

/// A user type as a release has left it, and as the next one has it.
mod releases {
    use jwtauth::AuthUser;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    #[auth(kind = "User")]
    pub(super) struct Before {
        pub(super) id: u64,
        pub(super) phone: String,
    }

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    #[auth(kind = "User")]
    pub(super) struct With {
        id: u64,
        #[serde(default)]
        email: Option<String>,
    }

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    #[auth(kind = "User")]
    pub(super) struct Without {
        id: u64,
        email: String,
    }
}

#[handler]
async fn login_before(auth: Auth) -> poem::Result<()> {
    auth.login(&releases::Before { id: 7, phone: "+49 30 1234".into() }).await?;
    Ok(())
}

#[jwtauth::require_auth]
async fn with_default(user: releases::With) -> String {
    user.subject()
}

#[jwtauth::require_auth]
async fn without_default(user: releases::Without) -> String {
    user.subject()
}

/// N-9: a copy that a new release cannot read logs nobody out, for the next release may read it again. The log says
/// what to mend and nothing of what it held.
#[test]
fn n_9_a_user_type_that_has_changed_logs_nobody_out_and_heals_when_it_is_mended() {
    logged(async |log| {
        let app = TestApp::new();
        let routes = poem::Route::new()
            .at("/login", poem::post(login_before))
            .at("/with", poem::get(with_default))
            .at("/without", poem::get(without_default));
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let login = client.post("/login").send().await.0;
        let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        for _ in 0..2 {
            let without = client.get("/without").header("cookie", &cookie).send().await.0;
            assert_eq!(without.status().as_u16(), 403);
            assert_eq!(without.headers().get_all("set-cookie").iter().count(), 0, "the cookies stay");
            assert!(without.into_body().into_string().await.unwrap().contains("permission_denied"));
        }
        assert_eq!(app.jwtauth.sessions().list("7").await.unwrap().len(), 1, "the session is alive");
        let with = client.get("/with").header("cookie", &cookie).send().await;
        with.assert_text("7").await;
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
        let [line] = lines[..] else { panic!("{text}") };
        for says in ["WARN", "::Without`", "::Before`", "field `email`: it is missing", "#[serde(default)]"] {
            assert!(line.contains(says), "{says}: {line}");
        }
        assert!(!text.contains("1234"), "{text}");
    });
}

/// Cookies that a browser would drop without a word are worth one line in the log, and only one.
#[test]
fn the_log_says_once_why_a_browser_drops_the_cookies() {
    logged(async |log| {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let login = async |headers: &[(&str, &str)]| {
            let headers = [&[("content-type", "application/json")], headers].concat();
            let body = r#"{"username":"alice","password":"right"}"#;
            let client = TestClient::new(app.endpoint());
            let request = client.post("/login").body(body.to_owned());
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.assert_status_is_ok();
        };
        let lines = || log.text().matches("browsers drop them because they are Secure").count();
        login(&[("host", "localhost:3000")]).await;
        login(&[("host", "example.com"), ("x-forwarded-proto", "https")]).await;
        tab.send(Method::GET, "/open", &[("host", "example.com")]).await;
        assert_eq!(lines(), 0, "they keep these, and none were sent");
        login(&[("host", "192.0.2.7:3000")]).await;
        assert_eq!(lines(), 1);
        login(&[("host", "192.0.2.7:3000")]).await;
        assert_eq!(lines(), 1);
    });
}
