//! What the library gives to the tests of an application: logins without a password, and the list of open routes.

use jwtauth::{
    Auth, CurrentUser, Identity, JwtAuth, MemoryStore, Rejection, RequireAuth, Session, require_auth, testing,
};
use poem::http::{StatusCode, header};
use poem::test::TestClient;
use poem::web::{Json, Path};
use poem::{EndpointExt, IntoResponse, Request, Response, Result, Route, get, handler, post};
use tests::app::{SECRET, TestApp, User};
use tests::bounded;
use tests::log::logged;

#[test]
fn anybody_is_logged_in_without_a_password() {
    bounded(async {
        let app = TestApp::new();
        let client = TestClient::new(app.endpoint());
        let alice = testing::login(&app.jwtauth, &User::named("alice")).await;
        let by_cookies = client.get("/admin").header(header::COOKIE, alice.cookies()).send().await;
        by_cookies.assert_status_is_ok();
        by_cookies.assert_text("alice").await;
        let by_bearer = client.get("/admin").header(header::AUTHORIZATION, alice.bearer()).send().await;
        by_bearer.assert_text("alice").await;
        assert_eq!(alice.session().roles, ["admin"]);
        // It is a session like any other.
        assert_eq!(app.jwtauth.sessions().revoke_all("alice").await.unwrap(), 1);
        let ended = client.get("/me").header(header::COOKIE, alice.cookies()).send().await;
        ended.assert_status(StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn r_11_a_logged_in_client_shows_no_token_in_debug() {
    bounded(async {
        let app = TestApp::new();
        let alice = testing::login(&app.jwtauth, &User::named("alice")).await;
        let shown = format!("{alice:?} {alice:#?}");
        let token = alice.bearer().strip_prefix("Bearer ").unwrap();
        for secret in token.split('.').chain(alice.cookies().split('.')).chain([alice
            .session()
            .id
            .to_string()
            .as_str()])
        {
            assert!(!shown.contains(secret), "{shown}");
        }
    });
}

#[test]
#[should_panic(expected = "cannot be logged in: a subject has 1 to 255 bytes, got 0")]
fn a_login_that_is_refused_says_why() {
    bounded(async {
        let _ = testing::login(&TestApp::new().jwtauth, &User::named("")).await;
    });
}

#[require_auth]
async fn members() {}

#[require_auth(role = "admin", fresh = "5m", redirect = "/login")]
async fn strict() {}

#[require_auth(optional)]
async fn optional(user: Option<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[handler]
async fn forgotten() {}

#[handler]
async fn extracted(_user: CurrentUser<User>) {}

#[handler]
async fn identified(_who: &Identity, _session: &Session) {}

/// Asks who is there, and goes on all the same: so it is open, whatever it answers.
#[handler]
async fn refusing(_who: Option<&Identity>) -> Result<()> {
    Err(Rejection::InvalidCredentials.into())
}

#[handler]
async fn login(_auth: Auth, Json(_form): Json<User>) {}

#[handler]
async fn logout_all(auth: Auth) -> Result<String> {
    Ok(auth.logout_all().await?.to_string())
}

#[handler]
async fn failing() -> Result<()> {
    Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))
}

#[handler]
async fn elsewhere() -> Response {
    poem::web::Redirect::see_other("/login").into_response()
}

#[handler]
async fn post_of(Path(id): Path<u64>) -> StatusCode {
    if id == 1 { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

fn routes() -> Route {
    Route::new()
        .at("/guarded", get(members))
        .at("/any", members)
        .at("/strict", get(strict))
        .at("/optional", get(optional))
        .at("/forgotten", get(forgotten))
        .at("/extracted", get(extracted))
        .at("/identified", get(identified))
        .at("/refusing", post(refusing))
        .at("/login", post(login))
        .at("/logout/all", post(logout_all))
        .at("/failing", get(failing))
        .at("/elsewhere", get(elsewhere))
        .at("/posts/:id", get(post_of))
        .nest("/tree", Route::new().at("/leaf", get(forgotten)).with(RequireAuth::new()))
}

const CLOSED: [&str; 9] = [
    "GET /guarded",
    "POST /any",
    "BREW /any",
    "GET /strict",
    "GET /extracted",
    "GET /identified",
    "POST /logout/all",
    "GET /tree/leaf",
    "GET /tree/nothing",
];

const OPEN: [&str; 9] = [
    "GET /optional",
    "GET /forgotten",
    "HEAD /forgotten",
    "POST /refusing",
    "POST /login",
    "GET /failing",
    "GET /elsewhere",
    "GET /posts/1?page=2",
    "GET /posts/x",
];

const MISSING: [&str; 5] = ["GET /nowhere", "GET /login", "DELETE /guarded", "GET /guarded/", "GET /posts/2"];

#[test]
fn h_11_open_routes_are_those_that_no_guard_has_refused() {
    bounded(async {
        let app = routes().with(TestApp::new().jwtauth);
        let all = || CLOSED.into_iter().chain(OPEN).chain(MISSING);
        let found = testing::open_routes(&app, all()).await;
        assert_eq!(
            (found.open, found.missing, found.failed),
            (OPEN.map(String::from).into(), MISSING.map(String::from).into(), vec![])
        );
        assert_eq!(testing::open_routes(&app, CLOSED).await, []);
        assert_eq!(testing::open_routes(&app, CLOSED.into_iter().chain(OPEN)).await, OPEN);
        assert_eq!(testing::open_routes(&app, CLOSED.into_iter().chain(OPEN)).await, OPEN[..]);
        // A list that rots is not equal to what is open, nor is one that has too much or too little.
        assert_ne!(testing::open_routes(&app, all()).await, OPEN);
        assert_ne!(testing::open_routes(&app, OPEN).await, OPEN[1..]);
        assert_ne!(testing::open_routes(&app, &OPEN[1..]).await, OPEN);
    });
}

/// An application's own error pages do not hide who has refused.
#[test]
fn h_11_open_routes_sees_through_error_pages() {
    bounded(async {
        let page = async |_: poem::Error| "something went wrong".with_status(StatusCode::OK);
        let app = routes().catch_all_error(page).with(TestApp::new().jwtauth);
        let guarded = ["GET /guarded", "POST /any", "GET /strict", "GET /tree/leaf"];
        assert_eq!(testing::open_routes(&app, guarded).await, []);
    });
}

#[test]
fn h_11_open_routes_of_an_app_that_denies_by_default() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.deny_by_default(RequireAuth::new()).public("POST /login").public("GET /api/posts/{id}")
        });
        // The path counts as a server would give it, in a nested route too.
        let nested = Route::new().nest("/api", routes().with(app.jwtauth.clone()));
        let open = testing::open_routes(&nested, ["GET /api/posts/1", "GET /api/forgotten"]).await;
        assert_eq!(open, ["GET /api/posts/1"]);
        let app = routes().with(app.jwtauth);
        let all = CLOSED.into_iter().chain(OPEN).chain(["GET /nowhere"]);
        assert_eq!(testing::open_routes(&app, all).await, ["POST /login"]);
    });
}

#[test]
fn h_11_open_routes_tells_apart_what_could_not_be_told() {
    logged(async |_| {
        let without =
            testing::open_routes(&routes(), ["GET /guarded", "GET /extracted", "GET /forgotten"]).await;
        assert_eq!(without.failed, ["GET /guarded", "GET /extracted"]);
        assert_eq!(without.open, ["GET /forgotten"]);
        assert_ne!(without, ["GET /forgotten"]);
    });
}

/// A request is one of a server on this machine, so that development mode lets it in.
#[test]
fn open_routes_asks_as_a_client_of_this_machine() {
    #[handler]
    fn seen(request: &Request) -> String {
        assert_eq!(request.original_uri().path(), "/in/side");
        assert_eq!(request.headers().len(), 1);
        String::new()
    }
    bounded(async {
        let inner = Route::new().at("/side", get(seen)).at("/guarded", get(members));
        let app = Route::new().nest("/in", inner).with(dev());
        assert_eq!(testing::open_routes(&app, ["GET /in/side", "GET /in/guarded"]).await, ["GET /in/side"]);
    });
}

/// Development mode, or what is nearest where it is refused.
fn dev() -> JwtAuth {
    JwtAuth::dev().unwrap_or_else(|_| JwtAuth::builder().secret(SECRET).build(MemoryStore::new()).unwrap())
}

#[test]
fn what_is_no_route_is_not_passed_over() {
    for bad in ["", "/me", "GET", "GET me", "get /me", "Get /me", "GET /a b", "GE T /me"] {
        let asked = std::panic::catch_unwind(|| {
            bounded(async {
                let _ = testing::open_routes(&routes(), [bad]).await;
            });
        });
        let said = asked.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains("is no route: write \"GET /me\""), "{bad}: {said}");
    }
}
