//! The two cookies, as they are set and deleted.
//!
//! One description of a cookie serves both, because a browser ignores a deletion whose attributes differ
//! (H-2; RFC 6265bis, section 5.7). The values are tokens, whose alphabet needs no quoting.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use poem::http::HeaderValue;
use poem::web::headers::{Expires, Header as _};

use crate::clock::LAST_SECOND;
use crate::error::ConfigError;
use crate::session::IssuedTokens;

/// The largest cookie browsers keep, name and value together, in bytes (RFC 6265bis, section 5.7).
const MAX_LEN: usize = 4096;

/// When a browser sends the cookies with requests that other sites caused.
///
/// See RFC 6265bis, section 5.6.7. The cross-origin check is made with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// With top-level navigations too. The default: a link in an e-mail opens with the login.
    #[default]
    Lax,
    /// Always. Needed if another site shows this one in a frame.
    None,
    /// Never.
    Strict,
}

/// The names under which cookies are read.
#[derive(Clone, Debug)]
pub(crate) struct CookieNames {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// Those that the cookies may have had before the settings were changed.
    pub(crate) former: Vec<FormerName>,
}

/// A default name of a cookie under other settings: with another prefix, or where the application has chosen
/// another name.
#[derive(Clone, Debug)]
pub(crate) struct FormerName {
    pub(crate) name: String,
    /// Whether the access cookie has had it, and not the refresh cookie.
    pub(crate) is_access: bool,
    /// Whether its prefix promises more than that of the present name, which is a default too. Otherwise a
    /// host beside this one, or another program on it, could have set the cookie, so it lets nobody in.
    pub(crate) is_safer: bool,
}

impl CookieNames {
    /// What a default name ends with.
    const ENDS: [&str; 2] = ["access_token", "refresh_token"];

    /// The prefixes, the one that promises the most first (RFC 6265bis, section 4.1.3).
    const PREFIXES: [&str; 3] = ["__Host-", "__Secure-", ""];

    /// Returns the default names with these prefixes.
    pub(crate) fn with_prefixes(access: &str, refresh: &str) -> Self {
        let mut former = Vec::new();
        for (end, own) in Self::ENDS.into_iter().zip([access, refresh]) {
            let mut is_safer = true;
            for prefix in Self::PREFIXES {
                if prefix == own {
                    is_safer = false;
                } else {
                    let (name, is_access) = (format!("{prefix}{end}"), end == Self::ENDS[0]);
                    former.push(FormerName { name, is_access, is_safer });
                }
            }
        }
        let [access_end, refresh_end] = Self::ENDS;
        Self { access: format!("{access}{access_end}"), refresh: format!("{refresh}{refresh_end}"), former }
    }

    /// Returns names that the application has chosen. The cookies may have had every other default name.
    /// Another program on this host may have it still, so none lets anybody in.
    pub(crate) fn chosen(access: String, refresh: String) -> Self {
        let ends = Self::ENDS.into_iter().map(|end| (end, end == Self::ENDS[0]));
        let former = ends.flat_map(|(end, is_access)| {
            let names = Self::PREFIXES.map(|prefix| format!("{prefix}{end}"));
            names.map(|name| FormerName { name, is_access, is_safer: false })
        });
        let former = former.filter(|former| former.name != access && former.name != refresh).collect();
        Self { access, refresh, former }
    }
}

/// Everything about the two cookies except their values.
#[derive(Clone, Debug)]
pub(crate) struct CookieStyle {
    pub(crate) names: CookieNames,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    /// Both are sent to all hosts below it. `None`: only to the host that set them.
    pub(crate) domain: Option<String>,
    pub(crate) path: String,
    pub(crate) refresh_path: String,
    pub(crate) partitioned: bool,
    /// Whether a browser drops its copies of pages when the cookies are deleted.
    pub(crate) clear_cache: bool,
}

impl CookieStyle {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        const NAMES: &str = "CookieConfig::names";
        const NEEDS_SECURE: &str = "it needs Secure: take out .insecure_cookies()";
        let names = &self.names;
        for (name, path, path_setting) in [
            (&names.access, &self.path, "CookieConfig::path"),
            (&names.refresh, &self.refresh_path, "CookieConfig::refresh_path"),
        ] {
            let refuse = |problem: &'static str| Err(ConfigError::setting(NAMES, name, problem));
            // RFC 2965, section 3.3.4: clients of that time send `$Version` and `$Path` among the cookies.
            if name.starts_with('$') {
                return refuse(
                    "a name with a dollar sign in front is an attribute to old clients: leave it out",
                );
            }
            // token, RFC 9110, section 5.6.2
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
            {
                return refuse("a name has letters, digits and !#$%&'*+-.^_`|~ only");
            }
            let lower = name.to_ascii_lowercase();
            if !self.secure && (lower.starts_with("__host-") || lower.starts_with("__secure-")) {
                return refuse("a browser takes a name with this prefix only from a Secure cookie");
            }
            if lower.starts_with("__host-") && (self.domain.is_some() || path != "/") {
                return refuse(
                    "a browser takes the prefix __Host- only without a domain and with the path /",
                );
            }
            if !is_cookie_path(path) {
                let problem = "start it with a slash, and leave out white space and semicolons";
                return Err(ConfigError::setting(path_setting, path, problem));
            }
        }
        if names.access == names.refresh {
            return Err(ConfigError::setting(NAMES, &names.access, "both cookies have it: take two names"));
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(ConfigError::setting("CookieConfig::same_site", "None", NEEDS_SECURE));
        }
        if self.partitioned && !self.secure {
            return Err(ConfigError::setting("CookieConfig::partitioned", "on", NEEDS_SECURE));
        }
        match &self.domain {
            Some(domain) if !is_domain(domain) => {
                let problem = "write a host name, such as \"example.com\"";
                Err(ConfigError::setting("CookieConfig::domain", domain, problem))
            }
            _ => Ok(()),
        }
    }

    /// Returns the two `Set-Cookie` values for new tokens. Both live for `max_age` seconds from `now`.
    pub(crate) fn set(&self, issued: &IssuedTokens, now: u64, max_age: u64) -> [HeaderValue; 2] {
        let life = (max_age, now.saturating_add(max_age));
        [
            self.header(&self.names.access, &self.path, issued.access.expose(), life),
            self.header(&self.names.refresh, &self.refresh_path, issued.refresh.expose(), life),
        ]
    }

    /// Returns the `Set-Cookie` values for tokens that came in another form.
    pub(crate) fn set_again(
        &self,
        access: Option<&str>,
        refresh: Option<&str>,
        now: u64,
        max_age: u64,
    ) -> Vec<HeaderValue> {
        let life = (max_age, now.saturating_add(max_age));
        let access = access.map(|token| self.header(&self.names.access, &self.path, token, life));
        let refresh = refresh.map(|token| self.header(&self.names.refresh, &self.refresh_path, token, life));
        access.into_iter().chain(refresh).collect()
    }

    /// Returns the length of the longest token that a browser keeps, in bytes.
    pub(crate) fn max_token(&self) -> usize {
        MAX_LEN.saturating_sub(self.names.access.len().max(self.names.refresh.len()))
    }

    /// Returns the two `Set-Cookie` values that delete both cookies.
    pub(crate) fn clear(&self) -> [HeaderValue; 2] {
        [
            self.header(&self.names.access, &self.path, "", (0, 0)),
            self.header(&self.names.refresh, &self.refresh_path, "", (0, 0)),
        ]
    }

    /// Writes `Expires` too: JDK's `HttpCookie` takes a cookie with `Max-Age` alone for one of RFC 2965, and
    /// sends it back in quotes. All others go by `Max-Age` (RFC 6265, section 5.3).
    pub(super) fn header(
        &self,
        name: &str,
        path: &str,
        value: &str,
        (max_age, ends_at): (u64, u64),
    ) -> HeaderValue {
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::None => "None",
            SameSite::Strict => "Strict",
        };
        let secure = if self.secure { "; Secure" } else { "" };
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        let partitioned = if self.partitioned { "; Partitioned" } else { "" };
        let expires = date(ends_at);
        let text = format!(
            "{name}={value}{domain}; Path={path}; Max-Age={max_age}; Expires={expires}; HttpOnly{secure}; SameSite={same_site}{partitioned}"
        );
        // OK because `check` has refused other names, domains and paths.
        let mut header = HeaderValue::try_from(text)
            .expect("names, domain and paths are checked and tokens are base64url");
        header.set_sensitive(true);
        header
    }
}

/// Returns a time in Unix seconds as the date of a header (RFC 9110, section 5.6.7).
fn date(at: u64) -> String {
    let date = Expires::from(UNIX_EPOCH + Duration::from_secs(at.min(LAST_SECOND)));
    let mut written = Vec::new();
    date.encode(&mut written);
    written.first().and_then(|date| date.to_str().ok()).unwrap_or_default().to_owned()
}

/// Tells whether a text can be the path of a cookie (av-octet, RFC 6265bis, section 4.1.1).
pub(super) fn is_cookie_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b';')
}

/// Tells whether browsers accept a text as the domain of a cookie: a host name of two labels at least.
pub(super) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && text.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(secure: bool) -> CookieStyle {
        let prefix = if secure { "__Host-" } else { "" };
        let names = CookieNames::with_prefixes(prefix, prefix);
        CookieStyle {
            names,
            same_site: SameSite::Lax,
            secure,
            domain: None,
            path: "/".into(),
            refresh_path: "/".into(),
            partitioned: false,
            clear_cache: secure,
        }
    }

    /// H-1, H-2: a deletion has the attributes of the cookie it deletes.
    #[test]
    fn h_1_h_2_attributes() {
        let [access, refresh] = style(true).clear();
        let ends = "Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax";
        assert_eq!(access, format!("__Host-access_token=; {ends}"));
        assert_eq!(refresh, format!("__Host-refresh_token=; {ends}"));
        let minute = (60, 1_800_000_060);
        let life = "Path=/; Max-Age=60; Expires=Fri, 15 Jan 2027 08:01:00 GMT; HttpOnly";
        assert_eq!(style(true).header("n", "/", "v", minute), format!("n=v; {life}; Secure; SameSite=Lax"));
        assert_eq!(style(false).header("n", "/", "v", minute), format!("n=v; {life}; SameSite=Lax"));
        let all = CookieStyle {
            same_site: SameSite::None,
            domain: Some("example.com".into()),
            partitioned: true,
            ..style(true)
        };
        let life = life.replace("Path=/", "Path=/a");
        let want = format!("n=v; Domain=example.com; {life}; Secure; SameSite=None; Partitioned");
        assert_eq!(all.header("n", "/a", "v", minute), want);
    }

    /// N-18: no time is too late for a date.
    #[test]
    fn n_18_dates_end_with_the_year_9999() {
        for at in [LAST_SECOND, LAST_SECOND + 1, u64::MAX] {
            assert_eq!(date(at), "Fri, 31 Dec 9999 23:59:59 GMT", "{at}");
        }
    }

    #[test]
    fn names_that_browsers_would_drop_are_refused() {
        assert!(style(true).check().is_ok() && style(false).check().is_ok());
        for (name, secure) in [
            ("", true),
            ("a b", true),
            ("a;b", true),
            ("é", true),
            ("$Version", true),
            ("__Host-t", false),
            ("__secure-t", false),
            ("refresh_token", false),
        ] {
            let mut style = style(secure);
            style.names.access = name.into();
            assert!(style.check().is_err(), "{name:?}");
        }
        assert!(CookieStyle { same_site: SameSite::None, ..style(false) }.check().is_err());
        assert!(CookieStyle { partitioned: true, ..style(false) }.check().is_err());
    }

    /// H-1: `__Host-` promises that there is no domain, and no path but `/`.
    #[test]
    fn h_1_a_wider_or_narrower_cookie_has_no_host_prefix() {
        let wider = CookieStyle { domain: Some("example.com".into()), ..style(true) };
        let narrower = CookieStyle { refresh_path: "/auth".into(), ..style(true) };
        for mut style in [wider, narrower] {
            let refused = style.check().unwrap_err();
            assert!(matches!(refused, ConfigError::Setting { name: "CookieConfig::names", .. }), "{style:?}");
            assert!(refused.to_string().contains("the prefix __Host- only without a domain"), "{refused}");
            style.names =
                CookieNames { access: "__Secure-a".into(), refresh: "__Secure-r".into(), former: Vec::new() };
            assert!(style.check().is_ok(), "{style:?}");
        }
    }

    #[test]
    fn domains_and_paths_that_cannot_be_are_refused() {
        for (domain, good) in [
            ("example.com", true),
            ("a-b.example.co.uk", true),
            ("", false),
            ("localhost", false),
            (".example.com", false),
            ("example.com.", false),
            ("exa mple.com", false),
            ("example.com; Path=/", false),
            ("-a.com", false),
            ("a_b.com", false),
            ("127.0.0.1", false),
            ("bücher.example", false),
        ] {
            assert_eq!(is_domain(domain), good, "{domain:?}");
        }
        for (path, good) in [
            ("/", true),
            ("/auth/refresh", true),
            ("", false),
            ("auth", false),
            ("/a;b", false),
            ("/a b", false),
            ("/ä", false),
        ] {
            let mut style = style(false);
            style.refresh_path = path.into();
            assert_eq!(style.check().is_ok(), good, "{path:?}");
        }
    }
}
