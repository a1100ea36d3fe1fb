//! Where programs put their access token: `Authorization: Bearer` (RFC 6750, section 2.1), or a header and
//! scheme that the application chose.
//!
//! # Invariants
//!
//! 1. No browser sends such a header on its own, and no other site can make a browser send it. So a request
//!    with such a token needs no check of its origin. Other names and schemes are refused at start.
//! 2. There is one header. A token anywhere else is not read (H-5).
//! 3. A program that has no token and sends the header all the same, with `null` for example, has sent none:
//!    nobody is let in or refused for it (N-21).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::credential::Credential;
use crate::error::ConfigError;

const BEARER: &str = "Bearer";

/// What programs write in place of a token that they do not have: the text for "nothing" in JavaScript,
/// Python, Ruby, Go, Objective-C and others. No token looks like one of them.
const NO_TOKENS: [&str; 13] = [
    "",
    "null",
    "undefined",
    "none",
    "nil",
    "nan",
    "false",
    "(null)",
    "<null>",
    "<nil>",
    "[object null]",
    "[object object]",
    "[object promise]",
];

/// The header of tokens, checked.
#[derive(Clone, Debug)]
pub(crate) struct TokenHeader {
    name: HeaderName,
    /// The accepted schemes. The first one stands in challenges.
    schemes: Vec<String>,
    /// The headers that an answer depends on if it depends on the caller.
    vary: HeaderValue,
    /// Whether the log has said already that a program sends no token.
    told: Arc<AtomicBool>,
}

impl Default for TokenHeader {
    fn default() -> Self {
        Self {
            name: header::AUTHORIZATION,
            schemes: vec![BEARER.into()],
            vary: HeaderValue::from_static("Cookie, Authorization"),
            told: Arc::default(),
        }
    }
}

impl TokenHeader {
    /// Checks a name and schemes. The defaults are `Authorization` and `Bearer`.
    pub(crate) fn new(name: Option<String>, schemes: Vec<String>) -> Result<Self, ConfigError> {
        let name = name.map_or(Ok(header::AUTHORIZATION), checked_name)?;
        schemes.iter().try_for_each(|scheme| check_scheme(scheme))?;
        let schemes = if schemes.is_empty() { vec![BEARER.into()] } else { schemes };
        let vary = match name.as_str() {
            "authorization" => HeaderValue::from_static("Cookie, Authorization"),
            // OK because the name of a header is a valid value too.
            name => {
                HeaderValue::try_from(format!("Cookie, {name}")).expect("a name of a header is visible ASCII")
            }
        };
        Ok(Self { name, schemes, vary, told: Arc::default() })
    }

    pub(crate) const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the scheme for challenges.
    pub(crate) fn scheme(&self) -> &str {
        self.schemes.first().map_or(BEARER, String::as_str)
    }

    /// Returns a value for `Vary`.
    pub(crate) const fn vary(&self) -> &HeaderValue {
        &self.vary
    }

    /// Returns the scheme for challenges, if it is not `Bearer`.
    pub(crate) fn other_scheme(&self) -> Option<&str> {
        Some(self.scheme()).filter(|scheme| *scheme != BEARER)
    }

    /// Finds the token of a header that is written as in most requests. Nobody has looked at its bytes.
    pub(crate) fn plain<'r>(&self, headers: &'r HeaderMap) -> Option<&'r [u8]> {
        let mut lines = headers.get_all(&self.name).iter();
        let line = lines.next().filter(|_| lines.next().is_none())?;
        line.as_bytes().strip_prefix(self.scheme().as_bytes())?.strip_prefix(b" ")
    }

    /// Finds the token. Another scheme counts as absent. More than one line is an error (RFC 9110, section
    /// 11.6.2).
    pub(crate) fn find<'r>(&self, headers: &'r HeaderMap) -> Credential<'r> {
        let mut lines = headers.get_all(&self.name).iter();
        let Some(line) = lines.next() else { return Credential::Absent };
        if lines.next().is_some() {
            return Credential::Conflict;
        }
        let line = line.as_bytes();
        // A tab ends the scheme too, so that everything that looks like a bearer token is noticed (H-6). But
        // only spaces may stand before the token (RFC 9110, section 11.4).
        let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
        let (scheme, rest) = line.split_at(end);
        if !self.schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) {
            if rest.is_empty() && scheme.contains(&b'.') {
                tracing::debug!(target: "jwtauth", header = self.name.as_str(), "a header looks like a token, has no scheme such as `Bearer` before it, and is ignored");
            }
            return Credential::Absent;
        }
        match std::str::from_utf8(rest).map(|rest| rest.trim_start_matches(' ')) {
            Ok(token) if is_no_token(token) => {
                self.tell_of_no_token(token);
                Credential::Absent
            }
            Ok(token) if is_b64token(token) => Credential::One(Cow::Borrowed(token)),
            _ => Credential::Unreadable,
        }
    }

    /// Returns the last word of the header, whatever its scheme is: for who has to know which session is
    /// meant by a token that [`find`](Self::find) does not take for one.
    pub(crate) fn last_word<'r>(&self, headers: &'r HeaderMap) -> Option<&'r str> {
        let line = headers.get(&self.name)?.to_str().ok()?;
        line.split_ascii_whitespace().next_back()
    }

    /// Logs once that a program has no token. The text is one of [`NO_TOKENS`].
    fn tell_of_no_token(&self, sent: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "jwtauth",
                header = self.name.as_str(),
                ?sent,
                "a program sent this in place of a token; it counts as no token at all: let the program leave the header out while it has none"
            );
        }
    }
}

/// Tells whether a program wrote something else because it has no token. One pair of quotes does not matter.
fn is_no_token(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('"').or_else(|| quoted('\'')).unwrap_or(text);
    NO_TOKENS.iter().any(|known| text.eq_ignore_ascii_case(known))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750, section 2.1).
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_of_it =
        |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    // To the end in any case, because then many bytes are looked at together.
    !body.is_empty() & body.bytes().fold(true, |all, byte| all & is_of_it(byte))
}

fn checked_name(name: String) -> Result<HeaderName, ConfigError> {
    let refuse =
        |name, problem: &'static str| Err(ConfigError::setting("ClientConfig::token_header", name, problem));
    match name.parse::<HeaderName>() {
        Ok(parsed) if is_sent_for_others(&parsed) => refuse(
            name,
            "browsers send it on their own, or for other sites: take a name of your own, such as X-Access-Token",
        ),
        Ok(parsed) => Ok(parsed),
        Err(_) => refuse(name, "it is no header name"),
    }
}

fn check_scheme(scheme: &str) -> Result<(), ConfigError> {
    let refuse =
        |problem: &'static str| Err(ConfigError::setting("ClientConfig::token_scheme", scheme, problem));
    // token, RFC 9110, section 5.6.2
    if scheme.is_empty()
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    {
        return refuse("a scheme has letters, digits and !#$%&'*+-.^_`|~ only");
    }
    if ["basic", "digest", "negotiate", "ntlm"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return refuse("browsers send it on their own: take another, such as JWT");
    }
    Ok(())
}

/// Tells whether browsers send a header on their own, or allow scripts of other sites to set it without a
/// preflight (Fetch, sections 2.2.2 and 4.9).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::headers::credentials::tests::{headers, one};

    /// H-5, N-21: the scheme in any case, one line, a b64token, or what stands for none.
    #[test]
    fn h_5_bearer_tokens() {
        let cases: [(&[&[u8]], Credential<'_>); 27] = [
            (&[], Credential::Absent),
            (&[b"Bearer a.b-c_d~e+f/g=="], one("a.b-c_d~e+f/g==")),
            (&[b"bearer t"], one("t")),
            (&[b"BEARER   t"], one("t")),
            (&[b"Basic dTpw"], Credential::Absent),
            (&[b"Bearert"], Credential::Absent),
            (&[b"Bearer"], Credential::Absent),
            (&[b"Bearer "], Credential::Absent),
            (&[b"Bearer\t"], Credential::Absent),
            (&[b"Bearer null"], Credential::Absent),
            (&[b"bearer  Undefined"], Credential::Absent),
            (&[b"Bearer \"null\""], Credential::Absent),
            (&[b"Bearer ''"], Credential::Absent),
            (&[b"Bearer [object Object]"], Credential::Absent),
            (&[b"Bearer nulls"], one("nulls")),
            (&[b"Bearer null.null.null"], one("null.null.null")),
            (&[b"Bearer \"\"null\"\""], Credential::Unreadable),
            (&[b"Bearer a b"], Credential::Unreadable),
            (&[b"Bearer a,b"], Credential::Unreadable),
            (&[b"Bearer a=b"], Credential::Unreadable),
            (&[b"Bearer \xff"], Credential::Unreadable),
            (&[b"Bearer\tt"], Credential::Unreadable),
            (&[b"Bearer \tt"], Credential::Unreadable),
            (&[b"Basic\tt"], Credential::Absent),
            (&[b"Bearer t", b"Bearer t"], Credential::Conflict),
            (&[b"Bearer null", b"Bearer t"], Credential::Conflict),
            (&[b"Basic dTpw", b"Bearer t"], Credential::Conflict),
        ];
        for (lines, expected) in cases {
            let found = TokenHeader::default();
            let headers = headers(header::AUTHORIZATION, lines);
            assert_eq!(found.find(&headers), expected, "{lines:?}");
        }
    }
}
