//! The settings of the two cookies: their names, and when and where browsers send them. `answer::cookie`
//! makes cookies of them, and checks most values.

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
    clear_cache: Option<bool>,
}

impl CookieConfig {
    /// Sets the names of both cookies. Defaults: `__Host-access_token` and `__Host-refresh_token`.
    ///
    /// A cookie with a [`domain`](Self::domain), or with another path than `/`, has the prefix `__Secure-` by
    /// default. With [`insecure_cookies`](JwtAuthBuilder::insecure_cookies) it has none. Browsers drop a
    /// cookie that breaks the rules of its prefix (RFC 6265bis, section 4.1.3), so such a name is refused. So
    /// is one that starts with `$`, which is an attribute to old clients.
    ///
    /// So a change of domain or path may change the default names, and a browser keeps cookies under both. Of
    /// a name with a safer prefix than today's they count, and the answer brings them to the name of today.
    /// Under any other one they let nobody in, because another host may have set them: a login and a logout
    /// end the sessions that they name, and delete them. The same holds for every default name once there are
    /// names of your own: whoever was logged in logs in anew. Where two programs share a host, give each its
    /// own secret too: a program leaves the cookies of another one alone if it cannot read their tokens.
    ///
    /// After a change of domain, path or [`partitioned`](Self::partitioned) a browser keeps the old cookie
    /// beside the new one, and sends both under one name. The token of the one live session counts then, and
    /// the answer deletes the other forms: as far as they can be guessed from these settings and from the URL
    /// of the request, six at most. If two sessions are live, requests get 401 until a login or a logout at a
    /// URL to which the browser sends both. So take new names with a path below which that URL is not.
    pub fn names(mut self, access: impl Into<String>, refresh: impl Into<String>) -> Self {
        self.names = Some(CookieNames::chosen(access.into(), refresh.into()));
        self
    }

    /// Sets when browsers send the cookies with requests that other sites caused. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets browsers send the cookies to a domain such as `example.com` and all hosts below it. Default: only
    /// to the host that set them.
    ///
    /// Every host below the domain can read the cookies, and can set others in their place: use it only if
    /// you control all of them. Pages on the other hosts still need
    /// [`trusted_origin`](JwtAuthBuilder::trusted_origin) to change anything.
    ///
    /// An IP address, a single word and text that is no host name are refused. Browsers refuse a domain that
    /// others share, such as `co.uk`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Lets browsers send the cookies only to paths that begin with this one. Default: `/`.
    ///
    /// Write it as the address bar shows it, such as `/shop`. It keeps the cookies from other programs on the
    /// same host that would get them by mistake. It does not stop a malicious one. A path that does not start
    /// with `/`, or cannot stand in a cookie, is refused.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Lets browsers send the refresh cookie only to paths that begin with this one, such as `/auth/refresh`.
    /// Default: the [`path`](Self::path) of both.
    ///
    /// The refresh cookie is then sent seldom, and **there is no silent refresh**. A guarded handler answers
    /// 401 `token_expired`. The client asks for new cookies below this path
    /// ([`Auth::refresh`](crate::Auth::refresh), or the route `/refresh` of
    /// [`routes`](crate::JwtAuth::routes)) and repeats its request. A logout on another path revokes the
    /// session by the access cookie, even if that has expired.
    pub fn refresh_path(mut self, path: impl Into<String>) -> Self {
        self.refresh_path = Some(path.into());
        self
    }

    /// Lets browsers keep separate cookies for each site that shows this one in a frame (`Partitioned`,
    /// CHIPS). Default: off.
    ///
    /// It is for an application inside other sites' pages, with [`SameSite::None`]. Browsers that block
    /// third-party cookies keep partitioned ones.
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Sets whether an answer that deletes the cookies, such as that of a logout, lets the browser drop its
    /// copies of pages: `Clear-Site-Data: "cache"`. Default: on, unless the cookies are
    /// [insecure](JwtAuthBuilder::insecure_cookies).
    ///
    /// `Cache-Control: no-store` is not enough. Chromium keeps whole pages to go back to, and shows them
    /// after a logout in another tab or by a script. Browsers obey over https only, and drop everything that
    /// they keep of this origin, images too. Switch it off if that costs more than it is worth.
    pub fn clear_cache(mut self, clear: bool) -> Self {
        self.clear_cache = Some(clear);
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
        let names =
            self.names.unwrap_or_else(|| CookieNames::with_prefixes(prefix(&path), prefix(&refresh_path)));
        let style = CookieStyle {
            names,
            same_site: self.same_site,
            secure: !insecure,
            domain: self.domain.map(|domain| domain.to_ascii_lowercase()),
            path,
            refresh_path,
            partitioned: self.partitioned,
            clear_cache: self.clear_cache.unwrap_or(!insecure),
        };
        style.check()?;
        Ok(style)
    }
}

impl JwtAuthBuilder {
    /// Sets names, domain, paths and attributes of the cookies. Called again, the last value counts.
    pub fn cookies(mut self, cookies: CookieConfig) -> Self {
        self.cookies = cookies;
        self
    }

    /// Leaves out `Secure` and the prefixes of the names, for tests over plain http.
    ///
    /// Anyone on the network can read such cookies. A warning is logged at start.
    pub fn insecure_cookies(mut self) -> Self {
        self.insecure_cookies = true;
        self
    }
}
