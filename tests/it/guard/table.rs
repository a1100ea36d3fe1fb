//! The table of `#[require_auth]`: every argument on every kind of handler, each asked by a stranger, by
//! somebody who lacks what it asks for, and by somebody who has it; behind a `JwtAuth`, and behind a `Verifier`.

use std::time::Duration;

use jwtauth::{Key, RequireAuth, Verifier, testing};
use poem::FromRequest as _;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderName, Uri};
use serde::{Deserialize, Serialize};
use tests::test_store::TestStore;

use super::bodies::endless;
use super::*;

/// A user with scopes.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
pub(super) struct Member {
    #[auth(id)]
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
}

impl Member {
    pub(super) fn new(name: &str, roles: &[&str], scopes: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self { name: name.into(), roles: owned(roles), scopes: owned(scopes) }
    }
}

trait Named: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Anyone;

impl Named for Anyone {
    const NAME: &'static str = "anyone";
}

async fn has_role(who: &Identity) -> bool {
    ready(who.has_role("admin")).await
}

#[handler]
async fn unguarded(Json(body): Json<String>) -> String {
    body
}

/// Writes one handler of each kind with the same arguments. All of them answer with the JSON string they are sent.
macro_rules! kinds {
    ($name:ident, $($args:tt)*) => {
        mod $name {
            use super::*;

            #[require_auth($($args)*)]
            async fn async_fn(Json(body): Json<String>) -> String {
                body
            }

            #[require_auth($($args)*)]
            fn sync_fn(Json(body): Json<String>) -> String {
                body
            }

            #[require_auth($($args)*)]
            async fn generic<T: Named>(Json(body): Json<String>) -> String {
                assert_eq!(T::NAME, "anyone");
                body
            }

            #[require_auth($($args)*)]
            fn const_generic<const N: usize>(Json(body): Json<String>) -> String {
                assert_eq!(N, 7);
                body
            }

            #[require_auth($($args)*)]
            async fn lifetime<'r>(uri: &'r Uri, Json(body): Json<String>) -> String {
                let path: &'r str = uri.path();
                assert_eq!(path, "/lifetime");
                body
            }

            #[require_auth($($args)*)]
            #[handler]
            async fn above_handler(Json(body): Json<String>) -> String {
                body
            }

            #[require_auth($($args)*)]
            #[poem::handler]
            fn above_sync_handler(Json(body): Json<String>) -> String {
                body
            }

            struct Block;

            #[require_auth($($args)*)]
            impl Endpoint for Block {
                type Output = String;

                async fn call(&self, request: Request) -> Result<String> {
                    let (request, mut body) = request.split();
                    Ok(Json::<String>::from_request(&request, &mut body).await?.0)
                }
            }

            pub(super) fn routes() -> Route {
                Route::new()
                    .at("/async_fn", async_fn)
                    .at("/sync_fn", sync_fn)
                    .at("/generic", generic::<Anyone>::default())
                    .at("/const_generic", const_generic::<7>::default())
                    .at("/lifetime", lifetime)
                    .at("/above_handler", above_handler)
                    .at("/above_sync_handler", above_sync_handler)
                    .at("/block", Block)
            }
        }
    };
}

kinds!(plain,);
kinds!(role, role = "admin");
kinds!(any_role, any_role("editor", "admin"));
kinds!(all_roles, all_roles("admin", "oncall"));
kinds!(scope, scope = "posts:write");
kinds!(any_scope, any_scope("posts:admin", "posts:write"));
kinds!(all_scopes, all_scopes("posts:read", "posts:write"));
kinds!(both, role = "admin", scope = "posts:write");
kinds!(fresh, fresh = "1m");
kinds!(check, check = has_role);
kinds!(redirect, redirect = "/login", role = "admin");
kinds!(any_site, csrf = false, role = "admin");
kinds!(all, role = "admin", scope = "posts:write", fresh = "1m", check = has_role, redirect = "/login");

/// Somebody who is refused, and how.
#[derive(Clone, Copy)]
enum Lacks {
    /// There is nothing to lack.
    Nothing,
    Role,
    Scope(&'static str),
    FreshLogin,
}

impl Lacks {
    /// Returns status, code and challenge.
    fn refusal(self) -> Option<(u16, &'static str, String)> {
        match self {
            Self::Nothing => None,
            Self::Role => {
                Some((403, "permission_denied", r#"Bearer realm="api", error="insufficient_scope""#.into()))
            }
            Self::Scope(scopes) => {
                let challenge =
                    format!(r#"Bearer realm="api", error="insufficient_scope", scope="{scopes}""#);
                Some((403, "permission_denied", challenge))
            }
            // RFC 9470, section 3.
            Self::FreshLogin => {
                let challenge = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="a recent login is needed", max_age="60""#;
                Some((401, "fresh_login_required", challenge.into()))
            }
        }
    }
}

struct Case {
    name: &'static str,
    routes: fn() -> Route,
    /// The same as a middleware.
    tree: Option<fn(RequireAuth) -> RequireAuth>,
    lacks: Lacks,
}

const KINDS: [&str; 8] = [
    "/async_fn",
    "/sync_fn",
    "/generic",
    "/const_generic",
    "/lifetime",
    "/above_handler",
    "/above_sync_handler",
    "/block",
];

/// The same handler behind the middleware: alone, in a tree, in a tree below a prefix.
const TREES: [&str; 3] = ["/around", "/tree/leaf", "/tree/deeper/leaf"];

fn cases() -> Vec<Case> {
    let case = |name, routes, tree, lacks| Case { name, routes, tree, lacks };
    vec![
        case("plain", plain::routes, Some(|guard| guard), Lacks::Nothing),
        case("role", role::routes, Some(|guard| guard.role("admin")), Lacks::Role),
        case("any_role", any_role::routes, Some(|guard| guard.any_role(&["editor", "admin"])), Lacks::Role),
        case(
            "all_roles",
            all_roles::routes,
            Some(|guard| guard.all_roles(&["admin", "oncall"])),
            Lacks::Role,
        ),
        case("scope", scope::routes, Some(|guard| guard.scope("posts:write")), Lacks::Scope("posts:write")),
        case(
            "any_scope",
            any_scope::routes,
            Some(|guard| guard.any_scope(&["posts:admin", "posts:write"])),
            Lacks::Scope("posts:admin posts:write"),
        ),
        case(
            "all_scopes",
            all_scopes::routes,
            Some(|guard| guard.all_scopes(&["posts:read", "posts:write"])),
            Lacks::Scope("posts:read posts:write"),
        ),
        case("both", both::routes, Some(|guard| guard.role("admin").scope("posts:write")), Lacks::Role),
        case("fresh", fresh::routes, Some(|guard| guard.fresh(Duration::from_secs(60))), Lacks::FreshLogin),
        case("check", check::routes, None, Lacks::Role),
        case("redirect", redirect::routes, Some(|guard| guard.redirect("/login").role("admin")), Lacks::Role),
        case("any_site", any_site::routes, Some(|guard| guard.csrf(false).role("admin")), Lacks::Role),
        case("all", all::routes, None, Lacks::FreshLogin),
    ]
}

/// Puts the middleware around a plain handler, around a tree, and around a tree in a tree.
fn trees(guard: &RequireAuth) -> Route {
    let leaf = || Route::new().at("/leaf", unguarded);
    Route::new()
        .at("/around", unguarded.with(guard))
        .nest("/tree", leaf().nest("/deeper", leaf()).with(guard))
}

/// What stands in front of the guards.
#[derive(Clone, Copy)]
enum Front {
    JwtAuth,
    Verifier,
}

/// The header that says who is calling.
type Credentials = (HeaderName, String);

impl Front {
    /// Puts itself around routes. Both know the tokens of the app.
    fn client(self, app: &TestApp, routes: Route) -> TestClient<BoxEndpoint<'static>> {
        TestClient::new(match self {
            Self::JwtAuth => routes.with(app.jwtauth.clone()).boxed(),
            Self::Verifier => {
                let public = Key::from_pem(P256).unwrap().to_public().unwrap();
                let verifier = Verifier::builder("jwtauth", "jwtauth").key(public).clock(app.clock.clone());
                routes.with(verifier.build().unwrap()).boxed()
            }
        })
    }

    async fn credentials(self, app: &TestApp, member: &Member) -> Credentials {
        let logged_in = testing::login(&app.jwtauth, member).await;
        match self {
            Self::JwtAuth => (header::COOKIE, logged_in.cookies().into()),
            Self::Verifier => (header::AUTHORIZATION, logged_in.bearer().into()),
        }
    }
}

const P256: &str = include_str!("../../keys/p256.pem");

async fn ask<E: Endpoint>(request: TestRequestBuilder<'_, E>, who: Option<&Credentials>) -> Response {
    match who {
        Some((name, value)) => request.header(name.clone(), value).send().await.0,
        None => request.send().await.0,
    }
}

/// Sends a body that never ends, and checks that nobody has asked for any of it.
async fn refused<E: Endpoint>(
    client: &TestClient<E>,
    (method, path): (&str, &str),
    who: Option<&Credentials>,
    (status, code, challenge): (u16, &str, &str),
    case: &str,
) {
    let method: Method = method.parse().unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let request = client.request(method.clone(), path).content_type("application/json");
    let answered = ask(request.body(endless(&polls)), who).await;
    let case = format!("{case}: {method} {path}");
    assert_eq!(answered.status(), status, "{case}");
    assert_eq!(polls.load(Ordering::SeqCst), 0, "{case}: the body was read");
    let sent = answered.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert_eq!(sent, challenge, "{case}");
    assert_eq!(answered.headers()[header::CACHE_CONTROL], "no-store", "{case}");
    assert_eq!(super::code(answered).await, code, "{case}");
    // Nor does it matter what is in it.
    let request = client.request(method, path).content_type("application/json").body("{ no json");
    assert_eq!(ask(request, who).await.status(), status, "{case}");
}

#[test]
fn h_11_every_argument_on_every_kind_of_handler() {
    the_table_holds(Front::JwtAuth);
}

#[test]
fn h_11_every_argument_on_every_kind_of_handler_behind_a_verifier() {
    the_table_holds(Front::Verifier);
}

fn the_table_holds(front: Front) {
    bounded(async {
        let mut asked = 0;
        for Case { name, routes, tree, lacks } in cases() {
            let app = TestApp::with(TestStore::new(), |builder| builder.key(Key::from_pem(P256).unwrap()));
            let member = Member::new("rita", &["oncall", "admin"], &["posts:read", "posts:write"]);
            let right = front.credentials(&app, &member).await;
            // One of two is not enough where both are asked for, and a name is all of a name.
            let member = Member::new("walt", &["oncall", "Admin", "admins"], &["posts:read", "posts"]);
            let wrong = front.credentials(&app, &member).await;

            let mut all = routes();
            let mut paths = KINDS.to_vec();
            if let Some(tree) = tree {
                all = all.nest("/", trees(&tree(RequireAuth::new())));
                paths.extend(TREES);
            }
            let client = front.client(&app, all);
            for path in &paths {
                for method in ["POST", "GET", "HEAD", "OPTIONS"] {
                    let nobody = (401, "not_authenticated", r#"Bearer realm="api""#);
                    refused(&client, (method, path), None, nobody, name).await;
                }
                let sent =
                    |body: &'static str| client.post(*path).content_type("application/json").body(body);
                assert_eq!(ask(sent("{ no json"), Some(&right)).await.status(), 400, "{name}: {path}");
                let answered = ask(sent("\"hello\""), Some(&right)).await;
                assert_eq!(answered.status(), 200, "{name}: {path}");
                assert_eq!(text(answered).await, "hello", "{name}: {path}");
                asked += 1;
            }
            let Some((status, code, challenge)) = lacks.refusal() else { continue };
            let refusal = (status, code, &*challenge);
            let mut lacking = wrong;
            if matches!(lacks, Lacks::FreshLogin) {
                lacking = right;
                app.clock.advance(Duration::from_secs(60));
                for path in &paths {
                    let sent = client.post(*path).content_type("application/json").body("\"hello\"");
                    let answered = ask(sent, Some(&lacking)).await;
                    assert_eq!(answered.status(), 200, "{name}: {path} at the end of the minute");
                }
                app.clock.advance(Duration::from_secs(1));
            }
            for path in &paths {
                for method in ["POST", "GET", "HEAD", "OPTIONS"] {
                    refused(&client, (method, path), Some(&lacking), refusal, name).await;
                }
            }
        }
        assert_eq!(asked, 13 * KINDS.len() + 11 * TREES.len());
    });
}
