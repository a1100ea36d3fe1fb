//! Paths on this site: where an anonymous user is sent to log in, and the way back.
//!
//! Anyone may put any text into a link as `next`. A page that follows it unchecked sends its users to any
//! site (an open redirect; H-13).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::Request;

use crate::web::headers::pattern::asked_uri;

/// What is not encoded in the value of a query parameter (RFC 3986, sections 2.3 and 3.4).
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'/').remove(b'_').remove(b'~');

/// Longest `next` that is sent along, in bytes, before it is encoded.
pub(crate) const MAX_NEXT: usize = 2048;

/// Returns `path` if a redirect to it stays on this site.
///
/// It begins with one `/`. It has no `\` (which browsers read as `/`), and no control character or white
/// space (which they drop). Use it in a login page on the `next` that `#[require_auth(redirect = "/login")]`
/// added: anyone can write any text there.
///
/// ```
/// use jwtauth::local_path;
///
/// assert_eq!(local_path("/notes?page=2"), Some("/notes?page=2"));
/// assert_eq!(local_path("https://elsewhere.example"), None);
/// assert_eq!(local_path("//elsewhere.example"), None);
/// assert_eq!(local_path("/\\elsewhere.example"), None);
/// ```
#[must_use]
pub fn local_path(path: &str) -> Option<&str> {
    is_local(path).then_some(path)
}

pub(crate) const fn is_local(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.is_empty() || bytes[0] != b'/' || (bytes.len() > 1 && bytes[1] == b'/') {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        // A header cannot hold anything beyond ASCII.
        if bytes[at] <= b' ' || bytes[at] == b'\\' || bytes[at] >= 0x7f {
            return false;
        }
        at += 1;
    }
    true
}

/// Returns the URL of the login page, with the page that was asked for as the way back. `None` for the login
/// page itself, which would redirect for ever.
pub(crate) fn login_url(login: &str, request: &Request) -> Option<String> {
    login_url_with(login, request, "")
}

/// Returns it with a word in the query of the way back.
pub(crate) fn login_url_with(login: &str, request: &Request, mark: &str) -> Option<String> {
    let uri = asked_uri(request);
    if uri.path() == login.split(['?', '#']).next().unwrap_or_default() {
        return None;
    }
    let mut page = uri.path_and_query().map(|page| page.as_str().to_owned()).unwrap_or_default();
    if !mark.is_empty() {
        page.push(if page.contains('?') { '&' } else { '?' });
        page.push_str(mark);
    }
    let Some(page) = local_path(&page).filter(|page| page.len() <= MAX_NEXT) else {
        return Some(login.into());
    };
    // The fragment comes last, and no server sees it.
    let (login, fragment) = login.split_at(login.find('#').unwrap_or(login.len()));
    let separator = if login.contains('?') { '&' } else { '?' };
    Some(format!("{login}{separator}next={}{fragment}", utf8_percent_encode(page, QUERY_VALUE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_13_only_paths_of_this_site_are_local() {
        for good in ["/", "/a", "/a//b", "/a?b=c&d=//e", "/a#b", "/%5C", "/@evil.example", "/a:b"] {
            assert_eq!(local_path(good), Some(good));
        }
        let bad = [
            "",
            "a",
            "?a",
            "#a",
            "//",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/a b",
            "/a\r\nSet-Cookie: a=b",
            "/\u{7f}",
            "/\u{e9}",
            "https://evil.example",
            "javascript:alert(1)",
            " /a",
        ];
        for bad in bad {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn h_13_the_login_page_learns_where_to_go_back_to() {
        let request = |uri: &str| Request::builder().uri_str(uri).finish();
        let long = format!("/{}", "a".repeat(MAX_NEXT));
        for (login, uri, want) in [
            ("/login", "/notes", Some("/login?next=/notes")),
            ("/login", "/a?b=c&d=%20", Some("/login?next=/a%3Fb%3Dc%26d%3D%2520")),
            ("/login?theme=dark", "/a", Some("/login?theme=dark&next=/a")),
            ("/login#form", "/a", Some("/login?next=/a#form")),
            ("/login?theme=dark#?", "/a", Some("/login?theme=dark&next=/a#?")),
            ("/login", "//evil.example/a", Some("/login")),
            ("/login", &long, Some("/login")),
            ("/login", "/login", None),
            ("/login?theme=dark", "/login?next=/login", None),
        ] {
            assert_eq!(login_url(login, &request(uri)).as_deref(), want, "{login} {uri}");
        }
    }
}
