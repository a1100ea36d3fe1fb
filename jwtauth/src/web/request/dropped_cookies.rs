//! Who is about to drop the cookies of an answer, for a line in the log.

use poem::Request;
use poem::http::header;
use poem::http::uri::Scheme;

use crate::web::local_only::is_local;
use crate::web::state::DroppedBy;

/// Tells who drops cookies that are `Secure`, if the client probably sees this request as plain http.
///
/// The headers decide only about a line in the log. Clients always name a host; a test may not.
pub(super) fn who_drops_cookies(request: &Request) -> Option<DroppedBy> {
    let names_host =
        request.headers().contains_key(header::HOST) || request.original_uri().authority().is_some();
    let behind_tls =
        request.header("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    if *request.scheme() != Scheme::HTTP || !names_host || behind_tls {
        return None;
    }
    if !is_local(request) {
        return Some(DroppedBy::Everybody);
    }
    let agent = request.header(header::USER_AGENT).unwrap_or_default();
    (!keeps_cookies_of_localhost(agent)).then_some(DroppedBy::Programs)
}

/// Tells whether a client says to be a browser, or a curl that takes localhost for safe: 7.79 and later.
fn keeps_cookies_of_localhost(agent: &str) -> bool {
    let is_new_curl = || {
        let mut numbers = agent.strip_prefix("curl/")?.split('.').map_while(|part| part.parse::<u32>().ok());
        Some((numbers.next()?, numbers.next()?) >= (7, 79))
    };
    agent.starts_with("Mozilla/") || is_new_curl().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M-16: those that keep `Secure` cookies of http://localhost cause no line in the log.
    #[test]
    fn m_16_who_keeps_cookies_of_localhost() {
        for (agent, keeps) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", true),
            ("curl/7.79.0", true),
            ("curl/7.88.1", true),
            ("curl/8.5.0-DEV", true),
            ("curl/7.78.0", false),
            ("curl/7", false),
            ("curl/x.y", false),
            ("python-requests/2.32.3", false),
            ("python-httpx/0.27.0", false),
            ("", false),
        ] {
            assert_eq!(keeps_cookies_of_localhost(agent), keeps, "{agent:?}");
        }
    }
}
