//! Requests and answers to the byte: tokens out of `Set-Cookie`, and HTTP/1.1 written by hand.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwtauth::SessionId;
use poem::http::{HeaderMap, header};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The names of both cookies, as they are by default.
pub const ACCESS: &str = "__Host-access_token";
/// See [`ACCESS`].
pub const REFRESH: &str = "__Host-refresh_token";

/// The tokens of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// Takes them out of an answer.
    ///
    /// # Panics
    ///
    /// If the answer does not set both cookies.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self { access: set_cookie(headers, ACCESS), refresh: set_cookie(headers, REFRESH) }
    }

    /// Returns the `Cookie` header that a browser sends.
    #[must_use]
    pub fn cookies(&self) -> String {
        format!("{ACCESS}={}; {REFRESH}={}", self.access, self.refresh)
    }

    /// Returns the `Cookie` header without the access token, as if it were forgotten.
    #[must_use]
    pub fn only_refresh(&self) -> String {
        format!("{REFRESH}={}", self.refresh)
    }

    /// Returns the `Cookie` header without the refresh token.
    #[must_use]
    pub fn only_access(&self) -> String {
        format!("{ACCESS}={}", self.access)
    }

    /// Returns the session that the access token names.
    ///
    /// # Panics
    ///
    /// If it is no token.
    #[must_use]
    pub fn session(&self) -> SessionId {
        claims(&self.access)["sid"].as_str().expect("a session id").parse().expect("a session id")
    }

    /// Returns the `Authorization` header.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.access)
    }
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

/// Returns the value that an answer gives to a cookie.
///
/// # Panics
///
/// If it does not set the cookie exactly once.
#[must_use]
pub fn set_cookie(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = set_cookies(headers)
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.split(';').next()?.to_owned()))
        .collect();
    let [value] = &values[..] else { panic!("{name} is set {} times: {headers:?}", values.len()) };
    value.clone()
}

/// Returns all `Set-Cookie` lines of an answer.
///
/// # Panics
///
/// If one is not ASCII.
#[must_use]
pub fn set_cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::SET_COOKIE).iter();
    lines.map(|line| line.to_str().expect("cookies are ASCII").to_owned()).collect()
}

/// Sends bytes to a server and returns what comes back, until the server closes the connection, the
/// answer's head is complete (with `head_only`), or ten seconds are over.
///
/// # Errors
///
/// What the connection reports: a server may close it while a request that is too large still comes.
///
/// # Panics
///
/// If the URL is not of a [`Served`](crate::serve::Served).
pub async fn send(url: &str, request: &[u8], head_only: bool) -> io::Result<Vec<u8>> {
    let address = url.strip_prefix("http://").expect("a URL of http");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).await?;
            answer.extend_from_slice(&chunk[..read]);
            let head_complete = answer.windows(4).any(|window| window == b"\r\n\r\n");
            if read == 0 || head_only && head_complete {
                return Ok(answer);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await.map_err(io::Error::other)?
}

/// Returns the status of an answer that was read byte by byte.
///
/// # Panics
///
/// If it does not begin with a status line.
#[must_use]
pub fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    let code = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status line: {text}"))
}
