//! The routes of this service. `main` serves them, and the tests call them without a network.

use jwtauth::{Account, JwtAuth, require_auth};
use poem::endpoint::BoxEndpoint;
use poem::web::Json;
use poem::{EndpointExt, Response, Route, get, handler};
use serde_json::{Value, json};

/// For whoever is logged in.
#[require_auth]
async fn hello(user: Account) -> Json<Value> {
    Json(json!({ "hello": user.name }))
}

/// For accounts with the role `admin`.
#[require_auth(role = "admin")]
async fn numbers() -> Json<Value> {
    Json(json!({ "answer": 42 }))
}

/// For the probes of a platform. It asks nobody, so a slow disk restarts nothing.
#[handler]
fn health() -> &'static str {
    "ok\n"
}

/// Returns all routes. Those below `/auth` register, log in and out, and list sessions.
#[must_use]
pub fn app(auth: JwtAuth) -> BoxEndpoint<'static, Response> {
    Route::new()
        .nest("/auth", auth.account_routes())
        .at("/hello", get(hello))
        .at("/numbers", get(numbers))
        .at("/health", get(health))
        .with(auth)
        .boxed()
}
