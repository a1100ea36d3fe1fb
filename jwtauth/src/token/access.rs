//! Access tokens: short-lived, `typ: at+jwt` (RFC 9068), sent with every request.

use std::sync::Arc;

use super::parse::Object;
use super::seen::Seen;
use super::{Envelope, Expected, check, required};
use crate::claims::{ACCESS, AccessClaims};
use crate::error::TokenError;
use crate::id::{SessionId, TokenId};
use crate::key::Key;

/// Issues and verifies access tokens.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    envelope: Envelope,
    seen: Seen<Access>,
}

/// What a genuine access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) subject: Arc<str>,
    pub(crate) session: SessionId,
    pub(crate) token: TokenId,
}

/// A genuine access token: still good, or good but for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    Valid(Access),
    Expired(Access),
}

impl AccessTokens {
    pub(crate) fn new(key: Key) -> Self {
        Self { envelope: Envelope::new(key, "at+jwt"), seen: Seen::new() }
    }

    pub(crate) fn issue(&self, claims: &AccessClaims<'_>) -> String {
        self.envelope.seal(claims)
    }

    /// Verifies form, signature and every claim, or remembers that they were good.
    ///
    /// `expected` is the same with every call but for its `now`. An expired token is told apart, because it may still name the session to refresh or to end.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Verified, TokenError> {
        if let Some(access) = self.seen.find(token, expected.now) {
            return Ok(Verified::Valid(access));
        }
        let json = self.envelope.open(token)?;
        let claims = Object::parse(&json)?;
        let good = match check(&claims, ACCESS, expected) {
            Ok(good) => Some(good),
            Err(TokenError::Expired) => None,
            Err(error) => return Err(error),
        };
        match claims.names("aud", expected.audience) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::WrongAudience),
            Err(_) => return Err(TokenError::Claim("aud")),
        }
        required(claims.time("auth_time", f64::floor), "auth_time")?;
        let access = Access {
            subject: super::subject(&claims)?.into(),
            session: super::id(&claims, "sid")?,
            token: super::id(&claims, "jti")?,
        };
        Ok(match good {
            Some(good) => {
                self.seen.remember(token, good, &access);
                Verified::Valid(access)
            }
            None => Verified::Expired(access),
        })
    }
}
