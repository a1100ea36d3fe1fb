//! The settings that guard a whole app, and those that decide which other sites may send requests.

use super::JwtAuthBuilder;
use crate::web::guard::require_auth::RequireAuth;

impl JwtAuthBuilder {
    /// Guards every route of the app that is not [`public`](Self::public), with the conditions of a
    /// [`RequireAuth`].
    ///
    /// A request that does not meet them is refused before anything behind the middleware runs. That goes for
    /// plain `#[handler]`s, files and paths that do not exist, with every method. Guards further in are asked
    /// as well. Called again, the last guard replaces the one before.
    ///
    /// ```
    /// # async fn run() -> Result<(), jwtauth::error::OpenError> {
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
    /// - What is outside the middleware is not guarded: `.with(jwtauth)` goes around the whole app. Only
    ///   `Cors` and middlewares that change paths stand further out: a preflight has no credentials and would
    ///   be refused.
    /// - A handler that is `optional`, or asks with an `Option` or by itself, must be public to see anonymous
    ///   users. So must the routes that log in and refresh. The [ready-made ones](crate::JwtAuth::routes) ask
    ///   by themselves, so they can be public as a whole: `.public("/auth/")`.
    /// - A handler with `csrf = false` needs its path in [`cross_origin_exempt`](Self::cross_origin_exempt)
    ///   too, or to be public, where its own guard still asks: this guard asks first, and refuses what
    ///   another site caused.
    /// - With [`redirect`](RequireAuth::redirect), the login page must be public.
    pub fn deny_by_default(mut self, guard: RequireAuth) -> Self {
        self.default_guard = Some(guard);
        self
    }

    /// Also allows anonymous users on a route, past [`deny_by_default`](Self::deny_by_default). May be called
    /// again.
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
    /// The whole path counts, as the client sent it, also for nested routes: `/login/`, `//login`, `/Login`
    /// and `/%6Cogin` are not `/login`. A path is never public that has `.` or `..` for a segment, a
    /// backslash or an encoded slash, because files and proxies may take it for another one; nor one that a
    /// middleware further out has changed, unless the changed one is covered too. Let middlewares that change
    /// paths stand outside.
    ///
    /// A route must start with a slash, or with a method in capitals and then a slash. Anything else is
    /// refused at start. So is a public route where nothing is denied by default.
    pub fn public(mut self, route: impl Into<String>) -> Self {
        self.public.push(route.into());
        self
    }

    /// Allows pages of another origin to send requests with the cookies. Write `scheme://host` or
    /// `scheme://host:port`. May be called again.
    ///
    /// Where a proxy rewrites the `Host` header, name the public origin of this site too.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Allows any site to call a path with the cookies: for webhooks and the like. May be called again.
    ///
    /// `{name}` stands for one segment, and a pattern that ends in `/` covers everything below it.
    pub fn cross_origin_exempt(mut self, pattern: impl Into<String>) -> Self {
        self.exempt_paths.push(pattern.into());
        self
    }
}
