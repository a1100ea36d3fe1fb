//! The settings that guard a whole app, and those that allow requests of other sites.

use super::JwtAuthBuilder;
use crate::web::guard::require_auth::RequireAuth;

impl JwtAuthBuilder {
    #[doc = include_str!("../../docs/deny_by_default.md")]
    pub fn deny_by_default(mut self, guard: RequireAuth) -> Self {
        self.default_guard = Some(guard);
        self
    }

    #[doc = include_str!("../../docs/public.md")]
    pub fn public(mut self, route: impl Into<String>) -> Self {
        self.public.push(route.into());
        self
    }

    /// Allows pages of another origin to send requests with the cookies. Write `scheme://host` or
    /// `scheme://host:port`. May be called again.
    ///
    /// If a proxy rewrites the `Host` header, name the public origin of this site too.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Allows any site to call a path with the cookies, for webhooks for example. May be called again.
    ///
    /// `{name}` stands for one segment. A pattern that ends in `/` covers everything below it.
    pub fn cross_origin_exempt(mut self, pattern: impl Into<String>) -> Self {
        self.exempt_paths.push(pattern.into());
        self
    }
}
