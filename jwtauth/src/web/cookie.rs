//! The two cookies, as they are set and deleted.
//!
//! One description of a cookie serves both, because a browser ignores a deletion whose attributes
//! differ (H-2; RFC 6265bis, section 5.7). The values are tokens, whose alphabet needs no quoting.

use poem::http::HeaderValue;

use crate::error::ConfigError;
use crate::session::Issued;

/// The largest cookie browsers keep, name and value together, in bytes (RFC 6265bis, section 5.7).
const MAX_LEN: usize = 4096;

/// When a browser sends our cookies with requests that other sites caused.
///
/// See RFC 6265bis, section 5.6.7. The cross-origin check holds with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// With top-level navigations too. The default: a link in an e-mail finds its reader logged in.
    #[default]
    Lax,
    /// Always. Needed where another site shows this one in a frame.
    None,
    /// Never.
    Strict,
}

/// The names under which cookies are read.
#[derive(Clone, Debug)]
pub(crate) struct CookieNames {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Everything about our cookies but their values.
#[derive(Clone, Debug)]
pub(crate) struct CookieStyle {
    pub(crate) names: CookieNames,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
}

impl CookieStyle {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let names = &self.names;
        for name in [&names.access, &names.refresh] {
            let refuse = |problem| Err(ConfigError::CookieName { name: name.clone(), problem });
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
        }
        if names.access == names.refresh {
            return Err(ConfigError::CookieName {
                name: names.access.clone(),
                problem: "both cookies have it",
            });
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(ConfigError::CookieName {
                name: names.access.clone(),
                problem: "SameSite=None needs Secure",
            });
        }
        Ok(())
    }

    /// Returns the two `Set-Cookie` values that hand out new tokens, which both live for `max_age` seconds.
    pub(crate) fn set(&self, issued: &Issued, max_age: u64) -> [HeaderValue; 2] {
        [
            self.header(&self.names.access, issued.access.expose(), max_age),
            self.header(&self.names.refresh, issued.refresh.expose(), max_age),
        ]
    }

    /// Returns the length of the longest token that a browser keeps, in bytes.
    pub(crate) fn max_token(&self) -> usize {
        MAX_LEN.saturating_sub(self.names.access.len().max(self.names.refresh.len()))
    }

    /// Returns the two `Set-Cookie` values that delete both cookies.
    pub(crate) fn clear(&self) -> [HeaderValue; 2] {
        [self.header(&self.names.access, "", 0), self.header(&self.names.refresh, "", 0)]
    }

    fn header(&self, name: &str, value: &str, max_age: u64) -> HeaderValue {
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::None => "None",
            SameSite::Strict => "Strict",
        };
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly{secure}; SameSite={same_site}");
        let mut header = HeaderValue::try_from(text).expect("names are checked and tokens are base64url");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(secure: bool) -> CookieStyle {
        let prefix = if secure { "__Host-" } else { "" };
        let names = CookieNames {
            access: format!("{prefix}access_token"),
            refresh: format!("{prefix}refresh_token"),
        };
        CookieStyle { names, same_site: SameSite::Lax, secure }
    }

    /// H-1, H-2: a deletion has the attributes of the cookie it deletes.
    #[test]
    fn h_1_h_2_attributes() {
        let [access, refresh] = style(true).clear();
        assert_eq!(access, "__Host-access_token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
        assert_eq!(refresh, "__Host-refresh_token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
        assert_eq!(
            style(true).header("n", "v", 60),
            "n=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(style(false).header("n", "v", 60), "n=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn names_that_browsers_would_drop_are_refused() {
        assert!(style(true).check().is_ok() && style(false).check().is_ok());
        for (name, secure) in [
            ("", true),
            ("a b", true),
            ("a;b", true),
            ("é", true),
            ("__Host-t", false),
            ("__secure-t", false),
            ("refresh_token", false),
        ] {
            let mut style = style(secure);
            style.names.access = name.into();
            assert!(style.check().is_err(), "{name:?}");
        }
        assert!(CookieStyle { same_site: SameSite::None, ..style(false) }.check().is_err());
    }
}
