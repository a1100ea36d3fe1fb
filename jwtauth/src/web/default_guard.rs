//! The guard in front of a whole app, and what is public all the same: a handler that somebody forgot to guard is
//! closed, not open.
//!
//! # Invariants
//!
//! 1. It asks before anything behind the middleware runs, the router included.
//! 2. What the router might send elsewhere than the pattern says is not public: a path with `..` in it, however
//!    it is encoded, or one that a middleware further out has changed.

use poem::http::Method;
use poem::{Request, Result};

use super::builder::JwtAuthBuilder;
use super::pattern::{asked_uri, matches_path};
use super::require::RequireAuth;
use crate::error::ConfigError;

impl JwtAuthBuilder {
    /// Guards every route of the app that is not [`public`](Self::public), with the conditions of a [`RequireAuth`].
    ///
    /// Whoever does not meet them is refused before anything behind the middleware runs: plain `#[handler]`s, files
    /// and paths that do not exist alike, with every method. Guards further in are asked as well. Called again, the
    /// last one holds.
    ///
    /// ```
    /// # async fn run() -> Result<(), jwtauth::OpenError> {
    /// use jwtauth::{JwtAuth, RequireAuth};
    ///
    /// let jwtauth = JwtAuth::builder()
    ///     .secret_from_env("JWTAUTH_SECRET")
    ///     .deny_by_default(RequireAuth::new())
    ///     .public("POST /login")
    ///     .public("GET /posts/{id}")
    ///     .public("/assets/")
    ///     .open("data/sessions")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// - What is outside the middleware is not guarded: `.with(jwtauth)` goes around the whole app. Only `Cors` and
    ///   middlewares that change paths stand further out: a preflight has no credentials and would be refused.
    /// - A handler that is `optional`, or asks with an `Option` or by itself, must be public to see strangers. So
    ///   must the routes that log in and refresh; the [ready-made ones](crate::JwtAuth::routes) ask by themselves, so they
    ///   can be public as a whole: `.public("/auth/")`.
    /// - A handler with `csrf = false` needs its path in [`cross_origin_exempt`](Self::cross_origin_exempt) too, or
    ///   to be public, where its own guard still asks: this guard asks first, and refuses what another site caused.
    /// - With [`redirect`](RequireAuth::redirect), the login page must be public.
    pub fn deny_by_default(mut self, guard: RequireAuth) -> Self {
        self.default_guard = Some(guard);
        self
    }

    /// Lets strangers through to a route, past [`deny_by_default`](Self::deny_by_default). May be called again.
    ///
    /// | route | covers |
    /// |---|---|
    /// | `"/login"` | this path, with every method |
    /// | `"GET /login"` | this path, with GET or HEAD |
    /// | `"POST /login"` | this path, with this method |
    /// | `"/posts/{id}"` | one more segment in place of `{id}`: `/posts/1`, and `/posts/drafts` too |
    /// | `"/assets/"` | `/assets/` and everything below it, but not `/assets` |
    /// | `"/"` | the root page, and nothing else |
    ///
    /// The whole path counts, as the client sent it, also for nested routes: `/login/`, `//login`, `/Login` and
    /// `/%6Cogin` are not `/login`. A path is never public that has `.` or `..` for a segment, a backslash or an
    /// encoded slash, because files and proxies may take it for another one; nor one that a middleware further out
    /// has changed, unless the changed one is covered too. Let middlewares that change paths stand outside.
    ///
    /// The builder refuses a route that does not start with a slash or a method in capitals and a slash
    /// ([`ConfigError::PublicRoute`]), and any where nothing is denied by default.
    pub fn public(mut self, route: impl Into<String>) -> Self {
        self.public.push(route.into());
        self
    }
}

/// A guard, and the routes that it does not ask at.
#[derive(Debug)]
pub(crate) struct DefaultGuard {
    guard: RequireAuth,
    public: Vec<Public>,
}

impl DefaultGuard {
    /// Checks the settings; `None` if nothing is denied by default.
    pub(super) fn new(
        guard: Option<RequireAuth>,
        routes: Vec<String>,
    ) -> std::result::Result<Option<Self>, ConfigError> {
        let Some(guard) = guard else {
            let problem = "nothing is denied by default, so every route is public: call `.deny_by_default(RequireAuth::new())`, or take it out";
            let refuse = |route| Err(ConfigError::PublicRoute { route, problem });
            return routes.into_iter().next().map_or(Ok(None), refuse);
        };
        let public: Vec<_> = routes.into_iter().map(Public::parse).collect::<std::result::Result<_, _>>()?;
        let guard = Self { guard, public };
        if let Some(page) = guard.guard.login_page() {
            let path = page.split(['?', '#']).next().unwrap_or_default();
            if !guard.covers(&Method::GET, path) {
                return Err(ConfigError::LoginPage { page: path.into() });
            }
        }
        Ok(Some(guard))
    }

    /// Lets a request through if its route is public, or its caller meets the conditions.
    pub(super) async fn admit(&self, request: &Request) -> Result<()> {
        if self.is_public(request) { Ok(()) } else { self.guard.admit(request).await }
    }

    fn is_public(&self, request: &Request) -> bool {
        let (method, asked, seen) = (request.method(), asked_uri(request).path(), request.uri().path());
        // A nested route sees the end of what was asked for. Anything else was rewritten: both must be public then.
        self.covers(method, asked) && (asked.ends_with(seen) || self.covers(method, seen))
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        self.public.iter().any(|public| public.covers(method, path)) && is_plain(path)
    }
}

/// A route that is open to strangers.
#[derive(Debug)]
struct Public {
    /// Every method if there is none.
    method: Option<Method>,
    pattern: String,
}

/// What can be written in front of a path: the methods of RFC 9110, section 9.1, and PATCH (RFC 5789).
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

impl Public {
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
            Some(problem) => Err(ConfigError::PublicRoute { route, problem }),
            None => Ok(Self { method: known.flatten(), pattern: pattern.to_owned() }),
        }
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        let by_method = match &self.method {
            None => true,
            // Where there is no handler for HEAD, poem calls that of GET.
            Some(Method::GET) => matches!(*method, Method::GET | Method::HEAD),
            Some(own) => own == method,
        };
        // `/` alone would cover everything, which nobody means by the path of the root page.
        by_method && if self.pattern == "/" { path == "/" } else { matches_path(&self.pattern, path) }
    }
}

/// Says what to write in place of a pattern that would cover nothing, or too much.
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

/// Tells whether a path is sure to be taken for itself.
///
/// Files are looked up by the decoded path, with `..` followed (poem's `StaticFilesEndpoint`); so
/// `/assets/..%2fprivate` is not below `/assets/`. What follows a `;` some servers behind a proxy cut off.
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
