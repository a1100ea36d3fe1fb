//! The life of a session as its user sees it: login, refresh, reuse, logout, limits.

use std::time::Duration;

use jwtauth::AuthUser as _;
use jwtauth::{Auth, JwtAuth, MemoryStore, SessionError};
use poem::http::Method;
use poem::test::TestClient;
use poem::{EndpointExt, handler};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::log::logged;
use tests::tab::{Cookies, Tab};
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

/// S-3: a spent token that comes back after the window ends the session, access tokens included.
#[test]
fn s_3_reuse_ends_the_session() {
    bounded(async {
        for wait in [30 * SECOND, 600 * SECOND] {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let first = tab.login("alice").await;
            let second = tab.post("/refresh", &first.cookies()).await.pair();
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

/// S-8: a logout works with either cookie, with an expired access token, twice, and with a bearer token.
#[test]
fn s_8_logout_ends_the_session_at_once() {
    type Header = fn(&Tokens) -> String;
    let ways: [(&str, Header); 3] =
        [("both", Tokens::cookies), ("access", Tokens::only_access), ("refresh", Tokens::only_refresh)];
    bounded(async {
        for (way, header) in ways {
            for age in [0, 300] {
                let app = TestApp::new();
                let tab = Tab::new(&app);
                let pair = tab.login("alice").await;
                let elsewhere = tab.login("alice").await;
                app.clock.advance(age * SECOND);
                for _ in 0..2 {
                    let answer = tab.post("/logout", &header(&pair)).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.cookies()),
                        (200, Cookies::Deleted),
                        "{way}, {age} s"
                    );
                }
                assert_eq!(tab.bearer("/me", &pair.access).await.status, 401, "{way}, {age} s");
                assert_eq!(tab.get("/me", &pair.only_refresh()).await.status, 401, "{way}, {age} s");
                assert_eq!(
                    tab.get("/me", &elsewhere.only_refresh()).await.status,
                    200,
                    "S-9: {way}, {age} s"
                );
            }
        }
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let nobody = tab.post("/logout", "").await;
        assert_eq!((nobody.status.as_u16(), nobody.cookies()), (200, Cookies::Deleted), "nobody logs out");
        let pair = tab.login("alice").await;
        let bearer = format!("Bearer {}", pair.access);
        let answer = tab.send(Method::POST, "/logout", &[("authorization", &bearer)]).await;
        assert_eq!((answer.status.as_u16(), answer.cookies()), (200, Cookies::None));
        assert_eq!(me(&tab, &pair).await, 401);
    });
}

/// S-8: a logout that cannot tell which session is meant says so, and never that it has ended one.
#[test]
fn s_8_a_logout_that_ends_nothing_is_no_success() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let tokens = tab.login("alice").await;
        let logout = async |headers: &[(&str, &str)]| tab.send(Method::POST, "/logout", headers).await;
        let cookies = tokens.cookies();
        for bad in ["Bearer bad", "Bearer", "Bearer\tx", &format!("Bearer {}", tokens.refresh)] {
            let answer = logout(&[("cookie", &cookies), ("authorization", bad)]).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::None), "{bad}");
        }
        let twice = [("cookie", &*cookies), ("authorization", "Bearer a"), ("authorization", "Bearer b")];
        assert_eq!(logout(&twice).await.status, 401);
        let doubled = format!("{cookies}; __Host-access_token=zz; __Host-refresh_token=zz");
        let answer = logout(&[("cookie", &doubled)]).await;
        assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::Deleted));
        assert_eq!(me(&tab, &tokens).await, 200, "nothing was ended, and nothing else was said");
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
        assert_eq!(app.jwtauth.sessions().of("bob").await.unwrap().len(), 0);
    });
}

/// S-9: all sessions of a user, or all but this one, and nobody else's.
#[test]
fn s_9_logout_everywhere_and_elsewhere() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let alice = [tab.login("alice").await, tab.login("alice").await, tab.login("alice").await];
        let bob = tab.login("bob").await;
        assert_eq!(tab.post("/logout/others", &alice[0].cookies()).await.body, "2");
        assert_eq!(me(&tab, &alice[0]).await, 200);
        assert_eq!((me(&tab, &alice[1]).await, me(&tab, &alice[2]).await), (401, 401));
        let again = tab.login("alice").await;
        let answer = tab.post("/logout/all", &again.cookies()).await;
        assert_eq!((answer.body.as_str(), answer.cookies()), ("2", Cookies::Deleted));
        assert_eq!((me(&tab, &alice[0]).await, me(&tab, &again).await), (401, 401));
        assert_eq!(me(&tab, &bob).await, 200);
        let stranger = tab.post("/logout/all", "").await;
        assert_eq!((stranger.status.as_u16(), stranger.code().as_str()), (401, "not_authenticated"));
    });
}

/// S-10: a busy session ends at its absolute limit, an idle one at its idle limit.
#[test]
fn s_10_idle_and_absolute_limits() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| builder.absolute_ttl(3 * DAY));
        let tab = Tab::new(&app);
        let idle = tab.login("alice").await;
        let mut busy = tab.login("alice").await;
        let step = DAY - SECOND;
        for _ in 0..3 {
            app.clock.advance(step);
            busy = tab.get("/me", &busy.cookies()).await.pair();
        }
        assert_eq!(tab.get("/me", &idle.cookies()).await.status, 401, "idle for more than a day");
        assert_eq!(claims(&busy.refresh)["exp"], START + 3 * DAY.as_secs(), "capped by the absolute limit");
        assert_eq!(claims(&busy.access)["exp"], START + 3 * DAY.as_secs(), "no token outlives the session");
        app.clock.advance(2 * SECOND);
        assert_eq!(me(&tab, &busy).await, 200, "the last second");
        app.clock.advance(SECOND);
        assert_eq!(me(&tab, &busy).await, 401, "the limit");
    });
}

/// S-13: limits hold whether anything was swept or not, and a sweep changes no answer.
#[test]
fn s_13_limits_hold_without_a_sweep() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let (old, new) = (tab.login("alice").await, {
            app.clock.advance(DAY / 2);
            tab.login("alice").await
        });
        app.clock.advance(DAY / 2);
        assert_eq!((me(&tab, &old).await, me(&tab, &new).await), (401, 200));
        assert_eq!(app.jwtauth.sessions().sweep().await.unwrap(), 1);
        assert_eq!(app.jwtauth.sessions().sweep().await.unwrap(), 0);
        assert_eq!(tab.get("/me", &new.only_refresh()).await.status, 200);
        assert_eq!(tab.get("/me", &old.cookies()).await.status, 401);
    });
}

/// The background sweep starts by itself.
#[test]
fn the_sweep_runs_in_the_background() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| builder.sweep_interval(SECOND));
        let tab = Tab::new(&app);
        tab.login("alice").await;
        app.clock.advance(DAY);
        let sessions = app.jwtauth.sessions();
        // Moves back so that the record counts as live again unless it is gone.
        while {
            app.clock.set(START);
            !sessions.of("alice").await.unwrap().is_empty()
        } {
            app.clock.set(START + DAY.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
        assert_eq!(names(&pair.access), "aud auth_time exp iat iss jti roles sid sub token_type");
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
        assert_eq!(sessions.of("alice").await.unwrap().len(), 0);
        assert_eq!(sessions.of("bob").await.unwrap().len(), 1);
    });
}

/// A session is listed with what its owner needs to recognise it, and can be ended by its id.
#[test]
fn sessions_are_listed_and_ended() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let first = tab.login("alice").await;
        app.clock.advance(SECOND);
        let second = tab.login("alice").await;
        let sessions = app.jwtauth.sessions();
        let ids: Vec<_> = sessions.of("alice").await.unwrap().iter().map(|session| session.id).collect();
        assert_eq!(ids, [second.session(), first.session()], "the newest first");
        assert!(sessions.revoke(first.session()).await.unwrap());
        assert!(!sessions.revoke(first.session()).await.unwrap(), "ended before");
        assert_eq!(sessions.of("alice").await.unwrap().len(), 1);
        assert_eq!((me(&tab, &first).await, me(&tab, &second).await), (401, 200));
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
            let other = TestApp::with(MemoryStore::new(), set);
            let tab = Tab::new(&other);
            assert_eq!(tab.bearer("/me", &pair.access).await.code(), "token_not_valid");
            assert_eq!(tab.get("/me", &pair.cookies()).await.cookies(), Cookies::None);
        }
    });
}

/// A setting that is refused says which one, and what to do.
#[test]
fn settings_are_refused_at_the_start() {
    let refused =
        |builder: jwtauth::JwtAuthBuilder| builder.build(MemoryStore::new()).unwrap_err().to_string();
    let good = || JwtAuth::builder().secret(tests::app::SECRET);
    assert!(refused(JwtAuth::builder()).contains("no signing secret"));
    assert!(refused(JwtAuth::builder().secret(*b"short")).contains("openssl rand -base64 48"));
    assert!(
        refused(JwtAuth::builder().secret_from_env("JWTAUTH_NO_SUCH_VARIABLE"))
            .contains("JWTAUTH_NO_SUCH_VARIABLE")
    );
    assert!(refused(good().access_ttl(Duration::ZERO)).contains("access_ttl must be between 1s"));
    assert!(refused(good().trusted_origin("https://example.com/")).contains("https://example.com/"));
    assert!(refused(good().cookie_names("a b", "c")).contains("a b"));
    assert!(refused(good().issuer("")).contains("issuer"));
}

/// A user type as a release has left it, and as the next one has it.
mod releases {
    use jwtauth::AuthUser;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    pub(super) struct Before {
        pub(super) id: u64,
        pub(super) phone: String,
    }

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    pub(super) struct With {
        id: u64,
        #[serde(default)]
        email: Option<String>,
    }

    #[derive(Clone, Serialize, Deserialize, AuthUser)]
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

/// A copy that a new release cannot read logs its user out, and the log says what to mend and
/// nothing of what it held.
#[test]
fn a_user_type_that_has_changed_logs_out_and_heals_with_the_next_login() {
    logged(async |log| {
        let app = TestApp::new();
        let routes = poem::Route::new()
            .at("/login", poem::post(login_before))
            .at("/with", poem::get(with_default))
            .at("/without", poem::get(without_default));
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let login = client.post("/login").send().await.0;
        let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let with = client.get("/with").header("cookie", &cookie).send().await;
        with.assert_text("7").await;
        let without = client.get("/without").header("cookie", &cookie).send().await.0;
        assert_eq!(without.status().as_u16(), 401);
        assert_eq!(without.headers().get_all("set-cookie").iter().count(), 2, "the cookies are deleted");
        assert!(without.into_body().into_string().await.unwrap().contains("user_not_found"));
        let text = log.text();
        assert!(text.contains("cannot read any more") && text.contains("Without"), "{text}");
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
