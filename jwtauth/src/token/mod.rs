//! Writes and reads the bytes of a token: a compact JWS that carries JSON claims, read more strictly than
//! jsonwebtoken can (J-1 to J-20).
//!
//! # Invariants
//!
//! 1. Nothing in a token is used before its signature was verified, except the name of its key, and the time
//!    of one whose key is unknown, which chooses between two refusals (`verifier`).
//! 2. Key, algorithm and `typ` are chosen here. A header can only agree.
//! 3. Two different strings are never the same token: base64url is canonical, members are unique.
//!
//! `ring` holds the keys, and `found_key` chooses one by a header. `parse` reads JSON strictly. `access`,
//! `refresh` and `sliding` read the claims of each kind, `simplejwt` those of another library, and
//! `profiled` those of any other issuer. `verified` remembers verified tokens: `token_bytes` are its keys,
//! and `token_weight` says how much memory they take. `named_token` reads which session a token names, good
//! or not. `api_key_text` is the form of API keys, which are no JWS. Sessions are not known here.

pub(crate) mod access;
pub(crate) mod api_key_text;
mod found_key;
pub(crate) mod named_token;
mod parse;
mod profiled;
pub(crate) mod refresh;
pub(crate) mod ring;
pub(crate) mod simplejwt;
pub(crate) mod sliding;
pub(crate) mod stateless;
pub(crate) mod token_bytes;
mod token_claims;
mod token_weight;
pub(crate) mod verified;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Serialize;

use self::access::AccessTokens;
use self::found_key::{FoundKey, found_key};
use self::parse::{Object, WrongType};
use self::refresh::RefreshTokens;
use self::ring::Ring;
use self::sliding::SlidingTokens;
use crate::claims::AHEAD;
use crate::clock::LAST_SECOND;
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::id::TokenId;
use crate::issuer_profile::{IssuerProfile, short_type};
use crate::key::Keys;

/// The longest token that is looked at, in bytes (J-20).
pub(crate) const MAX_LEN: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) access: AccessTokens,
    pub(crate) refresh: RefreshTokens,
    pub(crate) sliding: SlidingTokens,
}

impl Kinds {
    /// Takes the keys, and the settings of `Compat`, if any.
    pub(crate) fn new(keys: Keys, compat: Option<&Compat>) -> Result<Self, KeyError> {
        let sliding = SlidingTokens::new(keys.sliding)?;
        let Some(compat) = compat else {
            let (access, refresh) = (AccessTokens::new(keys.access)?, RefreshTokens::new(keys.refresh)?);
            return Ok(Self { access, refresh, sliding });
        };
        let access = AccessTokens::compatible(keys.access, compat)?;
        let refresh = RefreshTokens::compatible_with(keys.refresh, &access, compat)?;
        Ok(Self { access, refresh, sliding })
    }
}

/// One kind of token: its keys, its `typ`, and its header as it is written in every own token.
#[derive(Debug)]
struct Envelope {
    /// Two kinds can share one, see `simplejwt`.
    ring: Arc<Ring>,
    /// Another accepted `typ`, for tokens that were issued under other settings.
    former: Option<&'static str>,
    /// What somebody else's issuer writes, if it is not one of this library.
    profile: Option<IssuerProfile>,
}

/// The contents of a token whose signature is good.
struct OpenedToken {
    json: String,
    /// When the key expires, in Unix seconds.
    until: u64,
    /// Under what it was opened.
    under: Under,
    /// Whether it has the current `typ`, not the former one.
    current: bool,
}

/// What decides about a token beside its own contents and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Under {
    /// The state of the ring of keys.
    epoch: u64,
    /// How far the time of sessions is ahead of the clock, in seconds.
    ahead: u64,
}

impl Envelope {
    const fn new(ring: Arc<Ring>) -> Self {
        Self { ring, former: None, profile: None }
    }

    /// Signs `claims`. Call it only if the ring has a key that signs.
    fn seal(&self, claims: &impl Serialize) -> String {
        let held = self.ring.held();
        // OK because `Keys` refuses a first key that cannot sign, and claims write themselves without error.
        let signs = held.signs().expect("a ring of tokens that are issued has a key that signs");
        let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let mut token = String::with_capacity(signs.header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&signs.header);
        token.push('.');
        BASE64URL.encode_string(claims, &mut token);
        let signature = signs.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// Returns under what a token would be opened now.
    fn under(&self, expected: &Expected<'_>) -> Under {
        Under { epoch: self.ring.epoch(), ahead: expected.ahead.unwrap_or(0) }
    }

    /// Returns the claims of `token`, if its form and header are right and a key that is valid now has
    /// signed it.
    fn open(&self, token: &str, expected: &Expected<'_>) -> Result<OpenedToken, TokenError> {
        // The end of a key is by the clock.
        let ahead = expected.ahead.unwrap_or(0);
        let mut opened = self.open_if(token, |until| expected.now < until.saturating_add(ahead))?;
        opened.until = opened.until.saturating_add(ahead);
        opened.under.ahead = ahead;
        Ok(opened)
    }

    /// Like [`Self::open`], with a key that may have expired.
    fn open_at_any_time(&self, token: &str) -> Result<OpenedToken, TokenError> {
        self.open_if(token, |_| true)
    }

    /// Like [`Self::open`], with a key that may be used by when it expires, in Unix seconds by the clock.
    fn open_if(&self, token: &str, is_usable: impl FnOnce(u64) -> bool) -> Result<OpenedToken, TokenError> {
        let parts = Parts::of(token)?;
        let held = self.ring.held();
        // An own header needs no second look. Any other acceptable way to write one is checked in full.
        let (found, current) = match (held.by_header(parts.header), &self.profile) {
            (Some(named), None) => (FoundKey { named, has_signed: false }, true),
            (_, Some(profile)) => {
                let header = decode(parts.header)?;
                let header = Object::parse(&header)?;
                profiled::check_type(&header, profile)?;
                (found_key(&held, &header, &parts)?, true)
            }
            (None, None) => {
                let header = decode(parts.header)?;
                let header = Object::parse(&header)?;
                // First, so that a token of another kind is reported as such, not as one of an unknown key.
                let current = match (check_type(&header, self.ring.typ()), self.former) {
                    (Err(TokenError::WrongKind), Some(former)) => {
                        check_type(&header, former).map(|()| false)?
                    }
                    (checked, _) => checked.map(|()| true)?,
                };
                (found_key(&held, &header, &parts)?, current)
            }
        };
        let until = found.named.key.expiry().unwrap_or(u64::MAX);
        if !is_usable(until) {
            return Err(TokenError::UnknownKey);
        }
        if !found.signed(&parts) {
            return Err(TokenError::BadSignature);
        }
        Ok(OpenedToken {
            json: decode(parts.claims)?,
            until,
            under: Under { epoch: held.epoch(), ahead: 0 },
            current,
        })
    }
}

/// The parts of a compact JWS (RFC 7515, section 7.1), still encoded.
struct Parts<'t> {
    header: &'t str,
    claims: &'t str,
    signature: &'t str,
    /// The signed text: header and claims.
    message: &'t str,
}

impl<'t> Parts<'t> {
    /// Takes exactly three parts, before anything is decoded (J-1, J-20).
    fn of(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_LEN {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if claims.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(TokenError::Malformed);
        }
        Ok(Self { header, claims, signature, message })
    }

    fn is_signed_by(&self, key: &crate::key::Key) -> bool {
        key.verify(self.message.as_bytes(), self.signature)
    }
}

/// Tells whether claims can be read again from a token.
pub(crate) fn can_be_read(claims: &serde_json::Map<String, serde_json::Value>) -> bool {
    serde_json::to_string(claims).is_ok_and(|json| Object::parse(&json).is_ok())
}

/// Decodes canonical base64url that holds UTF-8 (J-2, J-11).
fn decode(part: &str) -> Result<String, TokenError> {
    let bytes = BASE64URL.decode(part).map_err(|_| TokenError::Malformed)?;
    String::from_utf8(bytes).map_err(|_| TokenError::Malformed)
}

/// What every token is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    /// Unix seconds, by the time of sessions.
    pub(crate) now: u64,
    /// How far that time is ahead of the clock, in seconds. `None` where all tokens are of another service.
    pub(crate) ahead: Option<u64>,
    /// Seconds by which the issuer's clock may differ.
    pub(crate) leeway: u64,
    /// The longest lifetime this kind may have, in seconds.
    pub(crate) max_ttl: u64,
}

/// Checks what all kinds share, after the signature. [`TokenError::Expired`] is found last, so everything
/// else here is then in order.
///
/// Returns when the token is valid, in Unix seconds.
fn check(claims: &Object<'_>, kind: &str, expected: &Expected<'_>) -> Result<Range<u64>, TokenError> {
    check_kind(claims, kind)?;
    if claims.text("iss").ok().flatten() != Some(expected.issuer) {
        return Err(TokenError::WrongIssuer);
    }
    id::<TokenId>(claims, "jti")?;
    check_times(claims, expected, true)
}

/// Turns [`TokenError::Expired`] into `None`.
fn unless_expired<T>(checked: Result<T, TokenError>) -> Result<Option<T>, TokenError> {
    match checked {
        Err(TokenError::Expired) => Ok(None),
        other => other.map(Some),
    }
}

/// Checks that the claims name this kind of token (J-10).
fn check_kind(claims: &Object<'_>, kind: &str) -> Result<(), TokenError> {
    if claims.text("token_type").ok().flatten() == Some(kind) { Ok(()) } else { Err(TokenError::WrongKind) }
}

impl Expected<'_> {
    /// Returns what to add to the times in a token to compare them with `now`, in seconds.
    ///
    /// Ours say what it was when they were issued. Those of others are by the clock.
    fn shift(&self, claims: &Object<'_>, is_ours: bool) -> Result<u64, TokenError> {
        match self.ahead {
            Some(_) if is_ours => {
                let ahead = claims.integer(AHEAD).map_err(|_| TokenError::Claim(AHEAD))?;
                Ok(ahead.unwrap_or(0))
            }
            ahead => Ok(ahead.unwrap_or(0)),
        }
    }
}

/// Checks when a token is valid, and returns that, in Unix seconds.
///
/// `iat` is not in the future, except in our own tokens: we have issued them, so it was then, and the clock
/// was put right since. Its session decides.
fn check_times(
    claims: &Object<'_>,
    expected: &Expected<'_>,
    is_ours: bool,
) -> Result<Range<u64>, TokenError> {
    let exp = required(claims.time("exp", f64::floor), "exp")?;
    // The clock shows whole seconds, rounded down, and so are these: a token that is used in the second in
    // which it was made is not one of the future. Python's `time.time()` has a fraction.
    let iat = required(claims.time("iat", f64::floor), "iat")?;
    let nbf = claims.time("nbf", f64::floor).map_err(|_| TokenError::Claim("nbf"))?;
    if exp > LAST_SECOND || exp <= iat {
        return Err(TokenError::Claim("exp"));
    }
    let shift = expected.shift(claims, is_ours)?;
    let is_trusted = is_ours && expected.ahead.is_some();
    let from = if is_trusted { nbf } else { Some(nbf.map_or(iat, |nbf| nbf.max(iat))) };
    let from = from.map_or(0, |from| from.saturating_add(shift).saturating_sub(expected.leeway));
    if expected.now < from {
        return Err(TokenError::NotYetValid);
    }
    // "On or after" (RFC 7519, section 4.1.4). A longer life than is configured now also counts as expired:
    // after a lifetime was shortened, a browser's old token is refreshed like an expired one.
    let until = exp.saturating_add(shift).saturating_add(expected.leeway);
    if expected.now >= until || exp - iat > expected.max_ttl {
        return Err(TokenError::Expired);
    }
    Ok(from..until)
}

/// Checks the audience (J-18).
fn check_audience(claims: &Object<'_>, expected: &Expected<'_>) -> Result<(), TokenError> {
    match claims.names("aud", expected.audience) {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::WrongAudience),
        Err(_) => Err(TokenError::Claim("aud")),
    }
}

fn required<T>(claim: Result<Option<T>, WrongType>, name: &'static str) -> Result<T, TokenError> {
    claim.ok().flatten().ok_or(TokenError::Claim(name))
}

/// Returns a claim that is an id, in its only text form.
fn id<T: FromStr>(claims: &Object<'_>, name: &'static str) -> Result<T, TokenError> {
    required(claims.text(name), name)?.parse().map_err(|_| TokenError::Claim(name))
}

fn subject<'c>(claims: &'c Object<'_>) -> Result<&'c str, TokenError> {
    match required(claims.text("sub"), "sub")? {
        "" => Err(TokenError::Claim("sub")),
        subject => Ok(subject),
    }
}

/// Checks that the header names this kind of token (J-9, J-10). "application/" may be omitted, and media
/// types ignore case (RFC 7515, section 4.1.9; RFC 9068, section 4).
fn check_type(header: &Object<'_>, typ: &str) -> Result<(), TokenError> {
    let found = required(header.text("typ"), "typ").map_err(|_| TokenError::Header("typ"))?;
    if short_type(found).eq_ignore_ascii_case(typ) { Ok(()) } else { Err(TokenError::WrongKind) }
}

#[cfg(test)]
mod tests;
