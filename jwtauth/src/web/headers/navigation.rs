//! Whether a browser asks in order to show the answer as a page.

use poem::http::{HeaderMap, HeaderName, header};

/// Kept, because a name in text is parsed with every look.
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Tells whether a client can do something with a page: a browser that opens one, or a program that takes
/// HTML among others.
pub(crate) fn takes_page(headers: &HeaderMap) -> bool {
    is_navigation(headers).unwrap_or_else(|| accepted(headers).any(is_html))
}

/// Tells whether a page is what a client wants most.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    is_navigation(headers).unwrap_or_else(|| {
        begins_with_html(headers)
            && accepted(headers).next().is_some_and(|kind| is_html(kind) && !has_weight(kind))
    })
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
    use poem::http::HeaderValue;

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
}
