//! Requests without a network, with exactly the headers that a test writes.

use poem::Endpoint;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::test::{TestClient, TestRequestBuilder};
use serde_json::Value;

use crate::app::TestApp;
use crate::wire::{ACCESS, REFRESH, Tokens, set_cookies};

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

/// What the `Set-Cookie` lines of an answer do to our cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// There are none.
    None,
    /// Both are set.
    Set(Tokens),
    /// Both are deleted.
    Deleted,
}

impl Answer {
    /// Returns the `code` member of a problem body.
    ///
    /// # Panics
    ///
    /// If the body is none.
    #[must_use]
    pub fn code(&self) -> String {
        let body: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        body["code"].as_str().expect("a code").to_owned()
    }

    /// Reads the `Set-Cookie` lines.
    ///
    /// # Panics
    ///
    /// If they are not about both cookies, or do different things to them.
    #[must_use]
    pub fn cookies(&self) -> Cookies {
        let lines = set_cookies(&self.headers);
        if lines.is_empty() {
            return Cookies::None;
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
        let pair = Tokens::of(&self.headers);
        let deletes = lines.iter().filter(|line| line.contains("Max-Age=0;")).count();
        match deletes {
            0 => Cookies::Set(pair),
            2 if pair.access.is_empty() && pair.refresh.is_empty() => Cookies::Deleted,
            _ => panic!("half a deletion: {lines:?}"),
        }
    }

    /// Returns the pair that was set.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn pair(&self) -> Tokens {
        match self.cookies() {
            Cookies::Set(pair) => pair,
            other => panic!("no cookies were set: {other:?}, status {}", self.status),
        }
    }
}

/// Sends requests to an app.
pub struct Tab(TestClient<poem::endpoint::BoxEndpoint<'static, poem::Response>>);

impl std::fmt::Debug for Tab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tab").finish_non_exhaustive()
    }
}

impl Tab {
    /// Opens one on an app.
    #[must_use]
    pub fn new(app: &TestApp) -> Self {
        Self(TestClient::new(app.endpoint()))
    }

    /// Sends a request with these headers.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.0.request(method, path);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Gets a path with these cookies, as they stand in the header.
    pub async fn get(&self, path: &str, cookies: &str) -> Answer {
        self.send(Method::GET, path, &cookie_header(cookies)).await
    }

    /// Posts to a path with these cookies, as they stand in the header.
    pub async fn post(&self, path: &str, cookies: &str) -> Answer {
        self.send(Method::POST, path, &cookie_header(cookies)).await
    }

    /// Gets a path with a bearer token.
    pub async fn bearer(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// Logs in from a browser that holds these cookies.
    pub async fn login_with(&self, name: &str, cookies: &str) -> Answer {
        self.login_from(name, &cookie_header(cookies)).await
    }

    /// Logs in with these headers.
    pub async fn login_from(&self, name: &str, headers: &[(&str, &str)]) -> Answer {
        let body = serde_json::json!({"username": name, "password": "right"});
        let request = self.0.post("/login").body_json(&body);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Logs in from a new browser.
    pub async fn login(&self, name: &str) -> Tokens {
        self.login_with(name, "").await.pair()
    }
}

fn cookie_header(cookies: &str) -> Vec<(&str, &str)> {
    if cookies.is_empty() { Vec::new() } else { vec![("cookie", cookies)] }
}

async fn answer<E: Endpoint>(request: TestRequestBuilder<'_, E>) -> Answer {
    let mut response = request.send().await.0;
    let body = response.take_body().into_string().await.expect("a body of text");
    Answer { status: response.status(), headers: response.headers().clone(), body }
}

/// Writes a `Cookie` header from what is there of the two.
#[must_use]
pub fn cookies(access: Option<&str>, refresh: Option<&str>) -> String {
    let access = access.map(|value| format!("{ACCESS}={value}"));
    let refresh = refresh.map(|value| format!("{REFRESH}={value}"));
    access.into_iter().chain(refresh).collect::<Vec<_>>().join("; ")
}
