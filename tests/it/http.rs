//! What goes over the wire: cookies, headers, refusals, and requests that other sites caused.

use std::net::SocketAddr;

use jwtauth::{Auth, JwtAuth, MemoryStore, Rejection, SameSite, require_auth};
use poem::error::NotFoundError;
use poem::http::header::{self, HeaderMap};
use poem::http::{Method, StatusCode};
use poem::middleware::Tracing;
use poem::test::TestClient;
use poem::{EndpointExt, IntoEndpoint, Result, Route, get, handler, post};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tests::app::{SECRET, TestApp, User};
use tests::bounded;
use tests::browser::Browser;
use tests::log::logged;
use tests::serve::{Served, serve};
use tests::wire::{ACCESS, REFRESH, Tokens, send, set_cookies, status};

/// An app that is served, and a client that keeps nothing.
struct Site {
    app: TestApp,
    served: Served,
    client: Client,
}

impl Site {
    async fn new() -> Self {
        Self::of(TestApp::new()).await
    }

    async fn of(app: TestApp) -> Self {
        let endpoint = app.endpoint();
        Self::serving(app, endpoint).await
    }

    async fn serving<E: IntoEndpoint>(app: TestApp, endpoint: E) -> Self
    where
        E::Endpoint: 'static,
    {
        let client = Client::builder().no_proxy().build().unwrap();
        Self { app, served: serve(endpoint).await, client }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask_with(method, path, headers, "").await
    }

    async fn ask_with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = self.client.request(method, self.served.at(path)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path, headers).await
    }

    async fn login(&self, name: &str) -> Tokens {
        let headers = [("content-type", "application/json")];
        let body = json!({"username": name, "password": "right"}).to_string();
        let answer = self.ask_with(Method::POST, "/login", &headers, &body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Tokens::of(answer.headers())
    }

    /// Returns the generation of the one session of a subject.
    async fn generation(&self, subject: &str) -> u64 {
        let sessions = self.app.jwtauth.sessions().of(subject).await.unwrap();
        let [session] = &sessions[..] else { panic!("{} sessions", sessions.len()) };
        session.generation
    }

    /// Asks for `/me` with a `Cookie` header that need not be text.
    async fn me_with_cookie_bytes(&self, cookie: &[u8]) -> u16 {
        let mut request = b"GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: ".to_vec();
        request.extend_from_slice(cookie);
        request.extend_from_slice(b"\r\n\r\n");
        status(&send(&self.served.url, &request, false).await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.served.url.strip_prefix("http://").unwrap().parse().unwrap()
    }
}

fn is_deleted(headers: &HeaderMap) -> bool {
    let lines = set_cookies(headers);
    lines.len() == 2 && lines.iter().all(|line| line.contains("=; ") && line.contains("; Max-Age=0;"))
}

// ---- Set-Cookie

#[test]
fn h_1_h_2_cookies_have_their_attributes_and_deletions_repeat_them() {
    bounded(async {
        let site = Site::new().await;
        let tokens = site.login("bob").await;
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &tokens.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        let attributes = "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax";
        let expected = [
            format!("{ACCESS}={}{attributes}", rotated.access),
            format!("{REFRESH}={}{attributes}", rotated.refresh),
        ];
        assert_eq!(set_cookies(answer.headers()), expected);
        let answer = site.ask(Method::POST, "/logout", &[("cookie", &rotated.cookies())]).await;
        let attributes = "; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax";
        let expected = [format!("{ACCESS}={attributes}"), format!("{REFRESH}={attributes}")];
        assert_eq!(set_cookies(answer.headers()), expected);
    });
}

#[test]
fn h_1_settings_reach_the_cookies() {
    bounded(async {
        let set = |same_site, insecure| {
            TestApp::with(MemoryStore::new(), move |builder| {
                let builder = builder.same_site(same_site);
                if insecure { builder.insecure_cookies() } else { builder }
            })
        };
        for (same_site, insecure, expected) in [
            (SameSite::Strict, false, "; HttpOnly; Secure; SameSite=Strict"),
            (SameSite::None, false, "; HttpOnly; Secure; SameSite=None"),
            (SameSite::Lax, true, "; HttpOnly; SameSite=Lax"),
        ] {
            let client = TestClient::new(set(same_site, insecure).endpoint());
            let body = json!({"username": "bob", "password": "right"});
            let lines = set_cookies(client.post("/login").body_json(&body).send().await.0.headers());
            assert_eq!(lines.len(), 2);
            for line in lines {
                assert!(line.ends_with(expected), "{line}");
                assert_eq!(line.starts_with("__Host-"), !insecure, "{line}");
            }
        }
    });
}

#[require_auth]
async fn lost() -> Result<()> {
    Err(NotFoundError.into())
}

#[handler]
async fn login_then_404(auth: Auth) -> Result<()> {
    auth.login(&User::named("bob")).await?;
    Err(NotFoundError.into())
}

#[test]
fn cookies_ride_on_answers_that_are_errors() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new().at("/lost", get(lost)).at("/login-then-404", post(login_then_404));
        let endpoint = Route::new()
            .nest("/more", routes.with(app.jwtauth.clone()))
            .nest("/", app.endpoint().map_to_response());
        let site = Site::serving(app, endpoint).await;
        let body = json!({"username": "bob", "password": "right"}).to_string();
        let headers = [("content-type", "application/json")];
        let failed = site.ask_with(Method::POST, "/login-then-fail", &headers, &body).await;
        assert_eq!(failed.status(), 418);
        let tokens = Tokens::of(failed.headers());
        assert_eq!(site.get("/me", &[("cookie", &tokens.cookies())]).await.status(), 200);

        let failed = site.ask(Method::POST, "/more/login-then-404", &[]).await;
        assert_eq!(failed.status(), 404);
        let tokens = Tokens::of(failed.headers());
        assert_eq!(site.get("/me", &[("cookie", &tokens.cookies())]).await.status(), 200);

        // The same for a rotation that a guard has done on the way.
        let failed = site.get("/more/lost", &[("cookie", &tokens.only_refresh())]).await;
        assert_eq!(failed.status(), 404);
        let rotated = Tokens::of(failed.headers());
        assert_ne!(rotated.refresh, tokens.refresh);
        assert_eq!(site.get("/me", &[("cookie", &rotated.cookies())]).await.status(), 200);
    });
}

#[handler]
async fn login_then_ask(auth: Auth) -> Result<()> {
    auth.login(&User::named("alice")).await?;
    auth.session().await.map(drop)
}

#[handler]
async fn refresh_then_ask(auth: Auth) -> Result<()> {
    auth.refresh().await?;
    auth.session().await.map(drop)
}

#[handler]
async fn logout_then_ask(auth: Auth) -> Result<()> {
    auth.logout().await?;
    auth.session().await.map(drop)
}

#[handler]
async fn ask_then_logout(auth: Auth) -> Result<()> {
    auth.session().await?;
    Ok(auth.logout().await?)
}

#[handler]
async fn ask_then_login(auth: Auth) -> Result<()> {
    auth.session().await?;
    auth.login(&User::named("alice")).await?;
    Ok(())
}

/// A handler may ask who is calling before or after it logs in or out: what it did decides about the cookies.
#[test]
fn what_a_handler_did_decides_about_the_cookies() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new()
            .at("/login-then-ask", post(login_then_ask))
            .at("/refresh-then-ask", post(refresh_then_ask))
            .at("/logout-then-ask", post(logout_then_ask))
            .at("/ask-then-logout", post(ask_then_logout))
            .at("/ask-then-login", post(ask_then_login))
            .with(app.jwtauth.clone());
        let endpoint = Route::new().nest("/more", routes).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        for only_refresh in [false, true] {
            for (path, who) in [
                ("/more/login-then-ask", Some("alice")),
                ("/more/refresh-then-ask", Some("bob")),
                ("/more/ask-then-login", Some("alice")),
                ("/more/logout-then-ask", None),
                ("/more/ask-then-logout", None),
            ] {
                let bob = site.login("bob").await;
                let cookies = if only_refresh { bob.only_refresh() } else { bob.cookies() };
                let answer = site.ask(Method::POST, path, &[("cookie", &cookies)]).await;
                assert_eq!(answer.status(), 200, "{path}");
                let Some(who) = who else {
                    assert!(is_deleted(answer.headers()), "{path}: {:?}", answer.headers());
                    continue;
                };
                let tokens = Tokens::of(answer.headers());
                let me = site.get("/me", &[("cookie", &tokens.cookies())]).await;
                assert_eq!(me.json::<User>().await.unwrap().name, who, "{path} {only_refresh}");
                site.app.jwtauth.sessions().revoke_all(who).await.unwrap();
            }
        }
    });
}

// ---- caches

#[test]
fn h_7_answers_that_depend_on_the_caller_are_kept_by_nobody() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let (cookies, bearer) = (bob.cookies(), bob.bearer());
        let cookies: &[(&str, &str)] = &[("cookie", &cookies)];
        let bearer: &[(&str, &str)] = &[("authorization", &bearer)];
        let cases: [(Method, &str, &[(&str, &str)], u16); 11] = [
            (Method::GET, "/me", &[], 401),
            (Method::GET, "/me", cookies, 200),
            (Method::GET, "/me", bearer, 200),
            (Method::HEAD, "/me", cookies, 200),
            (Method::GET, "/admin", cookies, 403),
            (Method::GET, "/hello", &[], 200),
            (Method::GET, "/hello", cookies, 200),
            (Method::GET, "/plain", &[], 401),
            (Method::GET, "/who", &[], 200),
            (Method::POST, "/login", &[], 415),
            (Method::POST, "/logout", cookies, 200),
        ];
        for (method, path, headers, expected) in cases {
            let answer = site.ask(method.clone(), path, headers).await;
            assert_eq!(answer.status(), expected, "{method} {path} {headers:?}");
            let headers = answer.headers();
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{method} {path}");
            assert_eq!(headers[header::VARY], "Cookie, Authorization", "{method} {path}");
        }
    });
}

#[test]
fn h_7_routes_where_nobody_asks_are_left_alone() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        for (path, expected) in [("/open", 200), ("/no-such-route", 404), ("/login", 405)] {
            for cookies in [bob.cookies(), bob.only_refresh(), format!("{ACCESS}=x; {ACCESS}=y")] {
                let answer = site.get(path, &[("cookie", &cookies)]).await;
                assert_eq!(answer.status(), expected);
                for name in [header::CACHE_CONTROL, header::VARY, header::SET_COOKIE] {
                    assert!(!answer.headers().contains_key(&name), "{path} {name}");
                }
            }
        }
        assert_eq!(site.generation("bob").await, 0, "nothing was rotated");
    });
}

#[require_auth]
async fn cacheable() -> poem::Response {
    poem::Response::builder()
        .header(header::CACHE_CONTROL, "private, max-age=60")
        .header(header::VARY, "Accept")
        .finish()
}

/// A handler may let its own answer be kept, but never one that carries cookies.
#[test]
fn h_7_a_handler_decides_unless_cookies_are_set() {
    bounded(async {
        let app = TestApp::new();
        let endpoint =
            Route::new().at("/cacheable", get(cacheable).with(app.jwtauth.clone())).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        let bob = site.login("bob").await;
        let kept = site.get("/cacheable", &[("cookie", &bob.cookies())]).await;
        assert_eq!(kept.headers()[header::CACHE_CONTROL], "private, max-age=60");
        let vary: Vec<_> = kept.headers().get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept", "Cookie, Authorization"]);
        let rotated = site.get("/cacheable", &[("cookie", &bob.only_refresh())]).await;
        let cache: Vec<_> = rotated.headers().get_all(header::CACHE_CONTROL).iter().collect();
        assert_eq!(cache, ["no-store"]);
        assert_eq!(set_cookies(rotated.headers()).len(), 2);
    });
}

// ---- refusals

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
const REQUEST: Option<&str> = Some(r#"Bearer realm="api", error="invalid_request""#);

const REFUSALS: [Refusal; 11] = [
    refusal(Rejection::CrossOrigin, 403, "Forbidden", "cross_origin", None),
    refusal(Rejection::DevelopmentOnly, 403, "Forbidden", "permission_denied", None),
    refusal(Rejection::InvalidCredentials, 401, "Unauthorized", "invalid_credentials", NOTHING_SENT),
    refusal(Rejection::InvalidRequest, 401, "Unauthorized", "token_not_valid", REQUEST),
    refusal(Rejection::Misconfigured, 500, "Internal Server Error", "server_error", None),
    refusal(Rejection::NotAuthenticated, 401, "Unauthorized", "not_authenticated", NOTHING_SENT),
    refusal(Rejection::PermissionDenied, 403, "Forbidden", "permission_denied", SCOPE),
    refusal(Rejection::StoreUnavailable, 503, "Service Unavailable", "store_unavailable", None),
    refusal(Rejection::TokenExpired, 401, "Unauthorized", "token_expired", EXPIRED),
    refusal(Rejection::TokenNotValid, 401, "Unauthorized", "token_not_valid", INVALID),
    refusal(Rejection::UserNotFound, 401, "Unauthorized", "user_not_found", INVALID),
];

/// Checks the whole answer against its row.
async fn is_refusal(answer: Response, rejection: Rejection, what: &str) {
    let row = REFUSALS.iter().find(|row| row.rejection == rejection).expect("a row");
    let headers = answer.headers().clone();
    assert_eq!(answer.status(), row.status, "{what}");
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("www-authenticate"), row.challenge, "{what}");
    assert_eq!(header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(header("retry-after").is_some(), row.status == 503, "{what}");
    let body: Value = answer.json().await.unwrap();
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
        let conflict = format!("{}; {ACCESS}=other", bob.cookies());
        let wrong_kind = format!("{ACCESS}={}", bob.refresh);
        let only_access = format!("{ACCESS}={}", old.access);
        let revoked = carl.only_refresh();
        let cases: [(&str, &[(&str, &str)], Rejection); 12] = [
            ("/me", &[], Rejection::NotAuthenticated),
            ("/me", &[("authorization", "Basic dTpw")], Rejection::NotAuthenticated),
            ("/me", &[("cookie", &only_access)], Rejection::TokenExpired),
            ("/me", &[("authorization", &old.bearer())], Rejection::TokenExpired),
            ("/me", &[("cookie", &garbage)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &conflict)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &wrong_kind)], Rejection::TokenNotValid),
            ("/me", &[("cookie", &revoked)], Rejection::TokenNotValid),
            ("/me", &[("authorization", "Bearer")], Rejection::InvalidRequest),
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
    bounded(async {
        let site = Site::new().await;
        let (bob, carl) = (site.login("bob").await, site.login("carl").await);
        site.app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        let mixed = format!("{ACCESS}={}; {REFRESH}={}", carl.access, bob.refresh);
        for (cookies, over) in [
            (format!("{ACCESS}=x.y.z"), false),
            (format!("{ACCESS}="), false),
            (format!("{ACCESS}={}; {ACCESS}=x", bob.access), false),
            (carl.cookies(), true),
            (carl.only_refresh(), true),
            (mixed, true),
        ] {
            let answer = site.get("/me", &[("cookie", &cookies)]).await;
            assert_eq!(answer.status(), 401, "{cookies}");
            assert_eq!(is_deleted(answer.headers()), over, "{cookies}: {:?}", answer.headers());
        }
        // An expired access token alone says nothing about the refresh token.
        site.app.clock.advance(std::time::Duration::from_secs(301));
        let only_access = format!("{ACCESS}={}", bob.access);
        let answer = site.get("/me", &[("cookie", &only_access)]).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(set_cookies(answer.headers()), Vec::<String>::new());
    });
}

// ---- where a token may stand

#[test]
fn h_5_the_bearer_scheme_in_any_case_and_on_one_line() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let token = &bob.access;
        for (line, expected) in [
            (format!("Bearer {token}"), 200),
            (format!("bearer {token}"), 200),
            (format!("BEARER {token}"), 200),
            (format!("bEaReR   {token}"), 200),
            (format!("Bearer{token}"), 401),
            (format!("Bearer: {token}"), 401),
            (format!("Bearer \"{token}\""), 401),
            (format!("Bearer {token},"), 401),
            (format!("Bearer {token} {token}"), 401),
            (format!("Bearer {}", bob.refresh), 401),
            (format!("Token {token}"), 401),
            (format!("JWT {token}"), 401),
            (format!("Basic {token}"), 401),
            (token.clone(), 401),
        ] {
            let answer = site.get("/me", &[("authorization", &line)]).await;
            assert_eq!(answer.status(), expected, "{line}");
        }
        let line = bob.bearer();
        let twice = site.get("/me", &[("authorization", &line), ("authorization", &line)]).await;
        is_refusal(twice, Rejection::InvalidRequest, "two lines").await;
    });
}

#[test]
fn h_6_a_bearer_token_decides_alone() {
    bounded(async {
        let site = Site::new().await;
        let (alice, bob) = (site.login("alice").await, site.login("bob").await);
        let name = async |headers: &[(&str, &str)]| {
            let answer = site.get("/me", headers).await;
            match answer.status().as_u16() {
                200 => answer.json::<User>().await.unwrap().name,
                status => status.to_string(),
            }
        };
        let alice_cookies = alice.cookies();
        let with = ("cookie", &*alice_cookies);
        assert_eq!(name(&[with]).await, "alice");
        assert_eq!(name(&[with, ("authorization", &bob.bearer())]).await, "bob");
        for bad in ["Bearer", "Bearer ", "Bearer x", "bearer a b", "Bearer a.b.c"] {
            assert_eq!(name(&[with, ("authorization", bad)]).await, "401", "{bad}");
        }
        // Another scheme is not ours, so the cookies speak.
        assert_eq!(name(&[with, ("authorization", "Basic dTpw")]).await, "alice");
        // A bearer token never makes cookies: neither a rotation nor a deletion.
        site.app.clock.advance(std::time::Duration::from_secs(301));
        let headers = [("cookie", &*bob.cookies()), ("authorization", &*bob.bearer())];
        let expired = site.get("/me", &headers).await;
        assert_eq!(set_cookies(expired.headers()), Vec::<String>::new());
        is_refusal(expired, Rejection::TokenExpired, "expired bearer, good refresh cookie").await;
        assert_eq!(site.generation("bob").await, 0);
    });
}

#[test]
fn h_5_a_token_anywhere_else_is_not_looked_at() {
    bounded(async {
        let site = Site::new().await;
        let token = site.login("bob").await.access;
        for query in ["access_token", "token", "jwt", "auth", ACCESS] {
            let answer = site.get(&format!("/me?{query}={token}"), &[]).await;
            assert_eq!(answer.status(), 401, "{query}");
        }
        for name in ["x-access-token", "x-auth-token", "proxy-authorization", "token", ACCESS, "cookie2"] {
            for value in [token.clone(), format!("Bearer {token}"), format!("{ACCESS}={token}")] {
                let answer = site.get("/me", &[(name, &value)]).await;
                assert_eq!(answer.status(), 401, "{name}: {value}");
            }
        }
        for (kind, body) in [
            ("application/x-www-form-urlencoded", format!("access_token={token}")),
            ("application/json", json!({"access_token": token}).to_string()),
        ] {
            let answer = site.ask_with(Method::POST, "/change", &[("content-type", kind)], &body).await;
            assert_eq!(answer.status(), 401, "{kind}");
        }
    });
}

// ---- the Cookie header

#[test]
fn h_3_h_4_cookies_are_read_as_raw_bytes() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let (a, e) = (&bob.access, &eve.access);
        let cases: [(String, u16); 22] = [
            (format!("{ACCESS}={a}"), 200),
            (format!("x=1;{ACCESS}={a};y=2"), 200),
            (format!("x=1;\t {ACCESS}={a}\t ; y"), 200),
            (format!("{ACCESS}={a}; {ACCESS}={a}"), 200),
            (format!("{ACCESS}={a}; {ACCESS}={e}"), 401),
            (format!("{ACCESS}={e}; {ACCESS}={a}"), 401),
            (format!("{ACCESS}={a}; {ACCESS}="), 401),
            (format!("{ACCESS}="), 401),
            (format!("{ACCESS}"), 401),
            (format!("{ACCESS}=\"{a}\""), 401),
            (format!("{ACCESS}={a}%20"), 401),
            (format!("{ACCESS} ={a}"), 401),
            (format!("{ACCESS}= {a}"), 401),
            (format!("__%48ost-access_token={a}"), 401),
            (format!("__%48ost-access_token={e}; {ACCESS}={a}"), 200),
            (format!("access_token={a}"), 401),
            (format!("__host-access_token={a}"), 401),
            (format!("__Secure-access_token={a}"), 401),
            (format!("={ACCESS}={a}"), 401),
            (format!("$Version=1, {ACCESS}={a}"), 401),
            (format!("x=\"; {ACCESS}={a}; y=\""), 200),
            (format!("{REFRESH}=junk; {ACCESS}={a}"), 200),
        ];
        for (cookie, expected) in cases {
            assert_eq!(site.me_with_cookie_bytes(cookie.as_bytes()).await, expected, "{cookie}");
        }
        let binary: [(&[u8], &[u8], u16); 5] = [
            (b"x=\xff\xfe; ", b"; y=\x80", 200),
            (b"\xe2\x98\x83=\xc3\x28; ", b"", 200),
            (b"", b"\xff", 401),
            (b"\xc2\xa0", b"", 401),
            (b"x=1\xff;", b"; \xff", 200),
        ];
        for (before, after, expected) in binary {
            let cookie = [before, format!("{ACCESS}={a}").as_bytes(), after].concat();
            let got = site.me_with_cookie_bytes(&cookie).await;
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(&cookie));
        }
        // A forged cookie beside a good bearer token does no harm.
        let answer = site.get("/me", &[("authorization", &bob.bearer()), ("cookie", "a=b")]).await;
        assert_eq!(answer.status(), 200);
    });
}

#[test]
fn h_4_two_refresh_cookies_rotate_nothing() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let both = format!("{REFRESH}={}; {REFRESH}={}", bob.refresh, eve.refresh);
        for (method, path) in [(Method::GET, "/me"), (Method::GET, "/hello"), (Method::POST, "/refresh")] {
            let answer = site.ask(method, path, &[("cookie", &both)]).await;
            is_refusal(answer, Rejection::TokenNotValid, path).await;
        }
        assert_eq!((site.generation("bob").await, site.generation("eve").await), (0, 0));
    });
}

#[test]
fn h_3_many_and_huge_cookies() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let many: String = (0..600).map(|n| format!("c{n}=v; ")).collect();
        let cookie = format!("{many}{ACCESS}={}", bob.access);
        assert_eq!(site.me_with_cookie_bytes(cookie.as_bytes()).await, 200);
        let long = format!("{ACCESS}={}", "a".repeat(100_000));
        assert_eq!(site.me_with_cookie_bytes(long.as_bytes()).await, 401);

        let mut huge = b"GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: x=".to_vec();
        huge.resize(huge.len() + 1_000_000, b'a');
        huge.extend_from_slice(b"\r\n\r\n");
        // The server may close the connection before it has read everything.
        if let Ok(answer) = send(&site.served.url, &huge, true).await
            && !answer.is_empty()
        {
            assert!([400, 431].contains(&status(&answer)), "{}", String::from_utf8_lossy(&answer));
        }
        assert_eq!(site.get("/me", &[("cookie", &bob.cookies())]).await.status(), 200, "still alive");
    });
}

// ---- requests of other sites

/// Unsafe requests that ask for the caller or for [`Auth`], with a body each can read.
const UNSAFE: [(&str, &str); 8] = [
    ("/change", "\"text\""),
    ("/admin", ""),
    ("/hello", ""),
    ("/plain", ""),
    ("/who", ""),
    ("/logout", ""),
    ("/refresh", ""),
    ("/login", r#"{"username":"alice","password":"right"}"#),
];

/// Those that change something for a browser without cookies too.
const FOR_STRANGERS: [&str; 4] = ["/who", "/logout", "/refresh", "/login"];

async fn post_from(site: &Site, (path, body): (&str, &str), from: &[(&str, &str)], who: (&str, &str)) -> u16 {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend_from_slice(from);
    if !who.1.is_empty() {
        headers.push(who);
    }
    site.ask_with(Method::POST, path, &headers, body).await.status().as_u16()
}

#[test]
fn h_10_another_site_cannot_act_for_the_user() {
    bounded(async {
        let site = Site::new().await;
        let own = site.served.url.clone();
        let port = site.address().port();
        let other_port = format!("http://127.0.0.1:{}", port ^ 1);
        let other_name = format!("http://localhost:{port}");
        let foreign: [&[(&str, &str)]; 8] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", &own)],
            &[("sec-fetch-site", "Same-Origin")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", &other_port)],
            &[("origin", &other_name)],
        ];
        for request in UNSAFE {
            let alice = site.login("alice").await;
            for from in foreign {
                let cookies = alice.cookies();
                let status = post_from(&site, request, from, ("cookie", &cookies)).await;
                assert_eq!(status, 403, "{request:?} {from:?}");
                let stranger = post_from(&site, request, from, ("cookie", "")).await;
                assert_eq!(stranger == 403, FOR_STRANGERS.contains(&request.0), "{request:?} {from:?}");
            }
            let sessions = site.app.jwtauth.sessions().of("alice").await.unwrap();
            assert_eq!(sessions.len(), 1, "{request:?}: nobody was logged in or out");
            site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        }
    });
}

#[test]
fn h_10_the_own_site_and_old_browsers_may() {
    bounded(async {
        let site = Site::new().await;
        let own = site.served.url.clone();
        let same: [&[(&str, &str)]; 5] = [
            &[],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[("origin", &own)],
        ];
        for request in UNSAFE {
            for from in same {
                let alice = site.login("alice").await;
                let cookies = alice.cookies();
                let status = post_from(&site, request, from, ("cookie", &cookies)).await;
                assert_eq!(status, 200, "{request:?} {from:?}");
            }
        }
    });
}

/// The public vector own-48: a browser never sends a bearer token on its own.
#[test]
fn h_10_a_bearer_token_alone_is_not_checked() {
    bounded(async {
        let site = Site::new().await;
        for request in UNSAFE {
            let alice = site.login("alice").await;
            for from in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
                let status = post_from(&site, request, &[from], ("authorization", &alice.bearer())).await;
                // There is nothing to refresh without a cookie, and the logout has ended the session.
                let expected = if request.0 == "/refresh" { 401 } else { 200 };
                assert_eq!(status, expected, "{request:?} {from:?}");
            }
        }
    });
}

#[test]
fn h_10_a_foreign_request_rotates_nothing() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        site.app.clock.advance(std::time::Duration::from_secs(301));
        for request in UNSAFE {
            for cookies in [bob.cookies(), bob.only_refresh()] {
                let from = [("sec-fetch-site", "cross-site")];
                assert_eq!(post_from(&site, request, &from, ("cookie", &cookies)).await, 403, "{request:?}");
            }
        }
        assert_eq!(site.generation("bob").await, 0);
        // The same request from the own site does.
        let own = [("sec-fetch-site", "same-origin")];
        assert_eq!(post_from(&site, UNSAFE[0], &own, ("cookie", &bob.cookies())).await, 200);
        assert_eq!(site.generation("bob").await, 1);
    });
}

#[test]
fn h_10_trusted_origins_and_exempt_paths() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.trusted_origin("https://app.example").cross_origin_exempt("/change")
        });
        // Nested: the path that counts is the whole one.
        let nested = Route::new().nest("/in", app.endpoint()).nest("/", app.endpoint());
        let site = Site::serving(app, nested).await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        for (path, from, expected) in [
            ("/hello", "https://app.example", 200),
            ("/hello", "https://app.example:443", 403),
            ("/hello", "http://app.example", 403),
            ("/hello", "https://app.example.evil.example", 403),
            ("/hello", "https://evil.example", 403),
            ("/change", "https://evil.example", 200),
            ("/in/change", "https://evil.example", 403),
            ("/change?/hello", "https://evil.example", 200),
            ("/hello?/change", "https://evil.example", 403),
        ] {
            for from in [&[("origin", from), ("sec-fetch-site", "cross-site")][..], &[("origin", from)]] {
                let status = post_from(&site, (path, "\"text\""), from, ("cookie", &cookies)).await;
                assert_eq!(status, expected, "{path} {from:?}");
            }
        }
    });
}

#[test]
fn h_12_an_upgrade_of_another_site_is_refused() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let cookies = bob.cookies();
        let own = site.served.url.clone();
        for upgrade in ["websocket", "WebSocket", "h2c", "anything"] {
            for (from, expected) in [
                (("origin", "https://evil.example"), 403),
                (("sec-fetch-site", "cross-site"), 403),
                (("origin", &*own), 200),
                (("sec-fetch-site", "same-origin"), 200),
            ] {
                let headers = [("cookie", &*cookies), ("connection", "Upgrade"), ("upgrade", upgrade), from];
                let answer = site.get("/me", &headers).await;
                assert_eq!(answer.status(), expected, "{upgrade} {from:?}");
            }
        }
        // Without an upgrade a link from another site is fine.
        let link = site.get("/me", &[("cookie", &cookies), ("sec-fetch-site", "cross-site")]).await;
        assert_eq!(link.status(), 200);
    });
}

// ---- development

#[test]
fn development_works_over_http_and_for_this_machine_only() {
    bounded(async {
        let app = TestApp { jwtauth: JwtAuth::dev().unwrap(), ..TestApp::new() };
        let site = Site::of(app).await;
        let browser = Browser::new(&site.served.url);
        let login = browser.login("bob", "right").await;
        for line in set_cookies(login.headers()) {
            assert!(line.ends_with("; HttpOnly; SameSite=Lax") && !line.contains("__Host-"), "{line}");
        }
        assert_eq!(browser.me().await, 200);
        assert_eq!(browser.post("/refresh").await.status(), 200);
        assert_eq!(browser.post("/logout").await.status(), 200);
        assert_eq!(browser.me().await, 401);

        for (host, expected) in [
            ("Host: localhost\r\n", 200),
            ("Host: localhost:3000\r\n", 200),
            ("Host: 127.0.0.1:80\r\n", 200),
            ("Host: [::1]\r\n", 200),
            ("Host: [::1]:3000\r\n", 200),
            ("Host: evil.example\r\n", 403),
            ("Host: evil.example:3000\r\n", 403),
            ("Host: localhost.evil.example\r\n", 403),
            ("Host: 127.0.0.1.evil.example\r\n", 403),
            ("Host: evil.example:localhost\r\n", 403),
            ("Host: user@localhost\r\n", 403),
            ("Host: \r\n", 403),
            ("", 403),
        ] {
            for path in ["/open", "/hello"] {
                let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{host}\r\n");
                let answer = send(&site.served.url, request.as_bytes(), false).await.unwrap();
                assert_eq!(status(&answer), expected, "{path} {host:?}");
            }
        }
    });
}

// ---- what is too large, and what is logged

#[handler]
async fn login_with_many_roles(auth: Auth) -> Result<()> {
    let roles = (0..600).map(|n| format!("role-{n}")).collect();
    auth.login(&User { name: "big".into(), roles }).await?;
    Ok(())
}

#[test]
fn h_1_a_cookie_that_browsers_would_drop_is_an_error() {
    logged(async |log| {
        let app = TestApp::new();
        let client = TestClient::new(post(login_with_many_roles).with(app.jwtauth.clone()));
        let answer = client.post("/").send().await.0;
        assert_eq!(answer.status(), 500);
        assert_eq!(set_cookies(answer.headers()), Vec::<String>::new());
        let body = answer.into_body().into_string().await.unwrap();
        assert!(body.contains("server_error") && !body.contains("bytes"), "{body}");
        assert_eq!(app.jwtauth.sessions().of("big").await.unwrap(), [], "no session is left behind");
        let text = log.text();
        let size = text.split(&format!("the cookie {ACCESS} would have ")).nth(1);
        let size = size.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{text}"));
        assert!(size.parse::<usize>().unwrap() > 4096, "{size}");
    });
}

#[handler]
async fn shows_auth(auth: Auth) -> String {
    format!("{auth:?} {auth:#?}")
}

/// `Auth` ends up in logs where handlers are traced with their arguments.
#[test]
fn r_11_auth_shows_no_token() {
    bounded(async {
        let app = TestApp::new();
        let endpoint =
            Route::new().at("/shows", get(shows_auth).with(app.jwtauth.clone())).nest("/", app.endpoint());
        let site = Site::serving(app, endpoint).await;
        let bob = site.login("bob").await;
        let headers = [("cookie", &*bob.cookies()), ("authorization", &*bob.bearer())];
        let shown = site.get("/shows", &headers).await.text().await.unwrap();
        assert!(shown.contains("Auth"), "{shown}");
        for token in [&bob.access, &bob.refresh] {
            for part in token.split('.') {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    });
}

#[test]
fn r_11_no_log_line_has_a_secret() {
    logged(async |log| {
        let app = TestApp::new();
        let traced = app.endpoint().with(Tracing);
        let site = Site::serving(app, traced).await;
        let mut secrets = vec![String::from_utf8(SECRET.to_vec()).unwrap(), "xyzzy-horse-battery".into()];
        let keep = |secrets: &mut Vec<String>, tokens: &Tokens| {
            let tokens = [&tokens.access, &tokens.refresh];
            secrets.extend(tokens.iter().flat_map(|token| token.split('.').skip(1)).map(str::to_owned));
        };
        let headers = [("content-type", "application/json")];
        for (password, expected) in [("wrong", 401), ("xyzzy-horse-battery", 200)] {
            let body = json!({"username": "bob", "password": password}).to_string();
            let answer = site.ask_with(Method::POST, "/login", &headers, &body).await;
            assert_eq!(answer.status(), expected);
            if expected == 200 {
                keep(&mut secrets, &Tokens::of(answer.headers()));
            }
        }
        let bob = site.login("bob").await;
        keep(&mut secrets, &bob);
        let session = site.app.jwtauth.sessions().of("bob").await.unwrap().remove(0).id;
        secrets.push(session.to_string());
        site.get("/me", &[("authorization", &bob.bearer())]).await;
        site.get("/me", &[("cookie", &format!("{ACCESS}={}x", bob.access))]).await;
        site.get("/me", &[("authorization", &format!("{}x", bob.bearer()))]).await;
        site.get("/me", &[("cookie", &format!("{ACCESS}={}", bob.refresh))]).await;
        let foreign = [("cookie", &*bob.cookies()), ("sec-fetch-site", "cross-site")];
        site.ask(Method::POST, "/refresh", &foreign).await;
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &bob.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        keep(&mut secrets, &rotated);
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let answer = site.get("/me", &[("cookie", &rotated.cookies())]).await;
        let rotated = Tokens::of(answer.headers());
        keep(&mut secrets, &rotated);
        let answer = site.ask(Method::POST, "/logout", &[("cookie", &rotated.cookies())]).await;
        assert!(is_deleted(answer.headers()));
        let again = site.login("bob").await;
        keep(&mut secrets, &again);
        // Long spent: reuse.
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let answer = site.ask(Method::POST, "/refresh", &[("cookie", &again.only_refresh())]).await;
        keep(&mut secrets, &Tokens::of(answer.headers()));
        site.app.clock.advance(std::time::Duration::from_secs(400));
        let reused = site.ask(Method::POST, "/refresh", &[("cookie", &again.only_refresh())]).await;
        assert_eq!(reused.status(), 401);

        let text = log.text();
        for event in ["login", "refresh", "revoked", "reuse_detected", "cross_origin"] {
            assert!(text.contains(&format!("event=\"{event}\"")), "{event} was not logged: {text}");
        }
        assert!(text.contains("poem::") && text.contains("TRACE"), "poem's lines are missing: {text}");
        assert!(secrets.len() > 12 && secrets.iter().all(|secret| secret.len() > 15), "{}", secrets.len());
        for secret in secrets {
            assert!(!text.contains(&secret), "{secret} was logged: {text}");
        }
        assert!(!text.contains("wrong"), "the password of the failed login was logged: {text}");
    });
}
