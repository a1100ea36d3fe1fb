//! Programs that send a header for a token that they do not have: `Authorization: Bearer null`.

use super::refusals::is_refusal;
use super::*;
use jwtauth::{ClientConfig, LoginAttempt, LoginError};
use tests::test_store::TestStore;

/// What clients write for "nothing".
const NOTHING: [&str; 16] = [
    "Bearer null",
    "Bearer undefined",
    "bearer UNDEFINED",
    "Bearer   Null",
    "Bearer None",
    "Bearer nil",
    "Bearer NaN",
    "Bearer false",
    "Bearer (null)",
    "Bearer <null>",
    "Bearer [object Object]",
    "Bearer \"null\"",
    "Bearer 'undefined'",
    "Bearer \"\"",
    "Bearer ",
    "Bearer",
];

#[test]
fn n_21_a_token_of_nobody_is_no_token() {
    logged(async |log| {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        for nothing in NOTHING {
            let none = ("authorization", nothing);
            let let_in = site.get("/me", &[none, ("cookie", &cookies)]).await;
            assert_eq!(let_in.status(), 200, "{nothing}");
            is_refusal(site.get("/me", &[none]).await, Rejection::NotAuthenticated, nothing).await;
            assert_eq!(site.get("/hello", &[none]).await.text().await.unwrap(), "nobody", "{nothing}");
            // The cookies decide, so the check of the origin is made.
            let foreign = [none, ("cookie", &*cookies), ("origin", "https://evil.example")];
            for path in ["/admin", "/hello", "/who", "/logout", "/refresh"] {
                let refused = site.ask(Method::POST, path, &foreign).await;
                is_refusal(refused, Rejection::CrossOrigin, &format!("{path} {nothing}")).await;
            }
            let stranger = [none, ("origin", "https://evil.example"), ("content-type", "application/json")];
            let body = r#"{"username":"eve","password":"right"}"#;
            let login = site.ask_with(Method::POST, "/login", &stranger, body).await;
            is_refusal(login, Rejection::CrossOrigin, nothing).await;
        }
        let text = log.text();
        let warnings: Vec<_> = text.lines().filter(|line| line.contains("in place of a token")).collect();
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].contains("WARN") && warnings[0].contains(r#"sent="null""#), "{}", warnings[0]);
    });
}

/// Beside cookies they do what the cookies alone would do: rotate, log out.
#[test]
fn n_21_cookies_do_their_work_beside_it() {
    bounded(async {
        let site = Site::new().await;
        let mut bob = site.login("bob").await;
        for nothing in NOTHING {
            let none = ("authorization", nothing);
            let answer = site.get("/me", &[none, ("cookie", &bob.only_refresh())]).await;
            assert_eq!(answer.status(), 200, "{nothing}");
            bob = Tokens::of(answer.headers());
            let answer = site.ask(Method::POST, "/refresh", &[none, ("cookie", &bob.cookies())]).await;
            bob = Tokens::of(answer.headers());
        }
        let cookies = bob.cookies();
        let headers = [("authorization", "Bearer null"), ("cookie", &*cookies)];
        let answer = site.ask(Method::POST, "/logout", &headers).await;
        assert!(is_deleted(answer.headers()));
        assert_eq!(site.get("/me", &[("cookie", &cookies)]).await.status(), 401);
    });
}

/// H-6: what may be a token, or is a mistake of another kind, is refused as before.
#[test]
fn n_21_h_6_anything_else_is_refused_beside_good_cookies() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        for bad in
            ["Bearer x", "Bearer nulls", "Bearer null.null.null", "Bearer null null", "Bearer 0", "Bearer []"]
        {
            let answer = site.get("/me", &[("authorization", bad), ("cookie", &bob.cookies())]).await;
            assert_eq!(answer.status(), 401, "{bad}");
        }
        let twice =
            [("authorization", "Bearer null"), ("authorization", "Bearer null"), ("cookie", &*bob.cookies())];
        is_refusal(site.get("/me", &twice).await, Rejection::InvalidRequest, "two lines").await;
    });
}

#[test]
fn n_21_another_header_and_scheme_too() {
    bounded(async {
        let clients = ClientConfig::default().token_header("X-Access-Token").token_scheme("JWT");
        let site = Site::of(TestApp::with(TestStore::new(), |builder| builder.clients(clients))).await;
        let bob = site.login("bob").await;
        for (value, expected) in [("JWT null", 200), ("jwt", 200), ("JWT x", 401)] {
            let answer = site.get("/me", &[("x-access-token", value), ("cookie", &bob.cookies())]).await;
            assert_eq!(answer.status(), expected, "{value}");
        }
    });
}

/// Where a token comes in a body, one of nobody is one that is not good, and ends nothing.
#[test]
fn n_21_in_a_body_it_is_no_good_token() {
    bounded(async {
        const SECRET: &str = "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uA0";
        async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
            Ok(User::named(attempt.username()))
        }
        let app = TestApp::new();
        let auth = app.jwtauth.routes(authenticate).service("billing", SECRET).unwrap();
        let endpoint = Route::new().nest("/auth", auth).nest("/", app.endpoint()).with(app.jwtauth.clone());
        let site = Site::serving(app, endpoint).await;
        let bob = site.login("bob").await;
        let form = ("content-type", "application/x-www-form-urlencoded");
        let client = Client::builder().no_proxy().build().unwrap();
        for nothing in ["null", "undefined", "%22null%22", "None"] {
            for (path, field) in
                [("/auth/verify", "token"), ("/auth/revoke", "refresh"), ("/auth/expire", "token")]
            {
                let body = format!("{field}={nothing}");
                let headers = [form, ("cookie", &*bob.cookies()), ("authorization", "Bearer null")];
                let answer = site.ask_with(Method::POST, path, &headers, &body).await;
                is_refusal(answer, Rejection::TokenNotValid, path).await;
            }
            for (path, expected) in [("introspect", r#"{"active":false}"#), ("revoke", "")] {
                let request = client.post(site.served.at(&format!("/auth/oauth/{path}")));
                let request = request.header(form.0, form.1).body(format!("token={nothing}"));
                let answer = request.basic_auth("billing", Some(SECRET)).send().await.unwrap();
                assert_eq!((answer.status().as_u16(), &*answer.text().await.unwrap()), (200, expected));
            }
            let headers = [form, ("authorization", "Bearer null")];
            let body = format!("token={}", bob.access);
            let refused = site.ask_with(Method::POST, "/auth/oauth/introspect", &headers, &body).await;
            assert_eq!(refused.status(), 401);
        }
        assert_eq!(site.get("/me", &[("cookie", &bob.cookies())]).await.status(), 200);
    });
}
