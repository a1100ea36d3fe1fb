//! Who is about to drop the cookies of an answer, for a line in the log and a word on the login page.

use poem::Request;
use poem::http::uri::Scheme;
use poem::http::{HeaderMap, header};

use crate::web::local_only::is_local;
use crate::web::state::DroppedBy;

/// Tells who drops cookies that are `Secure`, if the client probably sees this request as plain http.
///
/// The headers decide only about what is said. Clients always name a host; a test may not.
pub(super) fn who_drops_cookies(request: &Request) -> Option<DroppedBy> {
    let names_host =
        request.headers().contains_key(header::HOST) || request.original_uri().authority().is_some();
    let behind_tls = was_https(request.headers());
    if *request.scheme() != Scheme::HTTP || !names_host || behind_tls {
        return None;
    }
    if !is_local(request) {
        return Some(DroppedBy::Everybody);
    }
    let agent = request.header(header::USER_AGENT).unwrap_or_default();
    (!keeps_cookies_of_localhost(agent)).then_some(DroppedBy::Programs)
}

/// Tells whether a proxy says that the client came by https: in `X-Forwarded-Proto`, or in `Forwarded` (RFC
/// 7239, section 5.4). Of several proxies the first one, which the client speaks to, counts.
fn was_https(headers: &HeaderMap) -> bool {
    let first = |name: &str| headers.get(name)?.to_str().ok()?.split(',').next();
    let is_https = |proto: &str| proto.trim().trim_matches('"').eq_ignore_ascii_case("https");
    let pairs = first("forwarded").into_iter().flat_map(|element| element.split(';'));
    let mut named = pairs.filter_map(|pair| pair.split_once('='));
    first("x-forwarded-proto").is_some_and(is_https)
        || named.any(|(name, value)| name.trim().eq_ignore_ascii_case("proto") && is_https(value))
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

    /// M-16: a proxy that ends TLS causes no line in the log, in whichever header it says so.
    #[test]
    fn m_16_a_proxy_that_ends_tls() {
        for (name, value, https) in [
            ("x-forwarded-proto", "https", true),
            ("x-forwarded-proto", "HTTPS, http", true),
            ("x-forwarded-proto", "http, https", false),
            ("x-forwarded-proto", "httpsx", false),
            ("forwarded", "for=192.0.2.60;proto=https;by=203.0.113.43", true),
            ("forwarded", "for=\"[2001:db8::1]\"; Proto=\"HTTPS\"", true),
            ("forwarded", "proto=https, for=10.0.0.1;proto=http", true),
            ("forwarded", "proto=http, for=10.0.0.1;proto=https", false),
            ("forwarded", "for=192.0.2.60;host=https", false),
            ("x-forwarded-for", "proto=https", false),
        ] {
            let headers = HeaderMap::from_iter([(
                name.parse::<poem::http::HeaderName>().unwrap(),
                value.parse::<poem::http::HeaderValue>().unwrap(),
            )]);
            assert_eq!(was_https(&headers), https, "{name}: {value}");
        }
    }

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
