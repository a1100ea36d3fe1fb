//! Refresh tokens: a session id and a generation, signed by a key of their own. Single use.

use super::parse::Object;
use super::{Envelope, Expected, check, required};
use crate::claims::{REFRESH, RefreshClaims};
use crate::error::TokenError;
use crate::id::SessionId;
use crate::key::Key;

/// Issues and verifies refresh tokens.
#[derive(Debug)]
pub(crate) struct RefreshTokens(Envelope);

/// What a genuine refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) subject: String,
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
}

impl RefreshTokens {
    pub(crate) fn new(key: Key) -> Self {
        Self(Envelope::new(key, "rt+jwt"))
    }

    pub(crate) fn issue(&self, claims: &RefreshClaims<'_>) -> String {
        self.0.seal(claims)
    }

    /// Verifies form, signature and every claim.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Refresh, TokenError> {
        let json = self.0.open(token)?;
        let claims = Object::parse(&json)?;
        check(&claims, REFRESH, expected)?;
        Ok(Refresh {
            subject: super::subject(&claims)?,
            session: super::id(&claims, "sid")?,
            generation: required(claims.integer("gen"), "gen")?,
        })
    }
}
