//! Guards and extractors: who gets past them, in what order they ask, and what a wrong wiring does.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::stream;
use jwtauth::store::{Presented, StoreFuture, Swept, UserUpdate};
use jwtauth::{
    AuthUser, BoxError, CurrentUser, Identity, JwtAuth, MemoryStore, Revocation, Rotation, Session,
    SessionId, SessionStore, StoreError, require_auth,
};
use poem::http::{Method, StatusCode, header};
use poem::test::{TestClient, TestRequestBuilder};
use poem::web::{Data, Json};
use poem::{
    Body, Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Middleware, Request, Response, Result, Route,
    get, handler, post,
};
use serde_json::Value;
use tests::app::{TestApp, User};
use tests::bounded;
use tests::log::logged;
use tests::serve::serve;
use tests::wire::{Tokens, send, set_cookies, status};

/// Logs in at an app's own login route.
async fn login(app: &TestApp, name: &str) -> Tokens {
    let body = serde_json::json!({"username": name, "password": "right"});
    let answer = TestClient::new(app.endpoint()).post("/login").body_json(&body).send().await.0;
    assert_eq!(answer.status(), StatusCode::OK);
    Tokens::of(answer.headers())
}

/// Puts routes behind an app's middleware.
fn client(app: &TestApp, routes: Route) -> TestClient<impl Endpoint + use<>> {
    TestClient::new(routes.with(app.jwtauth.clone()))
}

/// Sends a request, with cookies if there are any.
async fn answer<E: Endpoint>(request: TestRequestBuilder<'_, E>, cookies: Option<&str>) -> Response {
    match cookies {
        Some(cookies) => request.header(header::COOKIE, cookies).send().await.0,
        None => request.send().await.0,
    }
}

async fn code(response: Response) -> String {
    let body = response.into_body().into_string().await.unwrap();
    let problem: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    problem["code"].as_str().expect("a code").to_owned()
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.unwrap()
}

/// A body that never comes to an end, and counts how often somebody asks for more of it.
fn endless(polls: &Arc<AtomicUsize>) -> Body {
    let polls = Arc::clone(polls);
    Body::from_bytes_stream(stream::poll_fn(move |context| {
        polls.fetch_add(1, Ordering::SeqCst);
        context.waker().wake_by_ref();
        Poll::Ready(Some(Ok::<_, std::io::Error>(&b"["[..])))
    }))
}

// ---- strangers and bodies

#[require_auth]
async fn takes_json(Json(body): Json<String>) -> String {
    body
}

#[require_auth]
#[handler]
async fn takes_json_above_handler(Json(body): Json<String>) -> String {
    body
}

#[require_auth(role = "admin")]
async fn takes_json_of_admins(user: User, Json(body): Json<String>) -> String {
    format!("{} {body}", user.name)
}

#[require_auth]
#[handler]
async fn takes_text(body: String) -> String {
    body
}

fn bodies() -> Route {
    Route::new()
        .at("/alone", post(takes_json))
        .at("/above", post(takes_json_above_handler))
        .at("/admin", post(takes_json_of_admins))
        .at("/text", post(takes_text))
}

#[test]
fn h_11_a_stranger_is_refused_before_the_body_is_read() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, bodies());
        for path in ["/alone", "/above", "/admin", "/text"] {
            for body in ["{ no json", ""] {
                let request = client.post(path).content_type("application/json").body(body);
                assert_eq!(answer(request, None).await.status(), 401, "{path} {body}");
            }
            let polls = Arc::new(AtomicUsize::new(0));
            let request = client.post(path).content_type("application/json").body(endless(&polls));
            assert_eq!(answer(request, None).await.status(), 401, "{path}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{path}: the body was read");
        }
        // Nor is it read for somebody without the role.
        let polls = Arc::new(AtomicUsize::new(0));
        let request = client.post("/admin").content_type("application/json").body(endless(&polls));
        assert_eq!(answer(request, Some(&bob.cookies())).await.status(), 403);
        assert_eq!(polls.load(Ordering::SeqCst), 0);
    });
}

/// The other half of the test above: the body is one that a handler reads, and cannot parse.
#[test]
fn h_11_a_user_has_the_body_read() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, bodies());
        let request = client.post("/alone").content_type("application/json").body("{ no json");
        assert_eq!(answer(request, Some(&bob.cookies())).await.status(), 400);
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let once = stream::poll_fn(move |_| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            Poll::Ready(first.then_some(Ok::<_, std::io::Error>(&b"\"hello\""[..])))
        });
        let request =
            client.post("/alone").content_type("application/json").body(Body::from_bytes_stream(once));
        let answered = answer(request, Some(&bob.cookies())).await;
        assert_eq!(text(answered).await, "hello");
        assert!(polls.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn h_11_over_http_a_stranger_is_refused_while_the_body_is_still_to_come() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let served = serve(bodies().with(app.jwtauth.clone())).await;
        let head = |cookies: &str| {
            format!(
                "POST /text HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                 Content-Length: 1000000000\r\n{cookies}\r\n"
            )
        };
        let refused = send(&served.url, head("").as_bytes(), true).await.unwrap();
        assert_eq!(status(&refused), 401);
        // A user's body is waited for.
        let cookies = format!("Cookie: {}\r\n", bob.cookies());
        let head = head(&cookies);
        let waits = send(&served.url, head.as_bytes(), true);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(300), waits).await;
        assert!(waited.is_err(), "{waited:?}");
    });
}

// ---- roles and methods

#[require_auth(role = "admin")]
async fn admins() -> &'static str {
    "control room"
}

#[require_auth(role = roles::NIGHT)]
fn night_watch() -> &'static str {
    "lantern"
}

mod roles {
    pub(super) const NIGHT: &str = "night";
}

#[test]
fn roles_are_asked_for() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new().at("/admins", get(admins)).at("/night", get(night_watch));
        let client = client(&app, routes);
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        for (path, tokens, expected) in [
            ("/admins", None, 401),
            ("/admins", Some(&bob), 403),
            ("/admins", Some(&alice), 200),
            ("/night", Some(&alice), 403),
        ] {
            let cookies = tokens.map(Tokens::cookies);
            let answered = answer(client.get(path), cookies.as_deref()).await;
            assert_eq!(answered.status(), expected, "{path} {tokens:?}");
            let private = text(answered).await;
            assert_eq!(private.contains("control room"), expected == 200, "{private}");
        }
        // A bearer token says the same as a cookie.
        let as_bearer = client.get("/admins").header(header::AUTHORIZATION, alice.bearer());
        assert_eq!(answer(as_bearer, None).await.status(), 200);
        // A role given and taken in the session counts at once.
        let user = |roles: &[&str]| User {
            name: "bob".into(),
            roles: roles.iter().map(ToString::to_string).collect(),
        };
        for (roles, expected) in [(&["admin", "night"][..], 200), (&["Night"][..], 403), (&[""][..], 403)] {
            app.jwtauth.sessions().update_user(&user(roles)).await.unwrap();
            let answered = answer(client.get("/night"), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), expected, "{roles:?}");
        }
    });
}

#[test]
fn h_11_every_method_of_a_guarded_route_is_guarded() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        // `/any` is the endpoint itself, which answers to every method.
        let routes = Route::new().at("/any", sync_fn).at("/get", get(sync_fn).options(sync_fn));
        let client = client(&app, routes);
        let any = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"];
        let cases = any.map(|method| ("/any", method)).into_iter().chain([
            ("/get", "GET"),
            ("/get", "HEAD"),
            ("/get", "OPTIONS"),
        ]);
        for (path, method) in cases {
            let method: Method = method.parse().unwrap();
            let stranger = answer(client.request(method.clone(), path), None).await;
            assert_eq!(stranger.status(), 401, "{method} {path}");
            let user = answer(client.request(method.clone(), path), Some(&bob.cookies())).await;
            assert_eq!(user.status(), 200, "{method} {path}");
        }
    });
}

// ---- optional

#[require_auth(optional)]
async fn greet(who: Option<CurrentUser>) -> String {
    who.map_or("nobody".into(), |who| who.subject().to_owned())
}

/// Without an argument of ours it is still the guard that refuses.
#[require_auth(optional)]
async fn optional_without_user() -> &'static str {
    "welcome"
}

#[test]
fn h_6_optional_lets_strangers_and_stale_cookies_in_but_no_bad_bearer() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new().at("/greet", get(greet)).at("/open", get(optional_without_user));
        let client = client(&app, routes);
        let ended = login(&app, "carl").await;
        app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        let bob = login(&app, "bob").await;
        let forged = Tokens { access: format!("{}x", bob.access), refresh: "x.y.z".into() };
        let cases: [(Option<String>, Option<String>, u16, &str); 9] = [
            (None, None, 200, "nobody"),
            (Some(bob.cookies()), None, 200, "bob"),
            (Some(ended.cookies()), None, 200, "nobody"),
            (Some(forged.cookies()), None, 200, "nobody"),
            (None, Some(bob.bearer()), 200, "bob"),
            (None, Some(forged.bearer()), 401, ""),
            (None, Some(ended.bearer()), 401, ""),
            (None, Some("Bearer".into()), 401, ""),
            (Some(bob.cookies()), Some(forged.bearer()), 401, ""),
        ];
        for (cookies, bearer, expected, name) in cases {
            for path in ["/greet", "/open"] {
                let mut request = client.get(path);
                if let Some(bearer) = &bearer {
                    request = request.header(header::AUTHORIZATION, bearer);
                }
                let answered = answer(request, cookies.as_deref()).await;
                assert_eq!(answered.status(), expected, "{path} {cookies:?} {bearer:?}");
                if expected == 200 && path == "/greet" {
                    assert_eq!(text(answered).await, name, "{cookies:?} {bearer:?}");
                }
            }
        }
    });
}

// ---- shapes of handlers

#[require_auth]
fn sync_fn() -> &'static str {
    "sync_fn"
}

#[require_auth]
async fn async_fn() -> &'static str {
    ready("async_fn").await
}

trait Named: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Generic;

impl Named for Generic {
    const NAME: &'static str = "generic_fn";
}

#[require_auth]
async fn generic_fn<T: Named, const N: usize>(_who: &Identity) -> String {
    assert_eq!(N, 7);
    T::NAME.to_owned()
}

#[require_auth]
fn impl_response() -> impl IntoResponse {
    "impl_response".with_status(StatusCode::OK)
}

#[require_auth]
async fn fallible(who: &Identity) -> Result<&'static str> {
    match who.has_role("admin") {
        true => Ok("fallible"),
        false => Err(poem::Error::from_string("no tea", StatusCode::IM_A_TEAPOT)),
    }
}

/// Says its name.
///
/// More than one line of documentation.
#[require_auth]
async fn documented() -> &'static str {
    "documented"
}

#[require_auth]
#[handler]
async fn above_handler(CurrentUser(who): CurrentUser) -> String {
    assert_eq!(who.subject(), "alice");
    "above_handler".into()
}

#[require_auth]
#[poem::handler]
fn above_sync_handler() -> &'static str {
    "above_sync_handler"
}

/// A name that the expansion must not trip over. poem's `#[handler]` does, in a whole module.
mod names {
    use jwtauth::require_auth;

    #[require_auth]
    pub(super) async fn req(body: String) -> String {
        let __req = body;
        format!("req{__req}")
    }
}

fn shapes() -> Route {
    Route::new()
        .at("/sync_fn", get(sync_fn))
        .at("/async_fn", get(async_fn))
        .at("/generic_fn", get(generic_fn::<Generic, 7>::default()))
        .at("/impl_response", get(impl_response))
        .at("/fallible", get(fallible))
        .at("/documented", get(documented))
        .at("/above_handler", get(above_handler))
        .at("/above_sync_handler", get(above_sync_handler))
        .at("/req", get(names::req))
}

#[test]
fn every_shape_of_handler_is_guarded_and_runs() {
    bounded(async {
        let app = TestApp::new();
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        let client = client(&app, shapes());
        for name in [
            "sync_fn",
            "async_fn",
            "generic_fn",
            "impl_response",
            "fallible",
            "documented",
            "above_handler",
            "above_sync_handler",
            "req",
        ] {
            let path = format!("/{name}");
            assert_eq!(answer(client.get(&path), None).await.status(), 401, "{name}");
            let answered = answer(client.get(&path), Some(&alice.cookies())).await;
            assert_eq!(answered.status(), 200, "{name}");
            assert_eq!(text(answered).await, name);
        }
        let failed = answer(client.get("/fallible"), Some(&bob.cookies())).await;
        assert_eq!(failed.status(), 418);
        assert_eq!(text(failed).await, "no tea");
    });
}

// ---- arguments

#[require_auth]
async fn every_argument(
    user: User,
    current: CurrentUser<User>,
    CurrentUser(identity): CurrentUser,
    who: &Identity,
    session: &Session,
) -> String {
    assert_eq!(user, current.0);
    assert_eq!(identity.session_id(), session.id);
    assert_eq!(who.session(), session);
    [&user.name, identity.subject(), who.subject(), &session.subject].join(" ")
}

#[require_auth(optional)]
async fn every_option(
    user: Option<User>,
    current: Option<CurrentUser<User>>,
    identity: Option<CurrentUser>,
    who: Option<&Identity>,
    session: Option<&Session>,
) -> String {
    let names = [
        user.map(|user| user.name),
        current.map(|user| user.name.clone()),
        identity.map(|who| who.subject().to_owned()),
        who.map(|who| who.subject().to_owned()),
        session.map(|session| session.subject.clone()),
    ];
    names.map(|name| name.unwrap_or("nobody".into())).join(" ")
}

#[handler]
async fn plain_user(user: User) -> String {
    user.name
}

#[handler]
async fn plain_current(user: CurrentUser<User>) -> String {
    user.name.clone()
}

#[handler]
async fn plain_identity(who: &Identity) -> String {
    who.subject().to_owned()
}

#[handler]
async fn plain_session(session: &Session) -> String {
    session.subject.clone()
}

fn arguments() -> Route {
    Route::new()
        .at("/every", get(every_argument).post(every_argument))
        .at("/option", get(every_option).post(every_option))
        .at("/plain/user", get(plain_user).post(plain_user))
        .at("/plain/current", get(plain_current).post(plain_current))
        .at("/plain/identity", get(plain_identity).post(plain_identity))
        .at("/plain/session", get(plain_session).post(plain_session))
}

#[test]
fn who_is_calling_comes_in_every_form() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, arguments());
        for (path, expected) in [("/every", "bob bob bob bob"), ("/option", "bob bob bob bob bob")] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(text(answered).await, expected);
        }
        assert_eq!(answer(client.get("/every"), None).await.status(), 401);
        let nobody = answer(client.get("/option"), None).await;
        assert_eq!(text(nobody).await, ["nobody"; 5].join(" "));
    });
}

/// Without a guard in front of them the extractors authenticate by themselves, cross-origin check included.
#[test]
fn h_10_extractors_in_a_plain_handler_authenticate() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, arguments());
        for path in ["/plain/user", "/plain/current", "/plain/identity", "/plain/session"] {
            assert_eq!(answer(client.get(path), None).await.status(), 401, "{path}");
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(text(answered).await, "bob", "{path}");
            let foreign = client.post(path).header("sec-fetch-site", "cross-site");
            assert_eq!(answer(foreign, Some(&bob.cookies())).await.status(), 403, "{path}");
        }
    });
}

// ---- a user type with a store of its own

/// A user that is looked up on each request.
#[derive(Clone)]
struct Member {
    name: String,
}

/// What the next lookups find.
#[derive(Clone, Copy, PartialEq)]
enum Finds {
    Member,
    Nobody,
    Outage,
}

#[derive(Clone)]
struct Members(Arc<(AtomicUsize, Mutex<Finds>)>);

impl Members {
    fn new(finds: Finds) -> Self {
        Self(Arc::new((AtomicUsize::new(0), Mutex::new(finds))))
    }

    fn loads(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }
}

impl AuthUser for Member {
    type Store = Members;

    fn subject(&self) -> String {
        self.name.clone()
    }

    async fn load(members: &Members, who: &Identity) -> Result<Option<Self>, BoxError> {
        members.0.0.fetch_add(1, Ordering::SeqCst);
        let finds = *members.0.1.lock().unwrap();
        match finds {
            Finds::Member => Ok(Some(Self { name: who.subject().to_owned() })),
            Finds::Nobody => Ok(None),
            Finds::Outage => Err("the database said: no route to db.internal".into()),
        }
    }
}

#[require_auth]
async fn show_member(member: CurrentUser<Member>) -> String {
    member.name.clone()
}

#[require_auth(optional)]
async fn maybe_member(member: Option<CurrentUser<Member>>) -> String {
    member.map_or("nobody".into(), |member| member.name.clone())
}

#[require_auth(optional)]
#[handler]
async fn maybe_member_above_handler(
    member: Option<CurrentUser<Member>>,
    Data(ran): Data<&Arc<AtomicUsize>>,
) -> String {
    ran.fetch_add(1, Ordering::SeqCst);
    member.map_or("nobody".into(), |member| member.name.clone())
}

#[require_auth(optional)]
async fn member_twice(
    member: CurrentUser<Member>,
    again: Option<CurrentUser<Member>>,
    copy: User,
    who: &Identity,
    _: &Session,
) -> String {
    assert_eq!(again.expect("found before").name, copy.name);
    format!("{} {}", member.name, who.subject())
}

fn members(store: Option<&Members>, ran: &Arc<AtomicUsize>) -> Route {
    let routes = Route::new()
        .at("/member", get(show_member))
        .at("/maybe", get(maybe_member))
        .at("/maybe/above", get(maybe_member_above_handler))
        .at("/twice", get(member_twice));
    let routes = match store {
        Some(store) => routes.data(store.clone()).boxed(),
        None => routes.boxed(),
    };
    Route::new().nest("/", routes.data(Arc::clone(ran)))
}

#[test]
fn a_user_who_is_gone_is_refused_and_loses_the_cookies() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, members(Some(&Members::new(Finds::Nobody)), &Arc::default()));
        let gone = answer(client.get("/member"), Some(&bob.cookies())).await;
        assert_eq!(gone.status(), 401);
        let deleted = set_cookies(gone.headers());
        assert_eq!(deleted.len(), 2, "{deleted:?}");
        assert!(deleted.iter().all(|line| line.contains("=; Path=/; Max-Age=0;")), "{deleted:?}");
        assert_eq!(code(gone).await, "user_not_found");
        // A bearer client has no cookies to lose.
        let bearer = client.get("/member").header(header::AUTHORIZATION, bob.bearer());
        let gone = answer(bearer, None).await;
        assert_eq!(set_cookies(gone.headers()), Vec::<String>::new());
        assert_eq!(code(gone).await, "user_not_found");
        // Where a login is optional the user is nobody.
        let nobody = answer(client.get("/maybe"), Some(&bob.cookies())).await;
        assert_eq!(text(nobody).await, "nobody");
    });
}

#[test]
fn r_5_an_outage_never_passes_for_nobody() {
    logged(async |log| {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let ran = Arc::new(AtomicUsize::new(0));
        let client = client(&app, members(Some(&Members::new(Finds::Outage)), &ran));
        for path in ["/member", "/maybe", "/maybe/above", "/twice"] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), 503, "{path}");
            assert!(answered.headers().contains_key(header::RETRY_AFTER), "{path}");
            assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "{path}");
            let body = text(answered).await;
            assert!(body.contains("\"store_unavailable\"") && !body.contains("db.internal"), "{body}");
        }
        assert_eq!(ran.load(Ordering::SeqCst), 0, "a handler ran for nobody");
        assert!(log.text().contains("no route to db.internal"), "{}", log.text());
    });
}

/// The session store failing is an outage too, for every kind of argument.
#[test]
fn r_5_a_session_store_that_fails_never_passes_for_nobody() {
    bounded(async {
        let store = CountingStore::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let routes = arguments().at("/greet", get(greet)).at("/above", get(above_sync_handler));
        let client = client(&app, routes);
        store.set_down(true);
        for path in ["/every", "/option", "/greet", "/above", "/plain/user", "/plain/identity"] {
            for cookies in [bob.cookies(), bob.only_refresh()] {
                let answered = answer(client.get(path), Some(&cookies)).await;
                assert_eq!(answered.status(), 503, "{path}");
                assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "{path}");
                assert_eq!(code(answered).await, "store_unavailable", "{path}");
            }
        }
        store.set_down(false);
        assert_eq!(answer(client.get("/every"), Some(&bob.cookies())).await.status(), 200);
    });
}

#[test]
fn a_missing_user_store_is_an_error_that_names_both_types() {
    logged(async |log| {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, members(None, &Arc::default()));
        for path in ["/member", "/maybe"] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), 500, "{path}");
            let body = text(answered).await;
            assert!(!body.contains("Member") && body.contains("server_error"), "{body}");
        }
        let text = log.text();
        let line = text.lines().find(|line| line.contains("ERROR")).expect("an error is logged");
        for part in ["jwtauth", "`CurrentUser<it::guard::Member>`", "`it::guard::Members`", ".data(..)"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    });
}

#[test]
fn a_token_is_verified_once_and_a_user_loaded_once() {
    bounded(async {
        let store = CountingStore::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let found = Members::new(Finds::Member);
        let client = client(&app, members(Some(&found), &Arc::default()));
        let before = store.loads();
        let answered = answer(client.get("/twice"), Some(&bob.cookies())).await;
        assert_eq!(text(answered).await, "bob bob");
        assert_eq!(store.loads() - before, 1, "sessions loaded");
        assert_eq!(found.loads(), 1, "users loaded");
        answer(client.get("/twice"), Some(&bob.cookies())).await;
        assert_eq!((store.loads() - before, found.loads()), (2, 2), "nothing is kept for the next request");
    });
}

/// A middleware around the app and the same one around a part of it are one.
#[test]
fn a_token_is_verified_once_behind_two_layers_of_one_middleware() {
    bounded(async {
        let store = CountingStore::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let part = arguments().with(app.jwtauth.clone()).around(async |next, request: Request| {
            next.call(asked(request).await?).await.map(IntoResponse::into_response)
        });
        let client = client(&app, Route::new().nest("/", part));
        let before = store.loads();
        let answered = answer(client.get("/every"), Some(&bob.cookies())).await;
        assert_eq!(answered.status(), 200);
        assert_eq!(store.loads() - before, 1);
        // A rotation happens once, and its cookies are set once.
        let rotated = answer(client.get("/every"), Some(&bob.only_refresh())).await;
        let tokens = Tokens::of(rotated.headers());
        assert_eq!(answer(client.get("/every"), Some(&tokens.cookies())).await.status(), 200);
    });
}

/// Asks who is calling, as a middleware of an application's own does.
async fn asked(request: Request) -> Result<Request> {
    <&Identity as poem::FromRequest>::from_request(&request, &mut poem::RequestBody::default()).await?;
    Ok(request)
}

/// Keeps sessions in memory and counts how often one is loaded; may be down.
#[derive(Clone, Debug, Default)]
struct CountingStore {
    inner: Arc<MemoryStore>,
    state: Arc<(AtomicUsize, Mutex<bool>)>,
}

impl CountingStore {
    fn loads(&self) -> usize {
        self.state.0.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        *self.state.1.lock().unwrap() = down;
    }

    fn unless_down<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a MemoryStore) -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        if *self.state.1.lock().unwrap() {
            return failed();
        }
        ask(&self.inner)
    }
}

fn failed<'a, T: Send + 'a>() -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>> {
    Box::pin(ready(Err(StoreError::Backend("down".into()))))
}

impl SessionStore for CountingStore {
    fn insert(&self, session: Session, replaces: Vec<SessionId>) -> StoreFuture<'_, ()> {
        self.unless_down(|store| store.insert(session, replaces))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Session>> {
        self.state.0.fetch_add(1, Ordering::SeqCst);
        self.unless_down(|store| store.load(id))
    }

    fn rotate(&self, presented: Presented) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.unless_down(|store| store.rotate(presented))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.unless_down(|store| store.revoke(id, revocation))
    }

    fn revoke_subject(
        &self,
        subject: String,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> StoreFuture<'_, usize> {
        self.unless_down(|store| store.revoke_subject(subject, except, revocation))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.unless_down(|store| store.sessions_of(subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        self.unless_down(|store| store.update_user(subject, update, now))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.unless_down(|store| store.sweep(now, limit))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.unless_down(|store| store.flush())
    }
}

// ---- wiring mistakes

#[require_auth]
async fn unwired() -> &'static str {
    "control room"
}

#[require_auth(optional)]
async fn unwired_optional() -> &'static str {
    "control room"
}

#[handler]
async fn unwired_extractor(_user: CurrentUser<User>) -> &'static str {
    "control room"
}

#[handler]
async fn unwired_auth(_auth: jwtauth::Auth) -> &'static str {
    "control room"
}

fn unwired_routes() -> Route {
    Route::new()
        .at("/guarded", get(unwired))
        .at("/optional", get(unwired_optional))
        .at("/extractor", get(unwired_extractor))
        .at("/auth", get(unwired_auth))
}

/// Asks all the routes of [`unwired_routes`] and returns the log.
fn wired_wrongly<E: Endpoint>(wire: impl FnOnce(Route, JwtAuth) -> E) -> String {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let client = TestClient::new(wire(unwired_routes(), app.jwtauth.clone()).map_to_response());
        for path in ["/guarded", "/optional", "/extractor", "/auth"] {
            for cookies in [None, Some(alice.cookies())] {
                let answered = answer(client.get(path), cookies.as_deref()).await;
                assert_eq!(answered.status(), 500, "{path}");
                let body = text(answered).await;
                let problem: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(problem["code"], "server_error");
                for told in ["control room", "JwtAuth", "unwired", "guard.rs", "with"] {
                    assert!(!body.contains(told), "{told}: {body}");
                }
            }
        }
        log.text()
    })
}

/// Checks that each route has its line in the log, which names the place and the fix.
fn names_place_and_fix(log: &str, fix: &str) {
    let line_of = |name: &str| {
        let mut lines = include_str!("guard.rs").lines();
        1 + lines.position(|line| line.starts_with(&format!("async fn {name}("))).unwrap()
    };
    for name in ["unwired", "unwired_optional"] {
        let place = format!("`#[require_auth]` on `it::guard::{name}` (tests/it/guard.rs:");
        let line = log
            .lines()
            .find(|line| line.contains(&place))
            .unwrap_or_else(|| panic!("no line says {place:?}: {log}"));
        let number = line.split(&place).nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        let number: usize = number.parse().unwrap();
        // The attribute's line or the function's.
        assert!((line_of(name) - 1..=line_of(name)).contains(&number), "{number}: {line}");
        assert!(line.contains("ERROR") && line.contains("jwtauth") && line.contains(fix), "{line}");
    }
    for asker in ["tests::app::User", "`Auth`"] {
        let found =
            log.lines().any(|line| line.contains("ERROR") && line.contains(asker) && line.contains(fix));
        assert!(found, "no line says {asker:?}: {log}");
    }
}

#[test]
fn h_11_without_the_middleware_there_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, _| routes);
    names_place_and_fix(&log, "no `JwtAuth` in front of this route; add `.with(auth)`");
}

#[test]
fn h_11_the_middleware_as_data_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, jwtauth| routes.data(jwtauth));
    names_place_and_fix(&log, "it is a middleware: write `.with(auth)`");
}

#[test]
fn h_11_the_middleware_around_another_part_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, jwtauth| {
        let other = Route::new().at("/", get(sync_fn)).with(jwtauth);
        Route::new().nest("/other", other).nest("/", routes)
    });
    names_place_and_fix(&log, "no `JwtAuth` in front of this route; add `.with(auth)`");
}

/// A middleware that asks who is calling, with `JwtAuth` behind it in place of in front.
#[test]
fn h_11_the_middleware_on_the_wrong_side_is_an_error_and_no_pass() {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let inner = app.jwtauth.transform(unwired_routes());
        let wrong = inner.around(async |next, request: Request| next.call(asked(request).await?).await);
        let client = TestClient::new(wrong.into_endpoint());
        let answered = answer(client.get("/guarded"), Some(&alice.cookies())).await;
        assert_eq!(answered.status(), 500);
        assert_eq!(code(answered).await, "server_error");
        let log = log.text();
        assert!(log.contains("`&Identity`: no `JwtAuth` in front") && log.contains("(outside)"), "{log}");
    });
}
