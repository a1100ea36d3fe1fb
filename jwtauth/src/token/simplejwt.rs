//! Tokens as djangorestframework-simplejwt writes and reads them: `typ: JWT`, the kind only in a claim
//! ([`Compat`]).
//!
//! There are three sorts of such tokens:
//!
//! 1. Own tokens: with all claims of an own token, and the claim with the user's id.
//! 2. Tokens that Django derived from an own token. Django copies the claims that it does not set, so `sid`
//!    names an own session.
//! 3. Django's own tokens: they name no session. They have a [`Foreign`], and `session::foreign` handles
//!    them.
//!
//! A token is identified by its kind and `jti`, without any secret, so that a revoked token stays revoked
//! when the secret changes. The identifier need not be secret, because knowing it grants nothing.
//!
//! # Invariants
//!
//! 1. `token_type` must be present and right (J-10). `exp`, `iat`, `jti` and the user must be present too.
//! 2. `iss` and `aud` may be absent, but never wrong.

use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::parse::Object;
use super::{Expected, check_kind, check_times, required};
use crate::claims::ACCESS;
use crate::clock::LAST_SECOND;
use crate::compat::Compat;
use crate::error::TokenError;
use crate::id::{SessionId, TokenId};
use crate::key;

pub(super) const TYP: &str = "JWT";

/// The longest `jti` and the longest id of a user, in bytes.
const MAX_TEXT: usize = 255;

/// A token that another service has issued on its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Its kind and `jti`, which no other token has.
    pub(crate) name: String,
    /// The same, as an id.
    pub(crate) token: TokenId,
    /// Its `iat`, in Unix seconds, by the clock.
    pub(crate) issued_at: u64,
    /// Its `exp`, in Unix seconds, by the clock.
    pub(crate) expires_at: u64,
    /// When the user logged in, in Unix seconds, if it says so.
    pub(crate) auth_time: Option<u64>,
}

/// The own token from which Django has made another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The generation of our refresh token.
    pub(crate) generation: u64,
    /// When Django made the other one, in Unix seconds, by the clock.
    pub(crate) used_at: u64,
}

/// The claims of a token, of either kind.
pub(super) struct SimplejwtClaims {
    pub(super) subject: Arc<str>,
    /// For a token without a session, an id that only this token has.
    pub(super) session: SessionId,
    pub(super) token: TokenId,
    /// `None` if it names an own session.
    pub(super) foreign: Option<Arc<Foreign>>,
    /// Present if it has a generation. Of access tokens, only those made by Django have one.
    pub(super) origin: Option<Origin>,
}

/// Checks issuer, audience and times. Returns when the token is valid; `None` if it has expired.
pub(super) fn check(claims: &Object<'_>, expected: &Expected<'_>) -> Result<Option<Range<u64>>, TokenError> {
    match claims.text("iss") {
        Ok(None) => {}
        Ok(Some(issuer)) if issuer == expected.issuer => {}
        _ => return Err(TokenError::WrongIssuer),
    }
    if claims.has("aud") {
        match claims.names("aud", expected.audience) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::WrongAudience),
            Err(_) => return Err(TokenError::Claim("aud")),
        }
    }
    // Django makes access tokens from our refresh tokens, and copies `gen` into them.
    let is_derived = claims.has("gen") && check_kind(claims, ACCESS).is_ok();
    super::unless_expired(check_times(claims, expected, claims.has("sid") && !is_derived))
}

/// Reads a token whose signature is good.
pub(super) fn read(claims: &Object<'_>, kind: &str, compat: &Compat) -> Result<SimplejwtClaims, TokenError> {
    check_kind(claims, kind)?;
    let jti = text_of(required(claims.text("jti"), "jti")?, "jti")?;
    let auth_time = claims
        .time("auth_time", f64::floor)
        .map_err(|_| TokenError::Claim("auth_time"))?
        .filter(|at| *at <= LAST_SECOND);
    let user = user(claims, compat)?;
    if claims.has("sid") {
        let subject = super::subject(claims)?;
        // An own token issued under another setting lacks this claim.
        if user.is_some_and(|user| user != subject) {
            return Err(TokenError::Claim("sub"));
        }
        let session = super::id(claims, "sid")?;
        // An own `jti` is an id. Django gives derived tokens another `jti`.
        let token = jti.parse().unwrap_or_else(|_| token_of(kind, jti));
        let generation = claims.integer("gen").map_err(|_| TokenError::Claim("gen"))?;
        let used_at = required(claims.time("iat", f64::ceil), "iat")?;
        let origin = generation.map(|generation| Origin { generation, used_at });
        return Ok(SimplejwtClaims { subject: subject.into(), session, token, foreign: None, origin });
    }
    let subject = user.ok_or(TokenError::Claim("user id"))?;
    let token = token_of(kind, jti);
    // Rounded down, so that a token of the second in which all sessions were revoked counts as revoked.
    let issued_at = required(claims.time("iat", f64::floor), "iat")?;
    let expires_at = required(claims.time("exp", f64::floor), "exp")?;
    Ok(SimplejwtClaims {
        subject: subject.into(),
        session: SessionId::from_bytes(fingerprint("jwtauth foreign session v1", kind, jti)),
        token,
        foreign: Some(Arc::new(Foreign {
            name: format!("{kind} {jti}"),
            token,
            issued_at,
            expires_at,
            auth_time,
        })),
        origin: None,
    })
}

/// Returns the user's id: text, or a whole number as older versions wrote it.
fn user(claims: &Object<'_>, compat: &Compat) -> Result<Option<String>, TokenError> {
    const NAME: &str = "user id";
    let name = compat.user_id();
    if let Ok(Some(number)) = claims.integer(name) {
        return Ok(Some(number.to_string()));
    }
    let text = claims.text(name).map_err(|_| TokenError::Claim(NAME))?;
    text.map(|text| text_of(text, NAME).map(str::to_owned)).transpose()
}

fn text_of<'t>(text: &'t str, name: &'static str) -> Result<&'t str, TokenError> {
    if (1..=MAX_TEXT).contains(&text.len()) { Ok(text) } else { Err(TokenError::Claim(name)) }
}

fn token_of(kind: &str, jti: &str) -> TokenId {
    TokenId::from_bytes(fingerprint("jwtauth foreign token v1", kind, jti))
}

fn fingerprint(label: &str, kind: &str, jti: &str) -> [u8; 16] {
    let hash = key::digest(label, &format!("{kind} {jti}"));
    std::array::from_fn(|at| hash[at])
}

/// Own claims, with those that simplejwt looks for.
#[derive(Serialize)]
pub(super) struct Written<'a, C> {
    #[serde(flatten)]
    pub(super) claims: &'a C,
    #[serde(flatten)]
    pub(super) user: Option<UserId<'a>>,
}

/// The claim with the user's id, under the name that was set.
pub(super) struct UserId<'a> {
    name: &'a str,
    subject: &'a str,
}

impl<'a> UserId<'a> {
    /// `None` if `sub` is that claim.
    pub(super) fn of(compat: &'a Compat, subject: &'a str) -> Option<Self> {
        let name = compat.user_id();
        (name != "sub").then_some(Self { name, subject })
    }
}

impl Serialize for UserId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.name, self.subject)])
    }
}
