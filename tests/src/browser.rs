//! An HTTP client with a cookie store: what a browser would keep and send.

use std::sync::Arc;

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A browser with cookies of its own.
#[derive(Clone, Debug)]
pub struct Browser {
    base: String,
    client: Client,
    jar: Arc<Jar>,
}

impl Browser {
    /// Opens a browser that has no cookies yet.
    ///
    /// # Panics
    ///
    /// If the client cannot be made.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = Client::builder()
            .no_proxy()
            .cookie_provider(Arc::clone(&jar))
            .build()
            .expect("the client can be made");
        Self { base: base.into(), client, jar }
    }

    /// Starts a request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Gets a path.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    /// Posts nothing to a path.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn post(&self, path: &str) -> Response {
        self.request(Method::POST, path).send().await.expect("an answer")
    }

    /// Posts a login to `/login`.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn login(&self, username: &str, password: &str) -> Response {
        let body = json!({"username": username, "password": password});
        self.request(Method::POST, "/login").json(&body).send().await.expect("an answer")
    }

    /// Gets `/me` and returns the status.
    pub async fn me(&self) -> u16 {
        self.get("/me").await.status().as_u16()
    }

    /// Returns the value of a cookie that would be sent, by the end of its name.
    ///
    /// # Panics
    ///
    /// If the base URL is none.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let header = self.jar.cookies(&self.base.parse().expect("a URL"))?;
        let header = header.to_str().expect("cookies are ASCII").to_owned();
        let pairs = header.split("; ").filter_map(|pair| pair.split_once('='));
        pairs.filter(|(found, _)| found.ends_with(name)).map(|(_, value)| value.to_owned()).next()
    }

    /// Puts a cookie into the browser, as `name=value; attributes`.
    ///
    /// # Panics
    ///
    /// If the base URL is none.
    pub fn set_cookie(&self, cookie: &str) {
        self.jar.add_cookie_str(cookie, &self.base.parse().expect("a URL"));
    }
}

/// Reads an answer's body as JSON.
///
/// # Panics
///
/// If it is none.
pub async fn json(response: Response) -> Value {
    let body = response.text().await.expect("a body");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
