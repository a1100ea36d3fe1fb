//! The guard in front of a whole app, and its public routes. A handler that somebody forgot to guard is
//! closed, not open.
//!
//! # Invariants
//!
//! 1. It runs before anything behind the middleware, the router included.
//! 2. A path that the router may read differently than the pattern is not public: one with `..` in it,
//!    however it is encoded, or one that a middleware further out has changed.

use std::future::Future;
use std::pin::Pin;

use poem::http::Method;
use poem::{Request, Result};

use super::require_auth::TreeGuard;
use crate::error::ConfigError;
use crate::web::headers::pattern::{asked_uri, matches_path};
use crate::web::state::Gate;

/// A guard, and the routes that it does not guard.
#[derive(Debug)]
pub(crate) struct DefaultGuard {
    guard: TreeGuard,
    public: Vec<PublicRoute>,
}

impl DefaultGuard {
    /// Checks the settings; `None` if nothing is denied by default.
    pub(crate) fn new(
        guard: Option<TreeGuard>,
        routes: Vec<String>,
    ) -> std::result::Result<Option<Self>, ConfigError> {
        let Some(guard) = guard else {
            let problem = "nothing is denied by default, so every route is public: call `.deny_by_default(RequireAuth::new())`, or take it out";
            let refuse = |route| Err(ConfigError::setting("public", route, problem));
            return routes.into_iter().next().map_or(Ok(None), refuse);
        };
        let public: Vec<_> =
            routes.into_iter().map(PublicRoute::parse).collect::<std::result::Result<_, _>>()?;
        let guard = Self { guard, public };
        if let Some(page) = guard.guard.login_page() {
            let path = page.split(['?', '#']).next().unwrap_or_default();
            if !guard.covers(&Method::GET, path) {
                let problem = format!(
                    "anonymous users are sent to this login page and refused there: add .public(\"GET {path}\")"
                );
                return Err(ConfigError::setting("RequireAuth::redirect", path, problem));
            }
        }
        Ok(Some(guard))
    }

    fn is_public(&self, request: &Request) -> bool {
        let (method, asked, seen) = (request.method(), asked_uri(request).path(), request.uri().path());
        // A nested route sees the end of the original path. Any other path was rewritten: both must be
        // public.
        self.covers(method, asked) && (asked.ends_with(seen) || self.covers(method, seen))
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        self.public.iter().any(|public| public.covers(method, path)) && is_plain(path)
    }
}

impl Gate for DefaultGuard {
    /// Lets a request through if its route is public, or its caller meets the conditions.
    fn admit<'r>(&'r self, request: &'r Request) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'r>> {
        Box::pin(
            async move { if self.is_public(request) { Ok(()) } else { self.guard.admit(request).await } },
        )
    }
}

/// A route that is open to anonymous users.
#[derive(Debug)]
struct PublicRoute {
    /// `None`: every method.
    method: Option<Method>,
    pattern: String,
}

/// The methods that can stand before a path: those of RFC 9110, section 9.1, and PATCH (RFC 5789).
const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

impl PublicRoute {
    fn parse(route: String) -> std::result::Result<Self, ConfigError> {
        let (method, pattern) = match route.split_once(' ') {
            Some((method, pattern)) if !route.starts_with('/') => (Some(method), pattern),
            _ => (None, route.as_str()),
        };
        let known = method.map(|name| METHODS.into_iter().find(|known| known.as_str() == name));
        let problem = match known {
            Some(None) if pattern.starts_with('/') => Some(
                "write the method in capitals: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE or CONNECT",
            ),
            _ => problem_of(pattern),
        };
        match problem {
            Some(problem) => Err(ConfigError::setting("public", route, problem)),
            None => Ok(Self { method: known.flatten(), pattern: pattern.to_owned() }),
        }
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        let by_method = match &self.method {
            None => true,
            // Without a handler for HEAD, poem calls that of GET.
            Some(Method::GET) => matches!(*method, Method::GET | Method::HEAD),
            Some(own) => own == method,
        };
        // The pattern `/` would cover everything, but it means the root page.
        by_method && if self.pattern == "/" { path == "/" } else { matches_path(&self.pattern, path) }
    }
}

/// Says what is wrong with a pattern that would cover nothing, or too much.
fn problem_of(pattern: &str) -> Option<&'static str> {
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
            "no request is public whose path has an empty segment in the middle, a segment \".\" or \"..\", a backslash or an encoded slash: write the plain path",
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
fn is_plain(path: &str) -> bool {
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

#[cfg(test)]
mod tests;
