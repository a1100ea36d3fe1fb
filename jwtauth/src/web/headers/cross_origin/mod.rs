//! Whether a request was caused by another site: the check of Go's `http.CrossOriginProtection` (Go 1.25,
//! src/net/http/csrf.go), which asks the browser and needs no token.
//!
//! 1. GET, HEAD and OPTIONS are allowed.
//! 2. `Sec-Fetch-Site: same-origin` or `none` is allowed; any other value is another site.
//! 3. Without it, an `Origin` of another host is another site. No `Origin` either means an old browser or no
//!    browser at all, and is allowed.
//!
//! Another site is allowed only if its origin or the path was configured. `SameSite` cookies alone are not
//! enough: sibling subdomains count as the same site (RFC 6265bis, section 8.8.1).

use poem::Request;
use poem::http::{HeaderMap, Method, Uri, header};

use super::pattern::{asked_uri, matches_path};
use crate::error::ConfigError;

/// The other sites that are allowed, and the paths that allow all.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrossOrigin {
    trusted: Vec<String>,
    exempt: Vec<String>,
}

impl CrossOrigin {
    /// Trusts pages of `scheme://host[:port]`, compared byte by byte as browsers write it.
    pub(crate) fn trust(&mut self, origin: &str) -> Result<(), ConfigError> {
        let is_origin = origin.parse::<Uri>().is_ok_and(|uri| {
            let rebuilt =
                uri.scheme_str().zip(uri.authority()).map(|(scheme, host)| format!("{scheme}://{host}"));
            rebuilt.as_deref() == Some(origin) && !origin.contains('@')
        });
        if !is_origin {
            return Err(ConfigError::setting(
                "trusted_origin",
                origin,
                "write scheme://host or scheme://host:port, without path, query or trailing slash",
            ));
        }
        self.trusted.push(origin.into());
        Ok(())
    }

    /// Allows any site to call the paths of a pattern.
    pub(crate) fn exempt(&mut self, pattern: &str) -> Result<(), ConfigError> {
        if !pattern.starts_with('/') {
            return Err(ConfigError::setting("cross_origin_exempt", pattern, "start it with a slash"));
        }
        self.exempt.push(pattern.into());
        Ok(())
    }

    /// Tells whether a request that carries cookies must be refused.
    pub(crate) fn refuses(&self, request: &Request) -> bool {
        let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
        // HTTP/2 has `:authority` in place of a Host header.
        let authority = request.original_uri().authority().map(|authority| authority.as_str().as_bytes());
        self.refuses_parts(request.method(), asked_uri(request).path(), host.or(authority), request.headers())
    }

    fn refuses_parts(&self, method: &Method, path: &str, host: Option<&[u8]>, headers: &HeaderMap) -> bool {
        // An upgrade opens a channel that no later check sees, whatever its method (H-12).
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if safe && !headers.contains_key(header::UPGRADE) {
            return false;
        }
        let origin =
            headers.get(header::ORIGIN).map(|origin| origin.as_bytes()).filter(|origin| !origin.is_empty());
        let other_site = match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            Some(b"same-origin" | b"none") => false,
            Some(site) if !site.is_empty() => true,
            _ => origin.is_some_and(|origin| host.is_none() || host_of(origin) != host),
        };
        other_site
            && !origin.is_some_and(|origin| self.trusted.iter().any(|trusted| trusted.as_bytes() == origin))
            && !self.exempt.iter().any(|pattern| matches_path(pattern, path))
    }
}

/// Returns `host[:port]` of an origin.
fn host_of(origin: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(origin).ok()?;
    // Parsed only to see that it is a URL. The bytes are compared as they were sent.
    text.parse::<Uri>().ok()?;
    let rest = text.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit('@').next()?.as_bytes())
}

#[cfg(test)]
mod tests;
