//! What an application says of the cookies: their names, and to whom browsers send them.

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::web::answer::cookie::{CookieNames, CookieStyle, SameSite};

/// Settings that were not checked yet.
#[derive(Debug, Default)]
pub(crate) struct CookieSettings {
    names: Option<CookieNames>,
    same_site: SameSite,
    domain: Option<String>,
    path: Option<String>,
    refresh_path: Option<String>,
    partitioned: bool,
    insecure: bool,
}

impl CookieSettings {
    pub(crate) const fn are_insecure(&self) -> bool {
        self.insecure
    }

    /// Checks every setting.
    pub(crate) fn check(self) -> Result<CookieStyle, ConfigError> {
        let path = self.path.unwrap_or_else(|| "/".into());
        let refresh_path = self.refresh_path.unwrap_or_else(|| path.clone());
        let prefix = |path: &str| match (self.insecure, self.domain.is_some() || path != "/") {
            (true, _) => "",
            (false, false) => "__Host-",
            (false, true) => "__Secure-",
        };
        let names = self.names.unwrap_or_else(|| CookieNames {
            access: format!("{}access_token", prefix(&path)),
            refresh: format!("{}refresh_token", prefix(&refresh_path)),
        });
        let style = CookieStyle {
            names,
            same_site: self.same_site,
            secure: !self.insecure,
            domain: self.domain.map(|domain| domain.to_ascii_lowercase()),
            path,
            refresh_path,
            partitioned: self.partitioned,
        };
        style.check()?;
        Ok(style)
    }
}

impl JwtAuthBuilder {
    /// Sets the names of both cookies. Defaults: `__Host-access_token` and `__Host-refresh_token`.
    ///
    /// By default a cookie that has a [`cookie_domain`](Self::cookie_domain), or another path than `/`, has the prefix
    /// `__Secure-` instead, and none when [`insecure_cookies`](Self::insecure_cookies) is on: browsers drop what
    /// breaks the rules of its prefix (RFC 6265bis, section 4.1.3). A name that does is refused here:
    /// [`ConfigError::CookieName`].
    ///
    /// Take new names with a new domain or path, unless the prefix has changed with it: a browser that holds cookies of
    /// both sends both, and two different ones of a name are refused until the older has expired.
    pub fn cookie_names(mut self, access: impl Into<String>, refresh: impl Into<String>) -> Self {
        self.cookies.names = Some(CookieNames { access: access.into(), refresh: refresh.into() });
        self
    }

    /// Sets when browsers send the cookies with requests that other sites caused.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookies.same_site = same_site;
        self
    }

    /// Lets browsers send the cookies to all hosts below a domain too, such as `example.com`. Without it they go to
    /// the host that has set them, and to no other.
    ///
    /// Every host below can read them, and set others in their place: take it only if all of them are yours. Pages there
    /// still need [`trusted_origin`](Self::trusted_origin) to change anything. An address, a single word and what is no
    /// name of a host are refused ([`ConfigError::CookieDomain`]); a domain that others share, such as `co.uk`, is
    /// refused by browsers.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookies.domain = Some(domain.into());
        self
    }

    /// Lets browsers send the cookies to paths that begin with this one, as their address bar shows it, such as `/shop`.
    /// Default: `/`.
    ///
    /// It keeps other programs on the same host from getting them by mistake, and none that means harm. A path that does not start
    /// with `/`, or cannot stand in a cookie, is refused: [`ConfigError::CookiePath`].
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookies.path = Some(path.into());
        self
    }

    /// Lets browsers send the refresh cookie to paths that begin with this one only, such as `/auth/refresh`. Default:
    /// where both go.
    ///
    /// So it travels seldom, and **there is no silent refresh**: a guarded handler answers 401 `token_expired`, and the
    /// client asks for new cookies where this path leads ([`Auth::refresh`](crate::Auth::refresh), or the route `/refresh` of
    /// [`routes`](crate::JwtAuth::routes)) and then again. A logout elsewhere ends the session by the access cookie, also by one
    /// that is expired.
    pub fn refresh_cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookies.refresh_path = Some(path.into());
        self
    }

    /// Lets browsers keep the cookies for each site that shows this one in a frame by itself (`Partitioned`, CHIPS).
    ///
    /// For an application inside other sites' pages, with [`SameSite::None`]: browsers that block cookies of third parties
    /// keep these.
    pub fn partitioned_cookies(mut self) -> Self {
        self.cookies.partitioned = true;
        self
    }

    /// Leaves `Secure` and the prefixes of names out, for browsers that talk plain http to a test server.
    ///
    /// Anyone on the network can read such cookies: a warning is logged at start.
    pub fn insecure_cookies(mut self) -> Self {
        self.cookies.insecure = true;
        self
    }
}
