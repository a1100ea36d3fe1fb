//! Guards and extractors: who gets past them, in what order they ask, and what a wrong wiring does.

mod access;
mod bare;
mod bodies;
mod checks;
mod copies;
mod cross_site;
mod default;
mod inactive;
mod kinds;
mod lints;
mod maybe;
mod names;
mod redirects;
mod same_kind;
mod shapes;
mod table;
mod trees;
mod unheard;
mod users;
mod wiring;

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::stream;
use jwtauth::error::BoxError;
use jwtauth::{AuthUser, CurrentUser, Identity, JwtAuth, Session, require_auth};
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
use tests::faulty::{Fault, Faulty};
use tests::log::{logged, logged_in_no_time};
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
    let body = text(response).await;
    let problem: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    problem["code"].as_str().expect("a code").to_owned()
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.expect("a body of text")
}

/// Asks who is calling, as a middleware of an application's own does.
async fn asked(request: Request) -> Result<Request> {
    <&Identity as poem::FromRequest>::from_request(&request, &mut poem::RequestBody::default()).await?;
    Ok(request)
}
