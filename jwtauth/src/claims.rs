//! The claims in our tokens (names: RFC 7519, section 4, and RFC 9068, section 2.2).
//!
//! These structs are written. `token` decides more strictly what is accepted.

use serde::Serialize;
use serde_json::{Map, Value};

/// The claims of an access token, or of the access part of a sliding token, as they are written.
#[derive(Debug, Serialize)]
pub(crate) struct AccessClaims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) sub: &'a str,
    /// `None` in tokens in the form of another library, which has no such claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a str>,
    pub(crate) sid: String,
    pub(crate) jti: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) auth_time: u64,
    /// See [`AHEAD`].
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) clock_ahead: u64,
    pub(crate) token_type: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) roles: &'a [String],
    /// Space-separated (RFC 9068, section 2.2.3).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) scope: String,
    /// The application's own, none of which is [`RESERVED`].
    #[serde(flatten)]
    pub(crate) own: &'a Map<String, Value>,
}

/// The claims of a refresh token, as they are written.
#[derive(Debug, Serialize)]
pub(crate) struct RefreshClaims<'a> {
    pub(crate) iss: &'a str,
    /// For another service that requires it. Here the key shows the audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<&'a str>,
    pub(crate) sub: &'a str,
    pub(crate) sid: String,
    #[serde(rename = "gen")]
    pub(crate) generation: u64,
    pub(crate) jti: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    /// See [`AHEAD`].
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) clock_ahead: u64,
    pub(crate) token_type: &'static str,
}

/// The claims of a sliding token, as they are written: those of an access token, and what a refresh needs.
#[derive(Debug, Serialize)]
pub(crate) struct SlidingClaims<'a> {
    #[serde(flatten)]
    pub(crate) access: AccessClaims<'a>,
    #[serde(rename = "gen")]
    pub(crate) generation: u64,
    /// Until when it may be spent for the next one: never before `exp`.
    pub(crate) refresh_exp: u64,
}

/// Names that claims of the application may not have: they are read here, or by others that follow RFC 7519.
pub(crate) const RESERVED: [&str; 16] = [
    "aud",
    "auth_time",
    "client_id",
    AHEAD,
    "exp",
    "gen",
    "iat",
    "iss",
    "jti",
    "nbf",
    "refresh_exp",
    "roles",
    "scope",
    "sid",
    "sub",
    "token_type",
];

/// The claim that says how far the time of sessions was ahead of the clock that `iat` and `exp` are by, in
/// seconds. Left out if it was not: see [`Timeline`](crate::clock::Timeline).
pub(crate) const AHEAD: &str = "clock_ahead";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(ahead: &u64) -> bool {
    *ahead == 0
}

pub(crate) const ACCESS: &str = "access";
pub(crate) const REFRESH: &str = "refresh";
pub(crate) const SLIDING: &str = "sliding";
