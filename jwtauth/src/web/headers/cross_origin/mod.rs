//! Whether a request was caused by another site: the check of Go's `http.CrossOriginProtection` (Go 1.25,
//! src/net/http/csrf.go), which asks the browser and needs no token.
//!
//! 1. GET, HEAD and OPTIONS are allowed.
//! 2. `Sec-Fetch-Site: same-origin` or `none` is allowed; any other value is another site.
//! 3. Without it, an `Origin` of another host is another site. No `Origin` either means an old browser or no
//!    browser at all, and is allowed. Go compares the bytes; here `example.com:443` is the host of
//!    `https://example.com` too (N-19).
//! 4. Two values of one of these headers are another site. Go takes the first.
//!
//! Another site is allowed only if its origin or the path was configured. `SameSite` cookies alone are not
//! enough: sibling subdomains count as the same site (RFC 6265bis, section 8.8.1).

mod refusals_told;

use poem::Request;
use poem::http::{HeaderMap, Method, header};

pub(crate) use self::refusals_told::RefusalLine;

use self::refusals_told::RefusalsTold;
use super::pattern::{asked_uri, is_plain, matches_path, problem_of};
use crate::error::ConfigError;
use crate::host::{HostPort, WebOrigin};

/// The other sites that are allowed, and the paths that allow all.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrossOrigin {
    trusted: Vec<WebOrigin>,
    exempt: Vec<String>,
    pub(crate) told: RefusalsTold,
}

impl CrossOrigin {
    /// Trusts pages of `scheme://host[:port]`.
    pub(crate) fn trust(&mut self, origin: &str) -> Result<(), ConfigError> {
        let Some(origin) = WebOrigin::parse(origin) else {
            return Err(ConfigError::setting(
                "trusted_origin",
                origin,
                "write scheme://host or scheme://host:port, without path, query or trailing slash",
            ));
        };
        self.trusted.push(origin);
        Ok(())
    }

    /// Allows any site to call the paths of a pattern.
    pub(crate) fn exempt(&mut self, pattern: &str) -> Result<(), ConfigError> {
        let has_method = pattern.split_once(' ').is_some_and(|(_, path)| path.starts_with('/'));
        let problem = match problem_of(pattern) {
            Some(_) if has_method && !pattern.starts_with('/') => {
                Some("write the path alone, without a method: every method of it is exempt")
            }
            problem => problem,
        };
        match problem {
            Some(problem) => Err(ConfigError::setting("cross_origin_exempt", pattern, problem)),
            None => {
                self.exempt.push(pattern.into());
                Ok(())
            }
        }
    }

    /// Tells whether a request that carries cookies must be refused.
    pub(crate) fn refuses(&self, request: &Request) -> bool {
        if is_safe(request.method(), request.headers()) {
            return false;
        }
        let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
        // HTTP/2 has `:authority` in place of a Host header.
        let authority = request.original_uri().authority().map(|authority| authority.as_str().as_bytes());
        self.refuses_parts(request.method(), asked_uri(request).path(), host.or(authority), request.headers())
    }

    fn refuses_parts(&self, method: &Method, path: &str, host: Option<&[u8]>, headers: &HeaderMap) -> bool {
        if is_safe(method, headers) {
            return false;
        }
        let sent =
            headers.get(header::ORIGIN).map(|origin| origin.as_bytes()).filter(|sent| !sent.is_empty());
        // Browsers write an origin in lower case (RFC 6454, section 6.1). What is not is none of theirs.
        let written = sent.filter(|sent| !sent.iter().any(u8::is_ascii_uppercase));
        let origin = written.and_then(|sent| WebOrigin::parse(std::str::from_utf8(sent).ok()?));
        // No browser sends two. A proxy or the application may have looked at the other one.
        let is_twice = |name| headers.get_all(name).iter().nth(1).is_some();
        let are_clear = !is_twice("origin") && !is_twice("sec-fetch-site");
        let origin = origin.filter(|_| are_clear);
        let other_site = match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            _ if !are_clear => true,
            Some(b"same-origin" | b"none") => false,
            Some(site) if !site.is_empty() => true,
            _ if sent.is_none() => false,
            _ => {
                let host = host.and_then(|host| HostPort::parse(std::str::from_utf8(host).ok()?));
                !origin.as_ref().zip(host).is_some_and(|(origin, host)| origin.is_at(&host))
            }
        };
        other_site
            && !origin.is_some_and(|origin| self.trusted.contains(&origin))
            && !(is_plain(path) && self.exempt.iter().any(|pattern| matches_path(pattern, path)))
    }
}

/// Tells whether a request changes nothing, by its method. An upgrade opens a channel that no later check
/// sees, whatever its method (H-12).
fn is_safe(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !headers.contains_key(header::UPGRADE)
}

#[cfg(test)]
mod tests;
