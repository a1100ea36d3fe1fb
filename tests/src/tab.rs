//! Requests without a network, with exactly the headers that a test writes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwtauth::SessionId;
use poem::Endpoint;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::test::{TestClient, TestRequestBuilder};
use serde_json::Value;

use crate::app::TestApp;

/// The two tokens of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

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
    Set(Pair),
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
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().expect("ASCII")).collect();
        if lines.is_empty() {
            return Cookies::None;
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
        let value = |line: &str, name: &str| {
            let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{line} is not about {name}"));
            rest.split(';').next().expect("a value").to_owned()
        };
        let pair = Pair {
            access: value(lines[0], "__Host-access_token="),
            refresh: value(lines[1], "__Host-refresh_token="),
        };
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
    pub fn pair(&self) -> Pair {
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
        let body = serde_json::json!({"username": name, "password": "right"});
        let request = self.0.post("/login").body_json(&body);
        answer(
            cookie_header(cookies)
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value)),
        )
        .await
    }

    /// Logs in from a new browser.
    pub async fn login(&self, name: &str) -> Pair {
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

/// Reads the claims of a token, unverified.
///
/// # Panics
///
/// If it is no token.
#[must_use]
pub fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64URL.decode(claims).expect("base64url")).expect("JSON")
}

/// Writes a `Cookie` header from what is there of the two.
#[must_use]
pub fn cookies(access: Option<&str>, refresh: Option<&str>) -> String {
    let access = access.map(|value| format!("__Host-access_token={value}"));
    let refresh = refresh.map(|value| format!("__Host-refresh_token={value}"));
    access.into_iter().chain(refresh).collect::<Vec<_>>().join("; ")
}

impl Pair {
    /// Returns the session that the access token names.
    ///
    /// # Panics
    ///
    /// If it is no token.
    #[must_use]
    pub fn session(&self) -> SessionId {
        claims(&self.access)["sid"].as_str().expect("a session id").parse().expect("a session id")
    }

    /// Writes the `Cookie` header of a browser that holds both.
    #[must_use]
    pub fn both(&self) -> String {
        cookies(Some(&self.access), Some(&self.refresh))
    }

    /// Writes the `Cookie` header of a browser that holds the access token only.
    #[must_use]
    pub fn access(&self) -> String {
        cookies(Some(&self.access), None)
    }

    /// Writes the `Cookie` header of a browser that holds the refresh token only.
    #[must_use]
    pub fn refresh(&self) -> String {
        cookies(None, Some(&self.refresh))
    }
}
