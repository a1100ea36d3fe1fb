//! Refresh tokens: a session id and a generation, signed by a key of their own. Single use.

use std::sync::Arc;

use super::parse::Object;
use super::seen::Seen;
use super::{Envelope, Expected, check, required};
use crate::claims::{REFRESH, RefreshClaims};
use crate::error::TokenError;
use crate::id::SessionId;
use crate::key::Key;

/// Issues and verifies refresh tokens.
#[derive(Debug)]
pub(crate) struct RefreshTokens {
    envelope: Envelope,
    seen: Seen<Refresh>,
}

/// What a genuine refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) subject: Arc<str>,
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
}

impl RefreshTokens {
    pub(crate) fn new(key: Key) -> Self {
        Self { envelope: Envelope::new(key, "rt+jwt"), seen: Seen::new() }
    }

    pub(crate) fn issue(&self, claims: &RefreshClaims<'_>) -> String {
        self.envelope.seal(claims)
    }

    /// Verifies form, signature and every claim, or remembers that they were good.
    ///
    /// `expected` is the same with every call but for its `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Refresh, TokenError> {
        if let Some(refresh) = self.seen.find(token, expected.now) {
            return Ok(refresh);
        }
        let json = self.envelope.open(token)?;
        let claims = Object::parse(&json)?;
        let good = check(&claims, REFRESH, expected)?;
        let refresh = Refresh {
            subject: super::subject(&claims)?.into(),
            session: super::id(&claims, "sid")?,
            generation: required(claims.integer("gen"), "gen")?,
        };
        self.seen.remember(token, good, &refresh);
        Ok(refresh)
    }
}
