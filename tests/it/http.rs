//! What goes over the wire: cookies, headers, refusals, and requests that other sites caused.

mod answers;
mod arguments;
mod clear_cache;
mod cookie_scope;
mod credentials;
mod cross_origin;
mod development;
mod navigations;
mod no_token;
mod old_clients;
mod other_settings;
mod own_body;
mod refusals;
mod same_origin;
mod same_request;
mod secrets;
mod token_header;
mod twins;

use jwtauth::{Auth, CookieConfig, JwtAuth, Rejection, SameSite, require_auth};
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

/// Names and values of a request's headers.
type Headers<'a> = &'a [(&'a str, &'a str)];

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
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { app, served: serve(endpoint).await, client }
    }

    async fn ask(&self, method: Method, path: &str, headers: Headers<'_>) -> Response {
        self.ask_with(method, path, headers, "").await
    }

    async fn ask_with(&self, method: Method, path: &str, headers: Headers<'_>, body: &str) -> Response {
        let mut request = self.client.request(method, self.served.at(path)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    async fn get(&self, path: &str, headers: Headers<'_>) -> Response {
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
        let sessions = self.app.jwtauth.sessions().list(subject).await.expect("a store");
        let [session] = &sessions[..] else { panic!("{} sessions", sessions.len()) };
        session.generation
    }

    /// Asks for `/me` with a `Cookie` header that need not be text.
    async fn me_with_cookie_bytes(&self, cookie: &[u8]) -> u16 {
        let mut request = b"GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: ".to_vec();
        request.extend_from_slice(cookie);
        request.extend_from_slice(b"\r\n\r\n");
        status(&send(&self.served.url, &request, false).await.expect("an answer"))
    }
}

fn is_deleted(headers: &HeaderMap) -> bool {
    let lines = set_cookies(headers);
    lines.len() == 2 && lines.iter().all(|line| line.contains("=; ") && line.contains("; Max-Age=0;"))
}
