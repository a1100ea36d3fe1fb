//! Logins whose answer never leaves, or says that they have failed: the devices of the user stay logged in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jwtauth::{Auth, JwtAuth, Rejection, SessionId};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem::middleware::CatchPanic;
use poem::test::TestClient;
use poem::web::{Data, Query};
use poem::{
    Endpoint, EndpointExt as _, IntoResponse, Middleware, Request, Response, Result, Route, handler, post,
};
use serde::Deserialize;
use tests::app::{TestApp, User};
use tests::bounded;
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::{Tokens, set_cookies};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The user's real devices, and as many as may be.
const DEVICES: usize = 3;

/// What a handler does after it has logged somebody in.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
enum Then {
    Answer,
    Fail,
    SayBadRequest,
    Panic,
    Wait,
    LogInTwice,
    LogOut,
    Refresh,
}

#[derive(Deserialize)]
struct Asked {
    then: Then,
    #[serde(default)]
    in_body: bool,
}

/// Holds up handlers, and counts those that have logged somebody in.
#[derive(Clone)]
struct Held(Arc<AtomicUsize>, Arc<Semaphore>);

#[handler]
async fn login(auth: Auth, Query(asked): Query<Asked>, held: Data<&Held>) -> Result<Response> {
    let ann = User::named("ann");
    if asked.in_body {
        auth.issue_tokens(&ann).await?;
    } else {
        auth.login(&ann).await?;
    }
    held.0.0.fetch_add(1, Ordering::SeqCst);
    match asked.then {
        Then::Answer => {}
        Then::Fail => return Err(Rejection::PermissionDenied.into()),
        Then::SayBadRequest => return Ok(StatusCode::BAD_REQUEST.into_response()),
        Then::Panic => panic!("after the login"),
        Then::Wait => held.1.acquire().await.expect("never closed").forget(),
        Then::LogInTwice => drop(auth.login(&ann).await?),
        Then::LogOut => auth.logout().await?,
        Then::Refresh => drop(auth.refresh().await?),
    }
    Ok("in".into_response())
}

/// Three devices of one user, and what has become of them.
struct Devices {
    app: TestApp,
    held: Held,
    tokens: Vec<Tokens>,
}

impl Devices {
    async fn new() -> Self {
        let app = TestApp::with(TestStore::new(), |builder| builder.max_sessions(DEVICES));
        let tab = Tab::new(&app);
        let mut tokens = Vec::new();
        for _ in 0..DEVICES {
            tokens.push(tab.login("ann").await);
            app.clock.advance(Duration::from_secs(1));
        }
        Self { app, held: Held(Arc::default(), Arc::new(Semaphore::new(0))), tokens }
    }

    fn endpoint(&self) -> BoxEndpoint<'static, Response> {
        let routes = Route::new().at("/login", post(login)).with(CatchPanic::new());
        routes.with(self.app.jwtauth.clone()).data(self.held.clone()).boxed()
    }

    fn ids(&self) -> Vec<SessionId> {
        self.tokens.iter().map(Tokens::session).collect()
    }

    /// Returns the ids of the live sessions, in the order of their logins.
    async fn live(&self) -> Vec<SessionId> {
        let mut live = self.app.jwtauth.sessions().list("ann").await.unwrap();
        live.sort_by_key(|session| (session.created_at, session.id));
        live.iter().map(|session| session.id).collect()
    }

    /// Waits until the sessions that nobody has are over.
    async fn until_alone(&self) {
        while self.live().await.len() != DEVICES {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.live().await, self.ids());
    }

    /// Waits until so many handlers have logged somebody in.
    async fn until_held(&self, wanted: usize) {
        while self.held.0.load(Ordering::SeqCst) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn ask(devices: &Devices, then: Then, in_body: bool, cookies: &str) -> (u16, poem::http::HeaderMap) {
    let client = TestClient::new(devices.endpoint());
    let request = client.request(Method::POST, format!("/login?then={then:?}&in_body={in_body}"));
    let request = if cookies.is_empty() { request } else { request.header("cookie", cookies) };
    let response = request.send().await.0;
    (response.status().as_u16(), response.headers().clone())
}

/// N-32: whatever goes wrong after the login, and wherever its tokens were to leave.
#[test]
fn n_32_a_login_whose_answer_is_an_error_logs_nobody_out() {
    bounded(async {
        let devices = Devices::new().await;
        for in_body in [false, true] {
            for (then, status) in [(Then::Fail, 403), (Then::SayBadRequest, 400), (Then::Panic, 500)] {
                let (got, headers) = ask(&devices, then, in_body, "").await;
                assert_eq!((got, set_cookies(&headers).len()), (status, 0), "{then:?}, {in_body}");
                assert_eq!(devices.live().await, devices.ids(), "{then:?}, {in_body}");
            }
        }
    });
}

/// N-32: the browser that asks keeps the session that it had, too.
#[test]
fn n_32_the_session_that_a_failed_login_would_replace_stays() {
    bounded(async {
        let devices = Devices::new().await;
        let old = devices.tokens[0].cookies();
        let (status, headers) = ask(&devices, Then::Fail, false, &old).await;
        assert_eq!((status, set_cookies(&headers).len()), (403, 0));
        assert_eq!(devices.live().await, devices.ids());
        assert_eq!(Tab::new(&devices.app).get("/me", &old).await.cookies(), Cookies::None);
        // One that succeeds replaces it.
        let (status, headers) = ask(&devices, Then::Answer, false, &old).await;
        let new = Tokens::of(&headers).session();
        assert_eq!((status, devices.live().await), (200, [&devices.ids()[1..], &[new]].concat()));
    });
}

/// N-32, S-12: with an answer that leaves, the one that was idle the longest ends, and no more.
#[test]
fn n_32_s_12_a_login_that_leaves_ends_the_session_that_was_idle_the_longest() {
    bounded(async {
        for (then, in_body) in
            [(Then::Answer, false), (Then::Answer, true), (Then::LogInTwice, false), (Then::Refresh, false)]
        {
            let devices = Devices::new().await;
            assert_eq!(ask(&devices, then, in_body, "").await.0, 200);
            let mut live = devices.live().await;
            while live.len() != DEVICES {
                // The first of two logins ends by itself.
                tokio::time::sleep(Duration::from_millis(5)).await;
                live = devices.live().await;
            }
            assert_eq!(live[..DEVICES - 1], devices.ids()[1..], "{then:?}, {in_body}");
        }
        let devices = Devices::new().await;
        assert_eq!(ask(&devices, Then::LogOut, false, "").await.0, 200);
        devices.until_alone().await;
    });
}

/// N-32: 40 logins that are dropped while their handlers work.
#[test]
fn n_32_logins_that_are_dropped_before_their_answer_log_nobody_out() {
    bounded(async {
        let devices = Devices::new().await;
        let endpoint = Arc::new(devices.endpoint());
        for (round, in_body) in [(1, false), (2, true)] {
            let mut logins = JoinSet::new();
            for _ in 0..40 {
                let endpoint = Arc::clone(&endpoint);
                logins.spawn(async move {
                    let path = format!("/login?then=Wait&in_body={in_body}");
                    TestClient::new(endpoint).post(path).send().await.0.status()
                });
            }
            devices.until_held(40 * round).await;
            assert_eq!(devices.live().await.len(), DEVICES + 40);
            if round == 1 {
                logins.shutdown().await;
                devices.until_alone().await;
                continue;
            }
            // While they wait, somebody really logs in on a new device: that ends one session, and no more.
            assert_eq!(ask(&devices, Then::Answer, false, "").await.0, 200);
            let live = devices.live().await;
            assert!(!live.contains(&devices.ids()[0]));
            assert!(devices.ids()[1..].iter().all(|id| live.contains(id)));
            logins.shutdown().await;
            while devices.live().await.len() != DEVICES {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(devices.live().await[..2], devices.ids()[1..]);
        }
    });
}

/// Answers in place of what is behind it, before that is ready.
struct Impatient;

struct ImpatientEndpoint<E>(E);

impl<E: Endpoint> Middleware<E> for Impatient {
    type Output = ImpatientEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ImpatientEndpoint(inner)
    }
}

impl<E: Endpoint> Endpoint for ImpatientEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        match tokio::time::timeout(Duration::from_millis(50), self.0.call(request)).await {
            Ok(done) => done.map(IntoResponse::into_response),
            Err(_) => Ok(StatusCode::GATEWAY_TIMEOUT.into_response()),
        }
    }
}

/// N-32: a time limit in front of it, or behind it, answers instead.
#[test]
fn n_32_a_login_that_takes_too_long_logs_nobody_out() {
    bounded(async {
        let devices = Devices::new().await;
        let inside = Route::new().at("/login", post(login)).with(Impatient);
        let inside = inside.with(devices.app.jwtauth.clone()).data(devices.held.clone()).boxed();
        for endpoint in [devices.endpoint().with(Impatient).boxed(), inside] {
            let client = TestClient::new(endpoint);
            let response = client.post("/login?then=Wait").send().await.0;
            assert_eq!((response.status().as_u16(), set_cookies(response.headers()).len()), (504, 0));
            devices.until_alone().await;
        }
    });
}

/// N-32, S-12: 64 at once, whose answers all leave.
#[test]
fn n_32_s_12_the_limit_holds_for_answers_that_leave_at_once() {
    bounded(async {
        let devices = Devices::new().await;
        let endpoint = Arc::new(devices.endpoint());
        let mut logins = JoinSet::new();
        for _ in 0..64 {
            let endpoint = Arc::clone(&endpoint);
            logins.spawn(async move {
                let client = TestClient::new(endpoint);
                client.post("/login?then=Wait").send().await.0.status().as_u16()
            });
        }
        devices.until_held(64).await;
        devices.held.1.add_permits(64);
        assert!(logins.join_all().await.into_iter().all(|status| status == 200));
        assert_eq!(devices.live().await.len(), DEVICES);
    });
}

/// A login that nobody answers, by the application itself, counts at once.
#[test]
fn s_12_a_login_without_a_request_counts_at_once() {
    bounded(async {
        let devices = Devices::new().await;
        let jwtauth: &JwtAuth = &devices.app.jwtauth;
        jwtauth.sessions().login(&User::named("ann"), jwtauth::Device::default()).await.unwrap();
        assert_eq!(devices.live().await[..2], devices.ids()[1..]);
        assert_eq!(devices.live().await.len(), DEVICES);
    });
}
