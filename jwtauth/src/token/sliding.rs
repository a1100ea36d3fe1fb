//! Sliding tokens: access token and refresh token in one, `typ: st+jwt`, signed by a key of their own.
//!
//! Accepted until `exp`, and exchanged for the next one until `refresh_exp`. Each names a session and a
//! generation, like a refresh token, so that `session` can tell an older copy from the current one.

use std::sync::Arc;

use super::access::Verified;
use super::parse::Object;
use super::ring::Ring;
use super::token_weight::{self, Weighed};
use super::verified::VerifiedTokens;
use super::{Envelope, Expected, check, check_audience, required};
use crate::claims::{SLIDING, SlidingClaims};
use crate::clock::LAST_SECOND;
use crate::error::{KeyError, TokenError};
use crate::id::{SessionId, TokenId};
use crate::key::Key;

#[derive(Debug)]
pub(crate) struct SlidingTokens {
    pub(super) envelope: Envelope,
    /// The start of every token that the current key has signed.
    start: String,
    seen: VerifiedTokens<Sliding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sliding {
    pub(crate) subject: Arc<str>,
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
    pub(crate) token: TokenId,
}

impl Weighed for Sliding {
    fn heap_bytes(&self) -> usize {
        token_weight::text(&self.subject)
    }
}

impl SlidingTokens {
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let ring = Ring::new("st+jwt", keys)?;
        let start = ring.held().signs().map_or_else(String::new, |named| format!("{}.", named.header));
        Ok(Self { envelope: Envelope::new(ring.into()), start, seen: VerifiedTokens::new() })
    }

    pub(crate) fn issue(&self, claims: &SlidingClaims<'_>) -> String {
        self.envelope.seal(claims)
    }

    /// Tells from its first characters whether this may be a sliding token. A token of an older key has
    /// others.
    pub(crate) fn begins(&self, token: &str) -> bool {
        !self.start.is_empty() && token.starts_with(&self.start)
    }

    /// Verifies form, signature and every claim, or remembers that they were good.
    ///
    /// `expected` is that of an access token. `max_ttl` is the longest time from `iat` to `refresh_exp`, in
    /// seconds. Both must be the same in every call, except `now`. A token past its `exp` is returned as
    /// expired; one past its `refresh_exp` is an error.
    pub(crate) fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        max_ttl: u64,
    ) -> Result<Verified<Sliding>, TokenError> {
        if let Some(sliding) = self.seen.find(token, self.envelope.under(expected), expected.now) {
            return Ok(Verified::Valid(sliding));
        }
        let opened = self.envelope.open(token, expected)?;
        let claims = Object::parse(&opened.json)?;
        let good = super::unless_expired(check(&claims, SLIDING, expected))?;
        check_audience(&claims, expected)?;
        required(claims.time("auth_time", f64::floor), "auth_time")?;
        let sliding = Sliding {
            subject: super::subject(&claims)?.into(),
            session: super::id(&claims, "sid")?,
            generation: required(claims.integer("gen"), "gen")?,
            token: super::id(&claims, "jti")?,
        };
        check_refresh_exp(&claims, expected, max_ttl)?;
        match good {
            // Until `exp`, which is never after `refresh_exp`.
            Some(good) => {
                self.seen.remember(token, &opened, good, &sliding);
                Ok(Verified::Valid(sliding))
            }
            None => Ok(Verified::Expired(sliding)),
        }
    }
}

/// Checks `refresh_exp`, after all other claims.
fn check_refresh_exp(claims: &Object<'_>, expected: &Expected<'_>, max_ttl: u64) -> Result<(), TokenError> {
    let exp = required(claims.time("exp", f64::floor), "exp")?;
    let iat = required(claims.time("iat", f64::ceil), "iat")?;
    let refresh_exp = required(claims.time("refresh_exp", f64::floor), "refresh_exp")?;
    if refresh_exp > LAST_SECOND || refresh_exp < exp {
        return Err(TokenError::Claim("refresh_exp"));
    }
    let until = refresh_exp.saturating_add(expected.shift(claims, true)?).saturating_add(expected.leeway);
    // `check` has made sure that `iat` is before `exp`.
    if expected.now >= until || refresh_exp - iat > max_ttl {
        return Err(TokenError::Expired);
    }
    Ok(())
}
