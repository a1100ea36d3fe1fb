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
use crate::web::headers::pattern::{asked_uri, is_plain, matches_path, problem_of};
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
        by_method && matches_path(&self.pattern, path)
    }
}

#[cfg(test)]
mod tests;
