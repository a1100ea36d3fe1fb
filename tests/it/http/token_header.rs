//! Another header, or another scheme, for access tokens.

use super::*;
use jwtauth::error::ConfigError;
use jwtauth::{ClientConfig, testing};
use tests::test_store::TestStore;

async fn site(set: impl FnOnce(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder) -> Site {
    Site::of(TestApp::with(TestStore::new(), set)).await
}

fn challenge(answer: &Response) -> &str {
    answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

/// S42: the token comes in the header that was named, and in no other.
#[test]
fn s_42_h_5_another_header_takes_the_place_of_authorization() {
    bounded(async {
        let site =
            site(|builder| builder.clients(ClientConfig::default().token_header("X-Access-Token"))).await;
        let bob = site.login("bob").await;
        let value = bob.bearer();
        let good = site.get("/me", &[("x-access-token", &value)]).await;
        assert_eq!(
            (good.status().as_u16(), &good.headers()[header::VARY]),
            (200, &"Cookie, x-access-token".parse().unwrap())
        );
        // What a proxy in front makes of `Authorization` is its own affair.
        let beside = [("authorization", "Basic dTpw"), ("x-access-token", &*value)];
        assert_eq!(site.get("/me", &beside).await.status(), 200);
        for headers in [
            [("authorization", &*value), ("x", "y")],
            [("x-access-token", &*bob.access), ("x", "y")],
            [("x-access-token", "Bearer"), ("x", "y")],
            [("x-access-token", &*value), ("x-access-token", &*value)],
        ] {
            let refused = site.get("/me", &headers).await;
            assert_eq!(refused.status(), 401, "{headers:?}");
            assert!(challenge(&refused).starts_with(r#"Bearer realm="api""#), "{headers:?}");
        }
        // H-6: with one of our tokens the cookies are not looked at, and with `Authorization` they are.
        let cookies = bob.cookies();
        for (name, value, want) in [
            ("x-access-token", "Bearer x", 401),
            ("authorization", "Bearer x", 200),
            ("x-access-token", "Basic x", 200),
        ] {
            assert_eq!(
                site.get("/me", &[(name, value), ("cookie", &cookies)]).await.status(),
                want,
                "{name}: {value}"
            );
        }
        // No other site can send it, so its requests are not checked; with cookies they are.
        let foreign = ("origin", "https://evil.example");
        let by_header = [foreign, ("x-access-token", &*value)];
        assert_eq!(site.ask(Method::POST, "/admin", &by_header).await.status(), 403, "bob is no admin");
        let alice = site.login("alice").await;
        let by_header = [foreign, ("x-access-token", &*alice.bearer())];
        assert_eq!(site.ask(Method::POST, "/admin", &by_header).await.status(), 200);
        let by_cookie = [foreign, ("cookie", &*alice.cookies())];
        assert_eq!(site.ask(Method::POST, "/admin", &by_cookie).await.status(), 403);
    });
}

/// RFC 9110, section 11.6.1: the challenge names what is to be sent, wherever the refusal comes from.
#[test]
fn another_scheme_is_taken_and_asked_for() {
    bounded(async {
        let site = site(|builder| {
            builder.clients(ClientConfig::default().token_scheme("JWT").token_scheme("Token"))
        })
        .await;
        let token = site.login("bob").await.access;
        for (scheme, want) in [
            ("JWT", 200),
            ("jwt", 200),
            ("Token", 200),
            ("TOKEN", 200),
            ("Bearer", 401),
            ("JWTs", 401),
            ("", 401),
        ] {
            let answer = site.get("/me", &[("authorization", &format!("{scheme} {token}"))]).await;
            assert_eq!(answer.status(), want, "{scheme}");
        }
        for (path, headers, want) in [
            ("/me", [("x", "y")], r#"JWT realm="api""#),
            ("/me", [("authorization", "JWT x.y.z")], r#"JWT realm="api", error="invalid_token""#),
            ("/me", [("authorization", "JWT x y")], r#"JWT realm="api", error="invalid_request""#),
            ("/plain", [("x", "y")], r#"JWT realm="api""#),
        ] {
            let refused = site.get(path, &headers).await;
            assert_eq!((refused.status().as_u16(), challenge(&refused)), (401, want), "{path} {headers:?}");
        }
        let body = json!({"username": "bob", "password": "wrong"}).to_string();
        let headers = [("content-type", "application/json")];
        let refused = site.ask_with(Method::POST, "/login", &headers, &body).await;
        assert_eq!((refused.status().as_u16(), challenge(&refused)), (401, r#"JWT realm="api""#));
        let forbidden = site.get("/admin", &[("authorization", &format!("JWT {token}"))]).await;
        assert_eq!(challenge(&forbidden), r#"JWT realm="api", error="insufficient_scope""#);
        // What the application says itself is left alone.
        assert!(!site.get("/no-such-route", &[]).await.headers().contains_key(header::WWW_AUTHENTICATE));
        let bob = testing::login(&site.app.jwtauth, &User::named("bob")).await;
        assert_eq!(site.get("/me", &[("authorization", bob.bearer())]).await.status(), 200);
    });
}

#[handler]
fn of_its_own() -> Result<()> {
    let response = poem::Response::builder()
        .status(StatusCode::UNAUTHORIZED)
        .header(header::WWW_AUTHENTICATE, "Bearer of another")
        .finish();
    Err(poem::Error::from_response(response))
}

#[handler]
fn ours() -> Result<()> {
    Err(Rejection::NotAuthenticated.into())
}

/// Also where nobody has asked who is calling.
#[test]
fn only_our_own_refusals_are_reworded() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.clients(ClientConfig::default().token_scheme("JWT"))
        });
        let routes =
            Route::new().at("/theirs", get(of_its_own)).at("/ours", get(ours)).with(app.jwtauth.clone());
        let site = Site::serving(app, routes).await;
        assert_eq!(challenge(&site.get("/theirs", &[]).await), "Bearer of another");
        assert_eq!(challenge(&site.get("/ours", &[]).await), r#"JWT realm="api""#);
    });
}

/// What browsers send on their own, or scripts of other sites may set, would undo the check of the origin (H-10).
#[test]
fn h_10_headers_and_schemes_that_browsers_send_are_refused() {
    let build = |set: &dyn Fn(jwtauth::JwtAuthBuilder) -> jwtauth::JwtAuthBuilder| {
        set(JwtAuth::builder().secret(SECRET)).build(TestStore::new())
    };
    for name in [
        "",
        "a b",
        "Cookie",
        "cookie",
        "Accept",
        "ACCEPT-LANGUAGE",
        "Content-Type",
        "Origin",
        "Sec-Fetch-Site",
        "Host",
        "Proxy-Authorization",
        "User-Agent",
        "Range",
        "X-Forwarded-For",
        "Referer",
    ] {
        let refused = build(&|builder| builder.clients(ClientConfig::default().token_header(name)));
        assert!(
            matches!(&refused, Err(ConfigError::Setting { name: "ClientConfig::token_header", got, .. }) if got == name),
            "{name}: {refused:?}"
        );
    }
    for scheme in ["", "a b", "a:b", "Basic", "basic", "DIGEST", "Negotiate", "NTLM"] {
        let refused = build(&|builder| {
            builder.clients(ClientConfig::default().token_scheme("JWT").token_scheme(scheme))
        });
        assert!(
            matches!(&refused, Err(ConfigError::Setting { name: "ClientConfig::token_scheme", got, .. }) if got == scheme),
            "{scheme}: {refused:?}"
        );
    }
    for name in ["Authorization", "X-Access-Token", "access"] {
        assert!(
            build(&|builder| builder.clients(ClientConfig::default().token_header(name))).is_ok(),
            "{name}"
        );
    }
}

#[require_auth(redirect = "/login")]
async fn page() {}

/// A program with one of our tokens is no browser that could be sent to a login page.
#[test]
fn h_13_who_sends_the_header_is_not_redirected() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.clients(ClientConfig::default().token_header("X-Access-Token"))
        });
        let pages = Route::new().at("/page", get(page)).with(app.jwtauth.clone());
        let client = TestClient::new(pages);
        let ask = |name: &'static str, value: &'static str| {
            client.get("/page").header("accept", "text/html").header(name, value)
        };
        ask("x", "y").send().await.assert_status(StatusCode::SEE_OTHER);
        ask("x-access-token", "Bearer x").send().await.assert_status(StatusCode::UNAUTHORIZED);
    });
}
