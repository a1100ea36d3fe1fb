//! What a guarded request costs over an open one, and how that compares with `jsonwebtoken::decode`, and with
//! an extractor that asks for the role by hand.
//!
//! Run with `cargo bench -p jwtauth --bench request`. Endpoints are called directly, without a network.
//! Each figure is the least of many rounds, in nanoseconds; only ratios within one run mean anything.

use std::hint::black_box;
use std::time::Instant;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use jwtauth::{AuthUser, Identity, JwtAuth, Rejection, RequireAuth, SledStore, require_auth};
use poem::http::header;
use poem::{Endpoint, EndpointExt, FromRequest, Request, RequestBody, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};

const SECRET: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    name: String,
    roles: Vec<String>,
}

#[handler]
async fn post_login(auth: jwtauth::Auth) -> Result<()> {
    let user = User { id: 1, name: "alice".into(), roles: vec!["admin".into()] };
    auth.login(&user).await?;
    Ok(())
}

#[handler]
async fn get_open() -> &'static str {
    "ok"
}

#[require_auth]
async fn get_guarded() -> &'static str {
    "ok"
}

#[require_auth(role = "admin")]
async fn get_identity(who: &Identity) -> &'static str {
    black_box(who.subject());
    "ok"
}

#[require_auth]
async fn get_user(user: User) -> &'static str {
    black_box(user.name);
    "ok"
}

/// What one writes without the attribute.
struct Admin;

impl<'a> FromRequest<'a> for Admin {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let who = <&Identity>::from_request(request, body).await?;
        if who.has_role("admin") { Ok(Self) } else { Err(Rejection::PermissionDenied.into()) }
    }
}

#[handler]
async fn get_by_hand(_: Admin) -> &'static str {
    "ok"
}

#[require_auth(role = "admin")]
async fn get_role() -> &'static str {
    "ok"
}

#[require_auth(role = "admin")]
#[handler]
async fn get_role_above_handler() -> &'static str {
    "ok"
}

struct RoleBlock;

#[require_auth(role = "admin")]
impl Endpoint for RoleBlock {
    type Output = &'static str;

    async fn call(&self, _: Request) -> Result<&'static str> {
        Ok("ok")
    }
}

fn is_admin(who: &Identity) -> bool {
    who.has_role("admin")
}

#[require_auth(check = is_admin)]
async fn get_check() -> &'static str {
    "ok"
}

/// Returns the least time of one call, in nanoseconds, over 30 rounds of 2000 calls.
async fn time<F: Future>(mut call: impl FnMut() -> F) -> f64 {
    let (rounds, calls) = (30, 2_000);
    let mut least = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call().await);
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    least
}

#[tokio::main]
async fn main() {
    let directory = std::env::temp_dir().join(format!("jwtauth-bench-{}", std::process::id()));
    let store = SledStore::open(directory.join("sessions")).await.expect("the store opens");
    let jwtauth = JwtAuth::builder().secret(SECRET).build(store).expect("good settings");
    let app = Route::new()
        .at("/login", post(post_login))
        .at("/open", get(get_open))
        .at("/guarded", get(get_guarded))
        .at("/identity", get(get_identity))
        .at("/user", get(get_user))
        .at("/role/by-hand", get(get_by_hand))
        .at("/role/attribute", get(get_role))
        .at("/role/above-handler", get(get_role_above_handler))
        .at("/role/block", get(RoleBlock))
        .at("/role/middleware", get(get_open).with(RequireAuth::new().role("admin")))
        .at("/role/check", get(get_check))
        .with(jwtauth);

    let login = app
        .get_response(Request::builder().method(poem::http::Method::POST).uri_str("/login").finish())
        .await;
    let cookies = login.headers().get_all(header::SET_COOKIE).iter();
    let cookies: Vec<_> = cookies
        .map(|line| line.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned())
        .collect();
    let both = cookies.join("; ");
    let token = cookies[0].split_once('=').expect("a pair").1.to_owned();
    let bearer = format!("Bearer {token}");

    let request = |path: &str, name: header::HeaderName, value: &str| {
        let request = Request::builder().uri_str(path).header(name, value).finish();
        let app = &app;
        async move {
            let response = app.get_response(request).await;
            assert!(response.is_success());
            response
        }
    };
    let base = time(|| request("/open", header::COOKIE, &both)).await;
    println!("{:44} {base:8.0} ns", "open route");
    let line = |name: &str, ns: f64| println!("{name:44} {ns:8.0} ns, {:+8.0} over open", ns - base);
    line("guarded, both cookies", time(|| request("/guarded", header::COOKIE, &both)).await);
    line("guarded, access cookie", time(|| request("/guarded", header::COOKIE, &cookies[0])).await);
    line("guarded, bearer", time(|| request("/guarded", header::AUTHORIZATION, &bearer)).await);
    line("role and &Identity, bearer", time(|| request("/identity", header::AUTHORIZATION, &bearer)).await);
    line("user: User, bearer", time(|| request("/user", header::AUTHORIZATION, &bearer)).await);

    // In turns, so that a busy moment of the machine is nobody's.
    let rows = [
        ("role by hand, in an extractor", "/role/by-hand"),
        ("#[require_auth(role)]", "/role/attribute"),
        ("#[require_auth(role)] #[handler]", "/role/above-handler"),
        ("#[require_auth(role)] impl Endpoint", "/role/block"),
        ("RequireAuth::new().role(..)", "/role/middleware"),
        ("#[require_auth(check)]", "/role/check"),
    ];
    let mut least = [f64::MAX; 6];
    for _ in 0..8 {
        for ((_, path), least) in rows.iter().zip(&mut least) {
            *least = least.min(time(|| request(path, header::COOKIE, &both)).await);
        }
    }
    for ((name, _), ns) in rows.iter().zip(least) {
        println!("{name:44} {ns:8.0} ns, {:8.3} of by hand", ns / least[0]);
    }

    let key = DecodingKey::from_secret(SECRET).expect("the secret is not empty");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["jwtauth"]);
    validation.set_issuer(&["jwtauth"]);
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let decoded = time(|| {
        let decoded = decode::<Claims>(&token, &key, &validation).expect("a good token");
        black_box(decoded.claims.sub);
        std::future::ready(())
    });
    println!("{:44} {:8.0} ns", "jsonwebtoken::decode alone", decoded.await);
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
