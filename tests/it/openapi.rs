//! A poem-openapi API under `#[require_auth]`: who gets into its operations, and what its document says.

mod access;
mod api_keys;
mod arguments;
mod bad_requests;
mod document;
mod example;
mod lints;
mod validator;
mod without_feature;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jwtauth::error::BoxError;
use jwtauth::{AuthUser, CurrentUser, Identity, require_auth};
use poem::http::{StatusCode, header};
use poem::test::{TestClient, TestRequestBuilder};
use poem::{Body, Endpoint, EndpointExt, Response, Result, Route};
use poem_openapi::param::Path;
use poem_openapi::payload::{Binary, Json, PlainText};
use poem_openapi::{ApiResponse, OpenApi, OpenApiService};
use serde_json::Value;
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::wire::Tokens;

/// Logs in at the app's own login route.
async fn login(app: &TestApp, name: &str) -> Tokens {
    let body = serde_json::json!({"username": name, "password": "right"});
    let answer = TestClient::new(app.endpoint()).post("/login").body_json(&body).send().await.0;
    assert_eq!(answer.status(), StatusCode::OK);
    Tokens::of(answer.headers())
}

/// Puts an API behind the app's middleware.
fn client<A: OpenApi + 'static>(app: &TestApp, api: A) -> TestClient<impl Endpoint + use<A>> {
    TestClient::new(Route::new().nest("/", OpenApiService::new(api, "Test", "1")).with(app.jwtauth.clone()))
}

/// Sends a request, with cookies if there are any.
async fn answer<E: Endpoint>(request: TestRequestBuilder<'_, E>, tokens: Option<&Tokens>) -> Response {
    match tokens {
        Some(tokens) => request.header(header::COOKIE, tokens.cookies()).send().await.0,
        None => request.send().await.0,
    }
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.expect("a body of text")
}

async fn code(response: Response) -> String {
    let body = text(response).await;
    let problem: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    problem["code"].as_str().expect("a code").to_owned()
}

/// A user that is looked up on each request: the store says what is found.
#[derive(Clone)]
struct Member;

#[derive(Clone, Copy)]
enum Members {
    Gone,
    OutOfReach,
}

impl AuthUser for Member {
    type Store = Members;

    fn subject(&self) -> String {
        "member".into()
    }

    async fn load(members: &Members, _: &Identity) -> Result<Option<Self>, BoxError> {
        match members {
            Members::Gone => Ok(None),
            Members::OutOfReach => Err("no route to the database".into()),
        }
    }
}
