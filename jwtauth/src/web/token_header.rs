//! Where programs put their access token: `Authorization: Bearer` (RFC 6750, section 2.1), or what the application
//! has chosen instead.
//!
//! # Invariants
//!
//! 1. No browser sends such a header on its own, and no other site can make one send it: who is known by it needs
//!    no check of the request's origin. Names and schemes of which that is not so are refused at start.
//! 2. There is one header. A token anywhere else is not looked at (H-5).

use std::borrow::Cow;

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::builder::JwtAuthBuilder;
use super::credentials::Sent;
use crate::error::ConfigError;

/// The scheme that everybody knows.
const BEARER: &str = "Bearer";

/// The header of tokens, checked.
#[derive(Clone, Debug)]
pub(crate) struct TokenHeader {
    name: HeaderName,
    /// Those that are taken. The first stands in challenges.
    schemes: Vec<String>,
    /// What an answer depends on that depends on who asks.
    vary: HeaderValue,
}

impl TokenHeader {
    pub(super) const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the scheme for challenges.
    pub(super) fn scheme(&self) -> &str {
        self.schemes.first().map_or(BEARER, String::as_str)
    }

    /// Returns a value for `Vary`.
    pub(super) const fn vary(&self) -> &HeaderValue {
        &self.vary
    }

    /// Returns the scheme for challenges, if it is not the one that everybody knows.
    pub(super) fn other_scheme(&self) -> Option<&str> {
        Some(self.scheme()).filter(|scheme| *scheme != BEARER)
    }

    pub(super) fn find<'r>(&self, headers: &'r HeaderMap) -> Sent<'r> {
        token(headers, &self.name, |scheme| {
            self.schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
        })
    }
}

/// Finds a bearer token where RFC 6750 has it.
pub(super) fn bearer(headers: &HeaderMap) -> Sent<'_> {
    token(headers, &header::AUTHORIZATION, |scheme| scheme.eq_ignore_ascii_case(BEARER.as_bytes()))
}

/// Finds the token in a header. Another scheme is not ours and counts as absent; more than one line is never right
/// (RFC 9110, section 11.6.2).
fn token<'r>(headers: &'r HeaderMap, name: &HeaderName, is_ours: impl Fn(&[u8]) -> bool) -> Sent<'r> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Sent::Absent };
    if lines.next().is_some() {
        return Sent::Conflict;
    }
    let line = line.as_bytes();
    // A tab ends the scheme's name too, so that nothing that looks like a bearer token goes unnoticed
    // (H-6), but only spaces may stand in front of the token (RFC 9110, section 11.4).
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (scheme, rest) = line.split_at(end);
    if !is_ours(scheme) {
        if rest.is_empty() && scheme.contains(&b'.') {
            tracing::debug!(target: "jwtauth", header = name.as_str(), "a header that looks like a token has no scheme in front of it, as `Bearer`, and is not looked at");
        }
        return Sent::Absent;
    }
    match std::str::from_utf8(rest).map(|rest| rest.trim_start_matches(' ')) {
        Ok(token) if is_b64token(token) => Sent::One(Cow::Borrowed(token)),
        _ => Sent::Unreadable,
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750, section 2.1).
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Settings that were not checked yet.
#[derive(Debug, Default)]
pub(super) struct TokenHeaderSettings {
    name: Option<String>,
    schemes: Vec<String>,
}

impl TokenHeaderSettings {
    /// Checks every setting.
    pub(super) fn check(self) -> Result<TokenHeader, ConfigError> {
        let name = match self.name {
            None => header::AUTHORIZATION,
            Some(name) => match name.parse::<HeaderName>() {
                Ok(parsed) if is_sent_for_others(&parsed) => {
                    return Err(ConfigError::TokenHeader {
                        name,
                        problem: "browsers send it on their own, or for other sites: take a name of your own, as X-Access-Token",
                    });
                }
                Ok(parsed) => parsed,
                Err(_) => {
                    return Err(ConfigError::TokenHeader { name, problem: "it is no name of a header" });
                }
            },
        };
        for scheme in &self.schemes {
            let refuse = |problem| Err(ConfigError::TokenScheme { scheme: scheme.clone(), problem });
            // token, RFC 9110, section 5.6.2
            if scheme.is_empty()
                || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
            {
                return refuse("a scheme has letters, digits and !#$%&'*+-.^_`|~ only");
            }
            if ["basic", "digest", "negotiate", "ntlm"].contains(&scheme.to_ascii_lowercase().as_str()) {
                return refuse("browsers send it on their own: take another, as JWT");
            }
        }
        let schemes = if self.schemes.is_empty() { vec![BEARER.into()] } else { self.schemes };
        let vary = match name.as_str() {
            "authorization" => HeaderValue::from_static("Cookie, Authorization"),
            // OK because the name of a header is good for its value too.
            name => {
                HeaderValue::try_from(format!("Cookie, {name}")).expect("a name of a header is visible ASCII")
            }
        };
        Ok(TokenHeader { name, schemes, vary })
    }
}

/// Tells whether browsers send a header on their own, or let scripts of other sites set it without asking us first
/// (Fetch, sections 2.2.2 and 4.9).
fn is_sent_for_others(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("sec-")
        || name.starts_with("proxy-")
        || name.starts_with("x-forwarded-")
        || [
            "accept",
            "accept-charset",
            "accept-encoding",
            "accept-language",
            "connection",
            "content-language",
            "content-length",
            "content-type",
            "cookie",
            "date",
            "dnt",
            "expect",
            "forwarded",
            "host",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "keep-alive",
            "origin",
            "pragma",
            "cache-control",
            "priority",
            "range",
            "referer",
            "set-cookie",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "upgrade-insecure-requests",
            "user-agent",
            "via",
            "x-real-ip",
        ]
        .contains(&name)
}

impl JwtAuthBuilder {
    /// Takes access tokens from another header than `Authorization`, such as `X-Access-Token`, and no more from that one.
    ///
    /// For where a proxy in front uses `Authorization` itself. The scheme stands before the token here too:
    /// `X-Access-Token: Bearer eyJ..`. A name that is none, and one that browsers send on their own or for other
    /// sites, is refused: [`ConfigError::TokenHeader`].
    pub fn token_header(mut self, name: impl Into<String>) -> Self {
        self.token_header.name = Some(name.into());
        self
    }

    /// Takes access tokens under another scheme than `Bearer`, in any case of its letters. May be called again, to take several;
    /// `Bearer` is then one only if it is named.
    ///
    /// The first is the one that `WWW-Authenticate` names. A scheme that is no token of RFC 9110, and one that browsers send on their own, is
    /// refused: [`ConfigError::TokenScheme`].
    ///
    /// ```
    /// // What clients of an older API send: `Authorization: JWT eyJ..`
    /// let builder = jwtauth::JwtAuth::builder().token_scheme("JWT").token_scheme("Bearer");
    /// ```
    pub fn token_scheme(mut self, scheme: impl Into<String>) -> Self {
        self.token_header.schemes.push(scheme.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::credentials::tests::{headers, one};

    /// H-5: the scheme in any case, one line, a b64token.
    #[test]
    fn h_5_bearer_tokens() {
        let cases: [(&[&[u8]], Sent<'_>); 17] = [
            (&[], Sent::Absent),
            (&[b"Bearer a.b-c_d~e+f/g=="], one("a.b-c_d~e+f/g==")),
            (&[b"bearer t"], one("t")),
            (&[b"BEARER   t"], one("t")),
            (&[b"Basic dTpw"], Sent::Absent),
            (&[b"Bearert"], Sent::Absent),
            (&[b"Bearer"], Sent::Unreadable),
            (&[b"Bearer "], Sent::Unreadable),
            (&[b"Bearer a b"], Sent::Unreadable),
            (&[b"Bearer a,b"], Sent::Unreadable),
            (&[b"Bearer a=b"], Sent::Unreadable),
            (&[b"Bearer \xff"], Sent::Unreadable),
            (&[b"Bearer\tt"], Sent::Unreadable),
            (&[b"Bearer \tt"], Sent::Unreadable),
            (&[b"Basic\tt"], Sent::Absent),
            (&[b"Bearer t", b"Bearer t"], Sent::Conflict),
            (&[b"Basic dTpw", b"Bearer t"], Sent::Conflict),
        ];
        for (lines, expected) in cases {
            assert_eq!(bearer(&headers(header::AUTHORIZATION, lines)), expected, "{lines:?}");
        }
    }
}
