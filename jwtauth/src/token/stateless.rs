//! Access tokens of another service, accepted for their claims: no session is looked up.

use super::access::{self, Verified};
use super::ring::Ring;
use super::simplejwt;
use super::verified::VerifiedTokens;
use super::{Envelope, Expected, token_claims};
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::key::Key;
use crate::user::TokenUser;

/// Verifies tokens of another service. Cannot make any.
#[derive(Debug)]
pub(crate) struct ForeignTokens {
    envelope: Envelope,
    seen: VerifiedTokens<TokenUser>,
    compat: Option<Compat>,
}

impl ForeignTokens {
    /// With `compat`, tokens of another library are accepted as well.
    pub(crate) fn new(keys: Vec<Key>, compat: Option<Compat>) -> Result<Self, KeyError> {
        let (typ, former) = match compat {
            None => (access::TYP, None),
            Some(_) => (simplejwt::TYP, Some(access::TYP)),
        };
        let envelope = Envelope { ring: Ring::verify_only(typ, keys)?.into(), former };
        Ok(Self { envelope, seen: VerifiedTokens::new(), compat })
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.envelope.ring
    }

    /// Verifies form, signature and every claim, or remembers that they were good. `expected` must be the
    /// same in every call, except `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<TokenUser, TokenError> {
        if let Some(user) = self.seen.find(token, self.envelope.ring.epoch(), expected.now) {
            return Ok(user);
        }
        let opened = self.envelope.open(token, expected.now)?;
        let (verified, good) = access::check(&opened, self.compat.as_ref(), expected)?;
        let (Verified::Valid(access), Some(good)) = (verified, good) else { return Err(TokenError::Expired) };
        let user = token_claims::read(&opened.json, access.subject, access.session)?;
        self.seen.remember(token, &opened, good, &user);
        Ok(user)
    }
}
