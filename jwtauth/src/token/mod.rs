//! The bytes of a token, in and out: a compact JWS that carries JSON claims, read more strictly than
//! jsonwebtoken can be told to (J-1 to J-20).
//!
//! # Invariants
//!
//! 1. Nothing of a token is believed before its signature was verified, except which key it names.
//! 2. Key, algorithm and `typ` are ours to choose; a header may only agree.
//! 3. Two different strings are never the same token: base64url is canonical, members are unique.
//!
//! Keys sign and verify, and `ring` says which of them; `parse` holds the strict reading of JSON, `access`,
//! `refresh` and `sliding` the claims of each kind, `simplejwt` those of the first two as another library
//! writes them, `seen` the tokens that were verified before. Sessions are not known here.

pub(crate) mod access;
mod parse;
pub(crate) mod refresh;
pub(crate) mod ring;
pub(crate) mod simplejwt;
pub(crate) mod sliding;
pub(crate) mod stateless;
mod verified;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Serialize;

use self::access::AccessTokens;
use self::parse::{Object, WrongType};
use self::refresh::RefreshTokens;
use self::ring::{Held, Named, Ring};
use self::sliding::SlidingTokens;
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::id::TokenId;
use crate::key::Keys;

/// The longest token that is looked at, in bytes (J-20).
pub(crate) const MAX_LEN: usize = 8 * 1024;

/// The last second of the year 9999 (J-14).
const MAX_TIME: u64 = 253_402_300_799;

/// The kinds of tokens, with their keys.
#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) access: AccessTokens,
    pub(crate) refresh: RefreshTokens,
    pub(crate) sliding: SlidingTokens,
}

impl Kinds {
    /// Takes the keys, and how to be compatible, if at all.
    pub(crate) fn new(keys: Keys, compat: Option<&Compat>) -> Result<Self, KeyError> {
        let sliding = SlidingTokens::new(keys.sliding)?;
        let Some(compat) = compat else {
            let (access, refresh) = (AccessTokens::new(keys.access)?, RefreshTokens::new(keys.refresh)?);
            return Ok(Self { access, refresh, sliding });
        };
        let access = AccessTokens::compatible(keys.access, compat)?;
        let refresh = RefreshTokens::compatible(keys.refresh, &access, compat)?;
        Ok(Self { access, refresh, sliding })
    }
}

/// One kind of token: its keys, its `typ`, and its header as it stands in every token we issue.
#[derive(Debug)]
struct Envelope {
    /// Two kinds may share one, see `simplejwt`.
    ring: Arc<Ring>,
    /// Another `typ` that is accepted, of tokens that were issued under other settings.
    former: Option<&'static str>,
}

/// What was in an envelope whose signature is good.
struct OpenedToken {
    /// The claims, as JSON text.
    json: String,
    /// When the key ends, in Unix seconds.
    until: u64,
    /// Which state of the ring the key was in.
    epoch: u64,
    /// Whether it has the `typ` that is written now, and not a former one.
    current: bool,
}

impl Envelope {
    const fn new(ring: Arc<Ring>) -> Self {
        Self { ring, former: None }
    }

    /// Signs `claims`. Asked only where the ring has a key that signs.
    fn seal(&self, claims: &impl Serialize) -> String {
        let held = self.ring.held();
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

    /// Returns the claims of `token`, if its form, header and signature are those of a key that is good at
    /// `now`.
    fn open(&self, token: &str, now: u64) -> Result<OpenedToken, TokenError> {
        let parts = Parts::of(token)?;
        let held = self.ring.held();
        // Our own header needs no second look; any other way to write an acceptable one gets the full one.
        let (named, current) = match held.by_header(parts.header) {
            Some(named) => (named, true),
            None => {
                let header = decode(parts.header)?;
                let header = Object::parse(&header)?;
                // First, so that a token of another kind is that, and not one of a key that is gone.
                let current = match (check_type(&header, self.ring.typ()), self.former) {
                    (Err(TokenError::WrongKind), Some(former)) => {
                        check_type(&header, former).map(|()| false)?
                    }
                    (checked, _) => checked.map(|()| true)?,
                };
                (key_of(&held, &header)?, current)
            }
        };
        let until = named.key.expiry().unwrap_or(u64::MAX);
        if now >= until {
            return Err(TokenError::UnknownKey);
        }
        if !named.key.verify(parts.message.as_bytes(), parts.signature) {
            return Err(TokenError::BadSignature);
        }
        Ok(OpenedToken { json: decode(parts.claims)?, until, epoch: held.epoch(), current })
    }
}

/// The parts of a compact JWS (RFC 7515, section 7.1), not looked into.
struct Parts<'t> {
    header: &'t str,
    claims: &'t str,
    signature: &'t str,
    /// What the signature is over: header and claims.
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
}

/// Tells whether claims can be read again when they stand in a token.
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
    /// Unix seconds.
    pub(crate) now: u64,
    /// Seconds by which the issuer's clock may differ.
    pub(crate) leeway: u64,
    /// The longest lifetime this kind may have, in seconds.
    pub(crate) max_ttl: u64,
}

/// Checks what all kinds share, once the signature is good. [`TokenError::Expired`] is found last,
/// so it says that all else here is in order.
///
/// Returns when all this is so, in Unix seconds.
fn check(claims: &Object<'_>, kind: &str, expected: &Expected<'_>) -> Result<Range<u64>, TokenError> {
    check_kind(claims, kind)?;
    if claims.text("iss").ok().flatten() != Some(expected.issuer) {
        return Err(TokenError::WrongIssuer);
    }
    id::<TokenId>(claims, "jti")?;
    check_times(claims, expected)
}

/// Checks that the claims say which kind of token they are of (J-10).
fn check_kind(claims: &Object<'_>, kind: &str) -> Result<(), TokenError> {
    if claims.text("token_type").ok().flatten() == Some(kind) { Ok(()) } else { Err(TokenError::WrongKind) }
}

/// Checks when a token is good, and returns it, in Unix seconds.
fn check_times(claims: &Object<'_>, expected: &Expected<'_>) -> Result<Range<u64>, TokenError> {
    let exp = required(claims.time("exp", f64::floor), "exp")?;
    let iat = required(claims.time("iat", f64::ceil), "iat")?;
    let nbf = claims.time("nbf", f64::ceil).map_err(|_| TokenError::Claim("nbf"))?;
    if exp > MAX_TIME || exp <= iat {
        return Err(TokenError::Claim("exp"));
    }
    let from = nbf.map_or(iat, |nbf| nbf.max(iat)).saturating_sub(expected.leeway);
    if expected.now < from {
        return Err(TokenError::NotYetValid);
    }
    // "On or after" (RFC 7519, section 4.1.4). A longer life than is configured now counts as over
    // too: when a lifetime was shortened, a browser's old token is refreshed like an expired one.
    let until = exp.saturating_add(expected.leeway);
    if expected.now >= until || exp - iat > expected.max_ttl {
        return Err(TokenError::Expired);
    }
    Ok(from..until)
}

/// Checks that a token is meant for us (J-18).
fn check_audience(claims: &Object<'_>, expected: &Expected<'_>) -> Result<(), TokenError> {
    match claims.names("aud", expected.audience) {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::WrongAudience),
        Err(_) => Err(TokenError::Claim("aud")),
    }
}

/// Returns a claim that must be there and of its type.
fn required<T>(claim: Result<Option<T>, WrongType>, name: &'static str) -> Result<T, TokenError> {
    claim.ok().flatten().ok_or(TokenError::Claim(name))
}

/// Returns a claim that is an id of ours, in its one text form.
fn id<T: FromStr>(claims: &Object<'_>, name: &'static str) -> Result<T, TokenError> {
    required(claims.text(name), name)?.parse().map_err(|_| TokenError::Claim(name))
}

fn subject<'c>(claims: &'c Object<'_>) -> Result<&'c str, TokenError> {
    match required(claims.text("sub"), "sub")? {
        "" => Err(TokenError::Claim("sub")),
        subject => Ok(subject),
    }
}

/// Header members that change what a token means; we understand none of them (J-7, J-20).
const UNSUPPORTED: [&str; 5] = ["b64", "crit", "cty", "enc", "zip"];

/// Finds the one key that a header may name, and checks that it names nothing else (J-3, J-7, J-8).
///
/// `kid` is looked up among the keys we have. A header without one means the key that signs, or the only one:
/// nothing is tried out. `jku`, `jwk`, `x5u` and `x5c` are members nobody asks for: never used, never
/// fetched.
fn key_of<'r>(held: &'r Held, header: &Object<'_>) -> Result<&'r Named, TokenError> {
    let text = |name| header.text(name).map_err(|_| TokenError::Header(name));
    if let Some(name) = UNSUPPORTED.into_iter().find(|name| header.has(name)) {
        return Err(TokenError::Header(name));
    }
    let alg = text("alg")?;
    let named = match text("kid")? {
        Some(kid) => held.by_kid(kid),
        None => held.signs().or(held.only()),
    };
    let named = named.ok_or(TokenError::UnknownKey)?;
    if alg != Some(named.key.algorithm().name()) {
        return Err(TokenError::WrongAlgorithm);
    }
    Ok(named)
}

/// Checks that a token says which kind it is (J-9, J-10). "application/" may be left out, and media
/// types ignore case (RFC 7515, section 4.1.9; RFC 9068, section 4).
fn check_type(header: &Object<'_>, typ: &str) -> Result<(), TokenError> {
    let found = required(header.text("typ"), "typ").map_err(|_| TokenError::Header("typ"))?;
    let short = match found.split_at_checked("application/".len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
        _ => found,
    };
    if short.eq_ignore_ascii_case(typ) { Ok(()) } else { Err(TokenError::WrongKind) }
}

#[cfg(test)]
mod tests;
