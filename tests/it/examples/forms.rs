//! A browser that is shown where it is sent, and fills in forms.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use tests::program::Running;

/// A browser that follows no redirect by itself.
pub(super) struct Browser<'s> {
    server: &'s Running,
    client: Client,
}

impl<'s> Browser<'s> {
    pub(super) fn new(server: &'s Running) -> Self {
        let client =
            Client::builder().no_proxy().cookie_store(true).redirect(Policy::none()).build().unwrap();
        Self { server, client }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.server.at(path)).timeout(Duration::from_secs(20))
    }

    /// Opens a page.
    pub(super) async fn open(&self, path: &str) -> Response {
        self.request(Method::GET, path).header("sec-fetch-mode", "navigate").send().await.unwrap()
    }

    /// Sends a form from a page of a site.
    pub(super) async fn submit(&self, path: &str, site: &str, fields: &[(&str, &str)]) -> Response {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = self.request(Method::POST, path).header("sec-fetch-site", site);
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        form.body(body.join("&")).send().await.unwrap()
    }
}

/// Encodes every byte that is no letter and no digit.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).into(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Returns status and `Location`.
pub(super) fn sent_to(answer: &Response) -> (u16, &str) {
    let location = answer.headers().get("location");
    (answer.status().as_u16(), location.map_or("", |location| location.to_str().unwrap()))
}
