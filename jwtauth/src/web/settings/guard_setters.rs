//! The settings that guard a whole app, and those that allow requests of other sites.

use super::JwtAuthBuilder;
use crate::web::guard::require_auth::RequireAuth;

impl JwtAuthBuilder {
    #[doc = include_str!("../../docs/deny_by_default.md")]
    pub fn deny_by_default(mut self, guard: RequireAuth) -> Self {
        self.default_guard = Some(guard.into_guard());
        self
    }

    #[doc = include_str!("../../docs/public.md")]
    pub fn public(mut self, route: impl Into<String>) -> Self {
        self.public.push(route.into());
        self
    }

    /// Allows pages of another origin to send requests with the cookies, to every path. Write
    /// `scheme://host` or `scheme://host:port`. May be called again.
    ///
    /// Case and the default port of the scheme do not matter. If a proxy rewrites the `Host` header, name the
    /// public origin of this site too. For a single path, such as the callback of a login provider, use
    /// [`cross_origin_exempt`](Self::cross_origin_exempt).
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Allows any site to call a path with the cookies. May be called again. It is for webhooks, and for the
    /// callback of a login provider that sends a form from its own site, as Apple does (`form_post`).
    ///
    /// `{name}` stands for one segment: `/callback/{provider}` for poem's route `/callback/:provider`. A
    /// pattern that ends in `/` covers everything below it, but `/` alone is the root page. What no path can
    /// match is refused at start, as in [`public`](Self::public).
    pub fn cross_origin_exempt(mut self, pattern: impl Into<String>) -> Self {
        self.exempt_paths.push(pattern.into());
        self
    }
}
