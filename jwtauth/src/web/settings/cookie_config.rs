//! The settings of the two cookies: their names, and when and where browsers send them. What makes a cookie
//! of them, and the check of most values, is in `answer::cookie`.

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::web::answer::cookie::{CookieNames, CookieStyle, SameSite};

/// Settings of the cookies. Give them to [`JwtAuthBuilder::cookies`].
///
/// ```
/// use jwtauth::{CookieConfig, JwtAuth, SameSite};
///
/// let cookies = CookieConfig::default().path("/shop").same_site(SameSite::Strict);
/// let builder = JwtAuth::builder().cookies(cookies);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CookieConfig {
    names: Option<CookieNames>,
    same_site: SameSite,
    domain: Option<String>,
    path: Option<String>,
    refresh_path: Option<String>,
    partitioned: bool,
}

impl CookieConfig {
    /// Sets the names of both cookies. Defaults: `__Host-access_token` and `__Host-refresh_token`.
    ///
    /// By default a cookie with a [`domain`](Self::domain), or with another path than `/`, has the prefix
    /// `__Secure-` instead. With [`insecure_cookies`](JwtAuthBuilder::insecure_cookies) it has no prefix.
    /// Browsers drop a cookie that breaks the rules of its prefix (RFC 6265bis, section 4.1.3), so such a
    /// name is refused.
    ///
    /// Take new names with a new domain or path, unless the prefix changes with it. A browser that holds an
    /// old and a new cookie of one name sends both. Two different values of one name are refused until the
    /// older cookie has expired.
    pub fn names(mut self, access: impl Into<String>, refresh: impl Into<String>) -> Self {
        self.names = Some(CookieNames { access: access.into(), refresh: refresh.into() });
        self
    }

    /// Sets when browsers send the cookies with requests that other sites caused. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets browsers send the cookies to a domain such as `example.com` and to all hosts below it. Default:
    /// only to the host that has set them.
    ///
    /// Every host below the domain can read the cookies, and set others in their place: use it only if all of
    /// them are yours. Pages on the other hosts still need [`trusted_origin`](JwtAuthBuilder::trusted_origin)
    /// to change anything.
    ///
    /// An IP address, a single word and text that is no host name are refused. A domain that others share,
    /// such as `co.uk`, is refused by browsers.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Lets browsers send the cookies only to paths that begin with this one. Default: `/`.
    ///
    /// Write it as the address bar shows it, such as `/shop`. It keeps the cookies from other programs on the
    /// same host that would get them by mistake. It does not stop one that means harm. A path that does not
    /// start with `/`, or cannot stand in a cookie, is refused.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Lets browsers send the refresh cookie only to paths that begin with this one, such as `/auth/refresh`.
    /// Default: the [`path`](Self::path) of both.
    ///
    /// The refresh cookie then travels seldom, and **there is no silent refresh**. A guarded handler answers
    /// 401 `token_expired`. The client then asks for new cookies below this path
    /// ([`Auth::refresh`](crate::Auth::refresh), or the route `/refresh` of
    /// [`routes`](crate::JwtAuth::routes)) and repeats its request. A logout on another path ends the session
    /// by the access cookie, even if that is expired.
    pub fn refresh_path(mut self, path: impl Into<String>) -> Self {
        self.refresh_path = Some(path.into());
        self
    }

    /// Lets browsers keep the cookies apart for each site that shows this one in a frame (`Partitioned`,
    /// CHIPS). Default: off.
    ///
    /// It is for an application inside other sites' pages, with [`SameSite::None`]. Browsers that block
    /// third-party cookies keep partitioned ones.
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Checks every setting.
    pub(super) fn check(self, insecure: bool) -> Result<CookieStyle, ConfigError> {
        let path = self.path.unwrap_or_else(|| "/".into());
        let refresh_path = self.refresh_path.unwrap_or_else(|| path.clone());
        let prefix = |path: &str| match (insecure, self.domain.is_some() || path != "/") {
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
            secure: !insecure,
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
    /// Sets names, domain, paths and attributes of the cookies. Called again, the last value replaces the one
    /// before.
    pub fn cookies(mut self, cookies: CookieConfig) -> Self {
        self.cookies = cookies;
        self
    }

    /// Leaves out `Secure` and the prefixes of the cookies' names, for browsers that talk plain http to a
    /// test server.
    ///
    /// Anyone on the network can read such cookies. A warning is logged at start.
    pub fn insecure_cookies(mut self) -> Self {
        self.insecure_cookies = true;
        self
    }
}
