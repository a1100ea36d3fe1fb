//! Services that only verify: the guards, arguments and answers behind a `Verifier`, beside those behind a `JwtAuth`.

mod both;
mod fetch;
mod key_sets;
mod new_keys;
mod people;
mod providers;
mod wiring;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use jwtauth::clock::ManualClock;
use jwtauth::error::{BoxError, ConfigError, TokenError};
use jwtauth::{
    Auth, AuthUser, CurrentUser, Identity, Key, MaybeUser, MemoryStore, RequireAuth, Session, SessionEnd,
    TokenSource, TokenUser, Verifier, VerifierBuilder, require_auth, testing,
};
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::test::TestClient;
use poem::{EndpointExt, Response, Result, Route, get, handler};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests::app::{TestApp, User};
use tests::bounded;
use tests::log::logged;

const P256: &str = include_str!("../keys/p256.pem");

/// A user of the issuer.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Person {
    id: u64,
    roles: Vec<String>,
    scopes: Vec<String>,
}

/// The service that logs in.
fn issuer() -> TestApp {
    TestApp::with(MemoryStore::new(), |builder| builder.key(Key::from_pem(P256).unwrap()))
}

/// Logs a person in there, and returns the `Authorization` header.
async fn bearer(issuer: &TestApp, id: u64, roles: &[&str], scopes: &[&str]) -> String {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let person = Person { id, roles: owned(roles), scopes: owned(scopes) };
    testing::login(&issuer.jwtauth, &person).await.bearer().to_owned()
}

fn builder(issuer: &TestApp) -> VerifierBuilder {
    Verifier::builder("jwtauth", "jwtauth").clock(issuer.clock.clone())
}

fn verifier(issuer: &TestApp) -> Verifier {
    builder(issuer).key(Key::from_pem(P256).unwrap().to_public().unwrap()).build().unwrap()
}

/// One whose issuer cannot be reached.
fn unreachable(issuer: &TestApp) -> Verifier {
    let fetch = |_| async { Err("no route to the issuer at 10.0.0.7".into()) };
    builder(issuer).key_set_with("https://login.example.com/jwks.json", fetch).build().unwrap()
}

/// A service, called without a network.
struct Service(TestClient<BoxEndpoint<'static>>);

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Service {
    fn new(app: BoxEndpoint<'static>) -> Self {
        Self(TestClient::new(app))
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.0.request(method, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut answer = request.send().await.0;
        let body = answer.take_body().into_string().await.unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
    }

    /// Gets a path, with an `Authorization` header if it is not empty.
    async fn get(&self, path: &str, authorization: &str) -> Answer {
        let headers = [("authorization", authorization)];
        self.send(Method::GET, path, &headers[..usize::from(!authorization.is_empty())]).await
    }
}

impl Answer {
    fn code(&self) -> String {
        let problem: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        problem["code"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[require_auth]
async fn plain() -> &'static str {
    "ok"
}

#[require_auth(role = "admin")]
async fn role() -> &'static str {
    "ok"
}

#[require_auth(scope = "stock:read")]
async fn scope() -> &'static str {
    "ok"
}

#[require_auth(fresh = "1m")]
async fn fresh() -> &'static str {
    "ok"
}

#[require_auth(optional)]
async fn optional(who: Option<&Identity>) -> String {
    who.map_or("nobody", Identity::subject).to_owned()
}

#[require_auth(redirect = "/login")]
async fn page() -> &'static str {
    "ok"
}

#[require_auth]
async fn fails() -> Result<()> {
    Err(poem::Error::from_string("out of stock", StatusCode::GONE))
}

#[handler]
fn open() -> &'static str {
    "open"
}

fn routes() -> Route {
    Route::new()
        .at("/plain", get(plain).post(plain))
        .at("/role", get(role))
        .at("/scope", get(scope))
        .at("/fresh", get(fresh))
        .at("/optional", get(optional).post(optional))
        .at("/page", get(page))
        .at("/fails", get(fails))
        .at("/open", get(open))
        .nest("/tree", Route::new().at("/leaf", get(open)).with(RequireAuth::new().role("admin")))
}

/// The same request, to the same routes, behind either: the same answer, except for what depends on it.
#[test]
fn h_8_an_answer_behind_a_verifier_is_that_behind_a_jwtauth() {
    bounded(async {
        let issuer = issuer();
        let alice = bearer(&issuer, 1, &["admin"], &["stock:read"]).await;
        let bob = bearer(&issuer, 2, &["adm"], &["stock"]).await;
        let verifies = Service::new(routes().with(verifier(&issuer)).boxed());
        let logs_in = Service::new(routes().with(issuer.jwtauth.clone()).boxed());
        let same = async |path: &str, authorization: &str, expected: u16| {
            let case = format!("{path} {}", authorization.get(..12).unwrap_or(authorization));
            let [answer, other] =
                [verifies.get(path, authorization).await, logs_in.get(path, authorization).await];
            assert_eq!(answer.status, expected, "{case}: {}", answer.body);
            assert_eq!((answer.status, &answer.body), (other.status, &other.body), "{case}");
            for name in ["www-authenticate", "cache-control", "content-type", "location"] {
                assert_eq!(answer.header(name), other.header(name), "{case}: {name}");
            }
            assert_eq!(answer.header("set-cookie"), None, "{case}");
            let vary = (path != "/open").then_some("Authorization");
            assert_eq!(answer.header("vary"), vary, "{case}");
            if path != "/open" {
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
            }
        };
        for (path, expected) in [
            ("/plain", [401, 200, 200]),
            ("/role", [401, 403, 200]),
            ("/scope", [401, 403, 200]),
            ("/fresh", [401, 200, 200]),
            ("/optional", [200, 200, 200]),
            ("/page", [401, 200, 200]),
            ("/fails", [401, 410, 410]),
            ("/open", [200, 200, 200]),
            ("/tree/leaf", [401, 403, 200]),
            ("/tree/none", [401, 403, 404]),
        ] {
            for (authorization, expected) in ["", &bob, &alice].into_iter().zip(expected) {
                same(path, authorization, expected).await;
            }
            let guarded = if path == "/open" { 200 } else { 401 };
            for bad in ["Bearer a b", "Bearer x", "Bearer a.b.c", "Bearer\tx", &alice[..alice.len() - 4]] {
                same(path, bad, guarded).await;
            }
        }
        let challenge = verifies.get("/scope", &bob).await;
        let wanted = r#"Bearer realm="api", error="insufficient_scope", scope="stock:read""#;
        assert_eq!(challenge.header("www-authenticate"), Some(wanted));
        issuer.clock.advance(Duration::from_secs(61));
        same("/fresh", &alice, 401).await;
        assert_eq!(verifies.get("/fresh", &alice).await.code(), "fresh_login_required");
        // Past the leeway of the verifier, which is 5 seconds; the issuer has none.
        issuer.clock.advance(Duration::from_secs(244));
        same("/plain", &alice, 401).await;
        assert_eq!(verifies.get("/plain", &alice).await.code(), "token_expired");
    });
}

/// Pages go to the login page; nothing depends on cookies, so only the header is named.
#[test]
fn h_13_strangers_who_look_at_pages_are_sent_to_the_login_page() {
    bounded(async {
        let issuer = issuer();
        let service = Service::new(routes().with(verifier(&issuer)).boxed());
        let answer = service.send(Method::GET, "/page?a=b", &[("accept", "text/html")]).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login?next=/page%3Fa%3Db")));
        assert_eq!(answer.header("vary"), Some("Authorization"));
    });
}

/// H-6, H-10: cookies are not looked at, so there is nothing that another site could use.
#[test]
fn h_6_h_10_cookies_say_nothing_and_no_site_is_refused() {
    bounded(async {
        let issuer = issuer();
        let alice = testing::login(&issuer.jwtauth, &User::named("alice")).await;
        let service = Service::new(routes().with(verifier(&issuer)).boxed());
        let foreign = ("sec-fetch-site", "cross-site");
        for method in [Method::GET, Method::POST] {
            let cookies = ("cookie", alice.cookies());
            let answer = service.send(method.clone(), "/plain", &[cookies, foreign]).await;
            assert_eq!((answer.status, &*answer.code()), (401, "not_authenticated"));
            let answer = service.send(method.clone(), "/optional", &[cookies, foreign]).await;
            assert_eq!((answer.status, &*answer.body), (200, "nobody"));
            let bearer = ("authorization", alice.bearer());
            let answer = service.send(method, "/optional", &[bearer, cookies, foreign]).await;
            assert_eq!((answer.status, &*answer.body), (200, "alice"));
            assert_eq!(answer.header("set-cookie"), None);
        }
    });
}

/// R-5: no keys, no verdict: 503 in every form that asks, and never a stranger.
#[test]
fn r_5_missing_keys_are_an_outage_and_not_a_stranger() {
    bounded(async {
        let issuer = issuer();
        let alice = bearer(&issuer, 1, &["admin"], &[]).await;
        let routes = routes().nest("/who", people::routes());
        let service = Service::new(routes.with(unreachable(&issuer)).boxed());
        for path in ["/plain", "/role", "/optional", "/page", "/tree/leaf", "/who/token", "/who/maybe-token"]
            .into_iter()
            .chain(["/who/maybe", "/who/identity", "/who/member", "/who/optional-token"])
        {
            let answer = service.get(path, &alice).await;
            assert_eq!((answer.status, &*answer.code()), (503, "store_unavailable"), "{path}");
            assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
            assert!(!answer.body.contains("10.0.0.7"), "{path}: {}", answer.body);
        }
        assert_eq!(service.get("/plain", "").await.status, 401);
        assert_eq!(service.get("/who/maybe-token", "").await.body, "nobody");
    });
}

/// Deny by default, with the same words as on a `JwtAuth`.
#[test]
fn h_11_deny_by_default_behind_a_verifier() {
    bounded(async {
        let issuer = issuer();
        let (alice, bob) = (bearer(&issuer, 1, &["admin"], &[]).await, bearer(&issuer, 2, &[], &[]).await);
        let public = Key::from_pem(P256).unwrap().to_public().unwrap();
        let guarded = builder(&issuer)
            .key(public.clone())
            .deny_by_default(RequireAuth::new().role("admin"))
            .public("GET /open")
            .build()
            .unwrap();
        let service = Service::new(routes().at("/forgotten", get(open)).with(guarded).boxed());
        for (path, expected) in [
            ("/open", [200, 200, 200]),
            ("/forgotten", [401, 403, 200]),
            ("/nowhere", [401, 403, 404]),
            ("/plain", [401, 403, 200]),
        ] {
            for (authorization, expected) in ["", &bob, &alice].into_iter().zip(expected) {
                let answer = service.get(path, authorization).await;
                assert_eq!(answer.status, expected, "{path}");
            }
        }
        assert_eq!(service.send(Method::POST, "/open", &[]).await.status, 401);
        let refused = builder(&issuer).key(public).public("/open").build();
        let refused = refused.unwrap_err();
        assert!(matches!(&refused, ConfigError::Setting { name: "public", got, .. } if got == "/open"));
        assert!(refused.to_string().contains("nothing is denied by default"), "{refused}");
    });
}

/// Operations of an OpenAPI document are guarded too.
#[test]
fn h_11_operations_of_an_openapi_document_are_guarded_behind_a_verifier() {
    bounded(async {
        let issuer = issuer();
        let (alice, bob) = (bearer(&issuer, 1, &["admin"], &[]).await, bearer(&issuer, 2, &[], &[]).await);
        let service = poem_openapi::OpenApiService::new(api::Api, "shop", "1");
        let service = Service::new(Route::new().nest("/", service).with(verifier(&issuer)).boxed());
        for (authorization, good, bad) in [("", 401, 401), (&*bob, 403, 403), (&*alice, 200, 400)] {
            assert_eq!(service.get("/stock/9", authorization).await.status, good);
            assert_eq!(service.get("/stock/nine", authorization).await.status, bad);
        }
        assert_eq!(service.get("/stock/9", &alice).await.body, "1 counts 9");
    });
}

mod api {
    use poem_openapi::OpenApi;
    use poem_openapi::param::Path;
    use poem_openapi::payload::PlainText;

    use super::*;

    pub(super) struct Api;

    #[require_auth(role = "admin")]
    #[OpenApi]
    impl Api {
        #[oai(path = "/stock/:count", method = "get")]
        async fn count(&self, count: Path<u64>, user: TokenUser, who: &Identity) -> PlainText<String> {
            assert_eq!(user.subject(), who.subject());
            PlainText(format!("{} counts {}", user.subject(), count.0))
        }
    }
}
