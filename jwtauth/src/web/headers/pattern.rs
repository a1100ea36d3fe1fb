//! Which requests a setting is about: patterns of paths, and the path that they are compared with.
//!
//! Paths are compared as they were sent, with percent-encoding, like in poem's router.

use poem::Request;
use poem::http::Uri;

/// Returns the URI that the client asked for.
///
/// Inside a nested route only the original URI has the whole path. A request that came through no server
/// (that of poem's `TestClient`) has none; it looks like `/`.
pub(crate) fn asked_uri(request: &Request) -> &Uri {
    match request.original_uri() {
        original if original.path() == "/" => request.uri(),
        original => original,
    }
}

/// Matches a path segment by segment. `{name}` stands for any one segment. A pattern that ends in `/` covers
/// everything below it. These are two forms of Go's patterns, with which the cross-origin check is specified.
pub(crate) fn matches_path(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(want) = wanted.next() {
        let Some(segment) = segments.next() else { return false };
        if want.is_empty() && wanted.peek().is_none() {
            return true;
        }
        let any = want.starts_with('{') && want.ends_with('}') && !segment.is_empty();
        if !any && want != segment {
            return false;
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_segment_by_segment() {
        for (pattern, path, matches) in [
            ("/hook", "/hook", true),
            ("/hook", "/hook/", false),
            ("/hook", "/hooks", false),
            ("/hook/", "/hook/a/b", true),
            ("/hook/", "/hook/", true),
            ("/hook/", "/hook", false),
            ("/a/{id}", "/a/1", true),
            ("/a/{id}", "/a/", false),
            ("/a/{id}", "/a/1/b", false),
            ("/a/{id}/b", "/a/1/b", true),
            ("/", "/a", true),
            // The targets of CONNECT and `OPTIONS *`.
            ("/", "", false),
            ("/", "*", false),
        ] {
            assert_eq!(matches_path(pattern, path), matches, "{pattern} {path}");
        }
    }
}
