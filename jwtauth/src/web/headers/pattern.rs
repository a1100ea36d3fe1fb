//! Which requests a setting is about: patterns of paths, what is wrong with one, and the path that they are
//! compared with.
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
///
/// Other than in Go, the pattern `/` is the root page alone. Nobody who writes it means every path.
pub(crate) fn matches_path(pattern: &str, path: &str) -> bool {
    if pattern == "/" {
        return path == "/";
    }
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

/// Says what is wrong with a pattern that would cover nothing, or too much.
pub(crate) fn problem_of(pattern: &str) -> Option<&'static str> {
    let Some(below_root) = pattern.strip_prefix('/') else {
        return Some(
            "write a path that starts with a slash, such as \"/login\", or a method and such a path, such as \"GET /posts/{id}\"",
        );
    };
    if !pattern.bytes().all(|byte| byte.is_ascii_graphic()) || pattern.contains(['?', '#']) {
        return Some(
            "write a path as clients send it: percent-encoded, without white space and without a query",
        );
    }
    if pattern.contains([':', '*', '<', '>']) {
        return Some(
            "write \"{name}\" for one segment and a slash at the end for everything below; \":name\", \"*\" and \"<..>\" are not known here",
        );
    }
    let below = below_root.strip_suffix('/').unwrap_or(below_root);
    if !below_root.is_empty() && below.split('/').any(str::is_empty) || !is_plain(pattern) {
        return Some(
            "no path is covered that has an empty segment in the middle, a segment \".\" or \"..\", a backslash or an encoded slash: write the plain path",
        );
    }
    let name_of =
        |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::len);
    let is_odd = |segment: &str| match name_of(segment) {
        Some(length) => length == 0 || segment.matches(['{', '}']).count() > 2,
        None => segment.contains(['{', '}']),
    };
    if below.split('/').any(is_odd) {
        return Some("write \"{name}\" for a whole segment, with a name");
    }
    if !below.is_empty()
        && pattern.ends_with('/')
        && below.split('/').all(|segment| name_of(segment).is_some())
    {
        return Some("it would cover nearly everything: write the name of one segment at least");
    }
    None
}

/// Tells whether a path cannot be taken for another one.
///
/// Files are found by the decoded path, and `..` is followed (poem's `StaticFilesEndpoint`). So
/// `/assets/..%2fprivate` is not below `/assets/`. Some servers behind a proxy cut off what follows a `;`.
pub(crate) fn is_plain(path: &str) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    let is_dots = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    slashes(&decoded) == slashes(path.as_bytes())
        && !decoded.contains(&b'\\')
        && !decoded.split(|byte| *byte == b'/').any(is_dots)
}

/// Writes a route of poem's router as a pattern: `/a/:id` is `/a/{id}`, and `/a/*rest` is `/a/`.
pub(crate) fn pattern_of_route(route: &str) -> String {
    let (mut pattern, mut segment, mut depth) = (String::new(), String::new(), 0_usize);
    for c in route.chars().chain(['/']) {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                let Some(written) = pattern_of_segment(&segment) else { return pattern };
                pattern.push_str(&written);
                pattern.push('/');
                segment.clear();
                continue;
            }
            _ => {}
        }
        segment.push(c);
    }
    pattern.pop();
    pattern
}

/// Writes one segment of a route, or returns `None` if it and all behind it may be anything.
fn pattern_of_segment(segment: &str) -> Option<String> {
    let Some(start) = segment.find([':', '*', '<']) else { return Some(segment.to_owned()) };
    let name = &segment[start..];
    if name.starts_with('*') {
        return None;
    }
    let is_of_name = |c: &char| c.is_alphanumeric() || *c == '_';
    let name: String = name.strip_prefix(':').unwrap_or_default().chars().take_while(is_of_name).collect();
    Some(format!("{{{}}}", if name.is_empty() { "name" } else { &name }))
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
            ("/", "/", true),
            ("/", "/a", false),
            ("/", "//", false),
            // The targets of CONNECT and `OPTIONS *`.
            ("/", "", false),
            ("/", "*", false),
        ] {
            assert_eq!(matches_path(pattern, path), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn a_route_is_written_as_the_pattern_that_covers_it() {
        for (route, pattern) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/callback/:provider", "/callback/{provider}"),
            ("/a/:id/edit", "/a/{id}/edit"),
            ("/a/v:version/b", "/a/{version}/b"),
            ("/a/*rest", "/a/"),
            ("/a/*", "/a/"),
            (r"/a/<\d+>", "/a/{name}"),
            (r"/a/:id<\d+>/b", "/a/{id}/b"),
            ("/a/<[^/]+>/:b", "/a/{name}/{b}"),
        ] {
            assert_eq!(pattern_of_route(route), pattern, "{route}");
            assert_eq!(problem_of(pattern), None, "{route}");
        }
    }
}
