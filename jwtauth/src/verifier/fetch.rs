//! The HTTP client for key sets, unless the application has its own. The only place that names reqwest.
//!
//! # Invariants
//!
//! 1. It contacts only the configured address: no redirects, no proxies.
//! 2. It never holds more than the greatest length of a key set.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use super::source::{Fetch, MAX_LEN, Source, TOO_LONG};
use crate::error::{BoxError, KeyError};

/// The media type of a key set (RFC 7517, section 8.5), and the one that most servers use.
const JSON: HeaderValue = HeaderValue::from_static("application/jwk-set+json, application/json");

pub(crate) fn source(url: String, max_age: Duration, without_tls: bool) -> Result<Source, KeyError> {
    let client = match client(&url) {
        Ok(client) => client,
        Err(source) => return Err(KeyError::Client { url, source: source.into() }),
    };
    let fetch: Fetch = Box::new(move |url| Box::pin(get(client.clone(), url)));
    Source::new(url, fetch, max_age, without_tls)
}

fn client(url: &str) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        // Off, even if the application switches these features of reqwest on.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        // Used once in minutes, so a kept connection would be closed by then.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("jwtauth/", env!("CARGO_PKG_VERSION")));
    // Without TLS no certificates are needed, and there may be none.
    let builder = if is_https(url) { builder.https_only(true) } else { builder.tls_certs_only([]) };
    builder.build()
}

/// Tells whether an address is one of https. Schemes have no case (RFC 3986, section 3.1).
fn is_https(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Gets the body of a successful answer. The source limits the time.
async fn get(client: Client, url: String) -> Result<Vec<u8>, BoxError> {
    let mut answer = client.get(url).header(ACCEPT, JSON).send().await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer has status {}", answer.status()).into());
    }
    if answer.content_length().is_some_and(|length| length > MAX_LEN as u64) {
        return Err(TOO_LONG.into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_LEN {
            return Err(TOO_LONG.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::error::TokenError;
    use crate::token::stateless::{ForeignTokens, TokenForm};

    /// J-8: a server that sends a little and then nothing more is given up on, and hung up on.
    #[tokio::test]
    async fn j_8_a_body_that_does_not_end_in_time_is_given_up_on() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json", server.local_addr().unwrap());
        let (told, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut request = [0; 4096];
            let length = client.read(&mut request).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":[").unwrap();
            // Nothing more comes of the client but its end.
            let end = client.read(&mut request).unwrap();
            told.send((length > 0, end)).unwrap();
        });
        let source = source(url, Duration::from_secs(300), false).unwrap().within(Duration::from_millis(100));
        let tokens = Arc::new(ForeignTokens::new(Vec::new(), TokenForm::Own).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_800_000_000));
        let refused = source.renew(&tokens, &clock, false).await;
        assert_eq!(refused, Err(TokenError::KeysUnavailable));
        assert_eq!(outcome.recv_timeout(Duration::from_secs(30)), Ok((true, 0)));
    }
}
