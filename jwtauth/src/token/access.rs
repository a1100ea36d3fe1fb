//! Access tokens: short-lived, `typ: at+jwt` (RFC 9068), sent with every request.

use super::parse::Object;
use super::{Envelope, Expected, check, required};
use crate::claims::{ACCESS, AccessClaims};
use crate::error::TokenError;
use crate::id::SessionId;
use crate::key::Key;

/// Issues and verifies access tokens.
#[derive(Debug)]
pub(crate) struct AccessTokens(Envelope);

/// What a genuine access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) subject: String,
    pub(crate) session: SessionId,
}

/// A genuine access token: still good, or good but for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    Valid(Access),
    Expired(Access),
}

impl AccessTokens {
    pub(crate) fn new(key: Key) -> Self {
        Self(Envelope::new(key, "at+jwt"))
    }

    pub(crate) fn issue(&self, claims: &AccessClaims<'_>) -> String {
        self.0.seal(claims)
    }

    /// Verifies form, signature and every claim.
    ///
    /// An expired token is told apart, because it may still name the session to refresh or to end.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Verified, TokenError> {
        let json = self.0.open(token)?;
        let claims = Object::parse(&json)?;
        let age = check(&claims, ACCESS, expected);
        if !matches!(age, Ok(()) | Err(TokenError::Expired)) {
            age?;
        }
        match claims.names("aud", expected.audience) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::WrongAudience),
            Err(_) => return Err(TokenError::Claim("aud")),
        }
        required(claims.time("auth_time", f64::floor), "auth_time")?;
        let access = Access { subject: super::subject(&claims)?, session: super::id(&claims, "sid")? };
        Ok(if age.is_ok() { Verified::Valid(access) } else { Verified::Expired(access) })
    }
}
