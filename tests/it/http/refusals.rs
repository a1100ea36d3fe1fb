//! What a refused client is told, to the byte.

use super::*;
use jwtauth::{ClientConfig, Compat, JwtAuthBuilder, TokenConfig};
use tests::test_store::TestStore;

/// One row of the table of answers.
struct Refusal {
    rejection: Rejection,
    status: u16,
    title: &'static str,
    code: &'static str,
    challenge: Option<&'static str>,
}

const fn refusal(
    rejection: Rejection,
    status: u16,
    title: &'static str,
    code: &'static str,
    challenge: Option<&'static str>,
) -> Refusal {
    Refusal { rejection, status, title, code, challenge }
}

const NOTHING_SENT: Option<&str> = Some(r#"Bearer realm="api""#);
const INVALID: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);
const EXPIRED: Option<&str> =
    Some(r#"Bearer realm="api", error="invalid_token", error_description="expired""#);
const SCOPE: Option<&str> = Some(r#"Bearer realm="api", error="insufficient_scope""#);
const FRESH: Option<&str> = Some(
    r#"Bearer realm="api", error="insufficient_user_authentication", error_description="a recent login is needed", max_age="60""#,
);
const REQUEST: Option<&str> = Some(r#"Bearer realm="api", error="invalid_request""#);

const REFUSALS: [Refusal; 17] = [
    refusal(Rejection::Busy, 503, "Service Unavailable", "busy", None),
    refusal(Rejection::CrossOrigin, 403, "Forbidden", "cross_origin", None),
    refusal(Rejection::DevelopmentOnly, 403, "Forbidden", "permission_denied", None),
    refusal(Rejection::DevelopmentPeer, 403, "Forbidden", "permission_denied", None),
    refusal(
        Rejection::FreshLoginRequired { max_age: 60 },
        401,
        "Unauthorized",
        "fresh_login_required",
        FRESH,
    ),
    refusal(Rejection::InvalidCredentials, 401, "Unauthorized", "invalid_credentials", NOTHING_SENT),
    refusal(Rejection::InvalidRequest, 401, "Unauthorized", "token_not_valid", REQUEST),
    refusal(Rejection::Misconfigured, 500, "Internal Server Error", "server_error", None),
    refusal(Rejection::NotAuthenticated, 401, "Unauthorized", "not_authenticated", NOTHING_SENT),
    refusal(Rejection::PermissionDenied, 403, "Forbidden", "permission_denied", SCOPE),
    refusal(Rejection::RateLimited { retry_after: 9 }, 429, "Too Many Requests", "rate_limited", None),
    refusal(Rejection::SessionNotFound, 404, "Not Found", "session_not_found", None),
    refusal(Rejection::StoreUnavailable, 503, "Service Unavailable", "store_unavailable", None),
    refusal(Rejection::TokenExpired, 401, "Unauthorized", "token_expired", EXPIRED),
    refusal(Rejection::TokenNotValid, 401, "Unauthorized", "token_not_valid", INVALID),
    refusal(Rejection::UserInactive, 401, "Unauthorized", "user_inactive", INVALID),
    refusal(Rejection::UserNotFound, 401, "Unauthorized", "user_not_found", INVALID),
];

/// Checks the whole answer against its row.
pub(super) async fn is_refusal(answer: Response, rejection: Rejection, what: &str) {
    let row = REFUSALS.iter().find(|row| row.rejection == rejection).expect("a row");
    let headers = answer.headers().clone();
    assert_eq!(answer.status(), row.status, "{what}");
    let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(header("www-authenticate"), row.challenge, "{what}");
    assert_eq!(header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(header("cache-control"), Some("no-store"), "{what}");
    let retry_after = match row.status {
        429 => Some("9"),
        503 => Some("1"),
        _ => None,
    };
    assert_eq!(header("retry-after"), retry_after, "{what}");
    let body: Value = answer.json().await.expect("a problem");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    let expected = json!({
        "type": "about:blank", "title": row.title, "status": row.status,
        "detail": body["detail"], "code": row.code,
    });
    assert_eq!(body, expected, "{what}");
}

#[handler]
async fn refuses(poem::web::Path(index): poem::web::Path<usize>) -> Result<()> {
    Err(REFUSALS[index].rejection.into())
}

/// The table, as a handler's own error.
#[test]
fn h_8_every_rejection_has_its_answer() {
    bounded(async {
        let site = Site::serving(TestApp::new(), Route::new().at("/:index", get(refuses))).await;
        for (index, row) in REFUSALS.iter().enumerate() {
            let answer = site.get(&format!("/{index}"), &[]).await;
            is_refusal(answer, row.rejection, row.code).await;
        }
    });
}

/// The table, as requests meet it.
#[test]
fn h_8_every_refusal_has_its_answer() {
    bounded(async {
        let site = Site::new().await;
        let (old, carl) = (site.login("bob").await, site.login("carl").await);
        site.app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        site.app.clock.advance(std::time::Duration::from_secs(301));
        let bob = site.login("bob").await;
        let garbage = format!("{ACCESS}=a.b.c");
        let conflict = format!("{}; {ACCESS}={}", bob.cookies(), old.access);
        let wrong_kind = format!("{ACCESS}={}", bob.refresh);
        let only_access = format!("{ACCESS}={}", old.access);
        let revoked = carl.only_refresh();
        let cases: [(&str, Headers<'_>, Rejection); 12] = [
            ("/me", &[], Rejection::NotAuthenticated),
            ("/me", &[("authorization", "Basic dTpw")], Rejection::NotAuthenticated),
            ("/me", &[("cookie", &only_access)], Rejection::TokenExpired),
            ("/me", &[("authorization", &old.bearer())], Rejection::TokenExpired),
            ("/me", &[("cookie", &garbage)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &conflict)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &wrong_kind)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &revoked)], Rejection::TokenNotValid),
            ("/me", &[("authorization", "Bearer")], Rejection::NotAuthenticated),
            ("/me", &[("authorization", "Bearer a b")], Rejection::InvalidRequest),
            ("/admin", &[("cookie", &bob.cookies())], Rejection::PermissionDenied),
            (
                "/me",
                &[("cookie", &bob.cookies()), ("upgrade", "websocket"), ("sec-fetch-site", "cross-site")],
                Rejection::CrossOrigin,
            ),
        ];
        for (path, headers, expected) in cases {
            is_refusal(site.get(path, headers).await, expected, &format!("{path} {headers:?}")).await;
        }
        let body = json!({"username": "bob", "password": "wrong"}).to_string();
        let headers = [("content-type", "application/json")];
        let refused = site.ask_with(Method::POST, "/login", &headers, &body).await;
        is_refusal(refused, Rejection::InvalidCredentials, "login").await;
        let refused = site.ask(Method::POST, "/refresh", &[]).await;
        is_refusal(refused, Rejection::NotAuthenticated, "refresh").await;
        let refused = site.ask(Method::POST, "/logout/all", &[]).await;
        is_refusal(refused, Rejection::NotAuthenticated, "logout all").await;
    });
}

/// Cookies are deleted only when their session is over: a late refusal must not take new ones away.
#[test]
fn a_refusal_deletes_cookies_only_of_a_session_that_is_over() {
    logged(async |log| {
        let site = Site::new().await;
        let (bob, carl, dan) = (site.login("bob").await, site.login("carl").await, site.login("dan").await);
        site.app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        let mixed = format!("{ACCESS}={}; {REFRESH}={}", carl.access, bob.refresh);
        for (cookies, over) in [
            (format!("{ACCESS}=x.y.z"), false),
            (format!("{ACCESS}="), false),
            (format!("{ACCESS}={}; {ACCESS}={}", bob.access, dan.access), false),
            (carl.cookies(), true),
            (carl.only_refresh(), true),
            (mixed, true),
        ] {
            let answer = site.get("/me", &[("cookie", &cookies)]).await;
            assert_eq!(answer.status(), 401, "{cookies}");
            assert_eq!(is_deleted(answer.headers()), over, "{cookies}: {:?}", answer.headers());
        }
        let refused = || log.text().matches("a token was refused").count();
        let before = refused();
        assert!(before > 0, "{}", log.text());
        // An expired access token alone says nothing about the refresh token. It is no news for the log.
        site.app.clock.advance(std::time::Duration::from_secs(301));
        let only_access = format!("{ACCESS}={}", bob.access);
        let answer = site.get("/me", &[("cookie", &only_access)]).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(set_cookies(answer.headers()), Vec::<String>::new());
        assert_eq!(refused(), before, "{}", log.text());
    });
}

/// Another sentence in another language; everything that programs go by stays.
#[test]
fn a_refusal_is_translated_for_who_asks_for_it() {
    bounded(async {
        let translate = |why, languages: &str| {
            (why == Rejection::NotAuthenticated && languages.starts_with("de"))
                .then(|| "Bitte \"anmelden\"".into())
        };
        let site = Site::of(TestApp::with(TestStore::new(), |builder| builder.translate(translate))).await;
        let german = site.get("/me", &[("accept-language", "de-AT, en;q=0.5")]).await;
        let length: usize = german.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        let text = german.text().await.unwrap();
        assert_eq!(text.len(), length);
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["detail"], "Bitte \"anmelden\"");
        let german = site.get("/me", &[("accept-language", "de-AT, en;q=0.5")]).await;
        is_refusal(german, Rejection::NotAuthenticated, "translated").await;
        for headers in [&[("accept-language", "fr")][..], &[]] {
            let usual: Value = site.get("/me", headers).await.json().await.unwrap();
            assert_eq!(usual["detail"], "Authentication credentials were not provided");
        }
        let token = [("accept-language", "de"), ("authorization", "Bearer x.y.z")];
        is_refusal(site.get("/me", &token).await, Rejection::TokenNotValid, "no translation").await;
    });
}

/// Another error goes on as one, to whoever waits for it further out.
#[test]
fn errors_of_the_application_are_left_alone() {
    bounded(async {
        for set in [
            (|builder| builder.translate(|_, _| Some("Nein".into()))) as fn(JwtAuthBuilder) -> JwtAuthBuilder,
            |builder| builder.clients(ClientConfig::default().token_scheme("JWT")),
            |builder| builder.tokens(TokenConfig::default().compat(Compat::simplejwt())),
        ] {
            let app = TestApp::with(TestStore::new(), set);
            let caught = app
                .endpoint()
                .catch_error(|_: NotFoundError| async { StatusCode::IM_A_TEAPOT })
                .map_to_response();
            let site = Site::serving(app, caught).await;
            assert_eq!(site.get("/no-such-route", &[]).await.status(), 418);
            assert_eq!(site.get("/me", &[]).await.status(), 401);
        }
    });
}

/// Those of accounts are worded like any other.
#[test]
fn a_wrong_password_of_an_account_is_translated() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder
                .accounts(jwtauth::AccountsConfig::default())
                .translate(|why, _| (why == Rejection::InvalidCredentials).then(|| "Nein".into()))
                .clients(ClientConfig::default().token_scheme("JWT"))
        });
        let routes = Route::new().at("/verify", post(verify)).with(app.jwtauth.clone());
        let site = Site::serving(app, routes).await;
        let refused = site.ask(Method::POST, "/verify", &[]).await;
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], r#"JWT realm="api""#);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!((&problem["detail"], &problem["code"]), (&json!("Nein"), &json!("invalid_credentials")));
    });
}

#[handler]
async fn verify(accounts: &jwtauth::Accounts) -> Result<()> {
    accounts.verify("nobody", "and nothing at all", None).await?;
    Ok(())
}
