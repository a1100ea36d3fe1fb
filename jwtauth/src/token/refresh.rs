//! Refresh tokens: a session id and a generation, signed by a key of their own. Single use.

use std::sync::Arc;

use super::parse::Object;
use super::ring::Ring;
use super::seen::Seen;
use super::{Envelope, Expected, check, required};
use crate::claims::{REFRESH, RefreshClaims};
use crate::error::{KeyError, TokenError};
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
    /// Takes the keys; the first signs.
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        Ok(Self { envelope: Envelope { ring: Ring::new("rt+jwt", keys)? }, seen: Seen::new() })
    }

    pub(crate) fn issue(&self, claims: &RefreshClaims<'_>) -> String {
        self.envelope.seal(claims)
    }

    /// Verifies form, signature and every claim, or remembers that they were good.
    ///
    /// `expected` is the same with every call but for its `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Refresh, TokenError> {
        if let Some(refresh) = self.seen.find(token, self.envelope.ring.epoch(), expected.now) {
            return Ok(refresh);
        }
        let opened = self.envelope.open(token, expected.now)?;
        let claims = Object::parse(&opened.json)?;
        let good = check(&claims, REFRESH, expected)?;
        let refresh = Refresh {
            subject: super::subject(&claims)?.into(),
            session: super::id(&claims, "sid")?,
            generation: required(claims.integer("gen"), "gen")?,
        };
        self.seen.remember(token, &opened, good, &refresh);
        Ok(refresh)
    }
}
