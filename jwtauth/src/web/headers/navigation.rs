//! Whether a browser asks in order to show the answer as a page.

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Kept, because a name in text is parsed with every look.
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Tells whether a client can do something with a page: a browser that opens one, or a program that takes
/// HTML among others.
pub(crate) fn takes_page(headers: &HeaderMap) -> bool {
    is_navigation(headers).unwrap_or_else(|| accepted(headers).any(is_html) && !is_of_program(headers))
}

/// Tells whether a page is what a client wants most.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    is_navigation(headers).unwrap_or_else(|| {
        begins_with_html(headers)
            && accepted(headers).next().is_some_and(|kind| is_html(kind) && !has_weight(kind))
            && !is_of_program(headers)
    })
}

/// Tells whether a request that names HTML is that of a program. `HttpURLConnection` of Java names it always,
/// before `image/gif`, and no browser does so without XHTML. No browser opens a page with JSON or a token.
fn is_of_program(headers: &HeaderMap) -> bool {
    let names = |wanted: &str| accepted(headers).any(|kind| kind.eq_ignore_ascii_case(wanted));
    let begins = |name, with: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    names("image/gif") && !names("application/xhtml+xml")
        || begins(header::CONTENT_TYPE, "application/json")
        || begins(header::AUTHORIZATION, "bearer ")
}

/// What the browser says of the request. `None`: it is one from before 2023, or was told not to, or is none.
fn is_navigation(headers: &HeaderMap) -> Option<bool> {
    headers.get(&SEC_FETCH_MODE).map(|mode| mode == "navigate")
}

/// Returns the kinds of content in `Accept`, in their order, with their parameters (RFC 9110, section
/// 12.5.1).
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').map(str::trim)
}

/// Tells whether `Accept` may name HTML first. Most requests are no page, and are told apart by one byte.
fn begins_with_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map(|accept| accept.as_bytes().trim_ascii_start());
    accept.is_some_and(|accept| matches!(accept, [b't' | b'T', ..]))
}

fn is_html(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|name| name.trim_end().eq_ignore_ascii_case("text/html"))
}

/// Tells whether a kind has a weight below the highest.
fn has_weight(kind: &str) -> bool {
    let weight =
        |parameter: &str| parameter.trim().to_ascii_lowercase().strip_prefix("q=").map(str::to_owned);
    kind.split(';').skip(1).filter_map(weight).any(|weight| !weight.starts_with('1'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_24_browsers_want_a_page() {
        for (accept, mode, takes, wants) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, true, true),
            ("text/html, application/xhtml+xml, */*", None, true, true),
            ("TEXT/HTML;q=1.0", None, true, true),
            ("text/html;level=1, */*", None, true, true),
            ("text/html;q=0.5, application/json", None, true, false),
            ("text/html; Q=0", None, true, false),
            ("application/json, text/html", None, true, false),
            ("application/json, text/plain, */*", None, false, false),
            ("text/htmlx", None, false, false),
            ("*/*", None, false, false),
            ("", None, false, false),
            ("text/html, image/gif, image/jpeg, */*; q=0.2", None, false, false),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", None, false, false),
            ("text/html, application/xhtml+xml, image/gif, */*", None, true, true),
            ("text/html, image/gif", Some("navigate"), true, true),
            ("*/*", Some("navigate"), true, true),
            ("text/html", Some("cors"), false, false),
            ("text/html", Some("Navigate"), false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            if let Some(mode) = mode {
                headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
            }
            assert_eq!((takes_page(&headers), wants_page(&headers)), (takes, wants), "{accept} {mode:?}");
        }
    }

    #[test]
    fn n_24_a_request_with_json_or_a_token_wants_no_page() {
        for (name, value, is_program) in [
            (header::CONTENT_TYPE, "application/json; charset=utf-8", true),
            (header::CONTENT_TYPE, "application/x-www-form-urlencoded", false),
            (header::AUTHORIZATION, "Bearer x", true),
            (header::AUTHORIZATION, "Basic x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(wants_page(&headers), !is_program, "{value}");
            assert_eq!(takes_page(&headers), !is_program, "{value}");
        }
    }
}
