//! Access tokens of another service, accepted for their claims: no session is looked up.

use super::access::{self, Verified};
use super::parse::Object;
use super::ring::Ring;
use super::simplejwt;
use super::verified::VerifiedTokens;
use super::{Envelope, Expected, Parts, decode, profiled, token_claims};
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::issuer_profile::IssuerProfile;
use crate::key::Key;
use crate::user::TokenUser;

/// Verifies tokens of another service. Cannot make any.
#[derive(Debug)]
pub(crate) struct ForeignTokens {
    envelope: Envelope,
    seen: VerifiedTokens<TokenUser>,
    form: TokenForm,
}

/// How the other service writes its tokens.
#[derive(Clone, Debug)]
pub(crate) enum TokenForm {
    /// As this library does.
    Own,
    /// As another library does, or this one.
    Compat(Compat),
    /// As its issuer does.
    Profile(IssuerProfile),
}

/// By how much other issuers date their tokens back, in seconds: Entra ID by five minutes.
const DATED_BACK: u64 = 5 * 60;

impl ForeignTokens {
    pub(crate) fn new(keys: Vec<Key>, form: TokenForm) -> Result<Self, KeyError> {
        let (typ, former, profile) = match &form {
            TokenForm::Own => (access::TYP, None, None),
            TokenForm::Compat(_) => (simplejwt::TYP, Some(access::TYP), None),
            TokenForm::Profile(profile) => (access::TYP, None, Some(profile.clone())),
        };
        let envelope = Envelope { ring: Ring::verify_only(typ, keys)?.into(), former, profile };
        Ok(Self { envelope, seen: VerifiedTokens::new(), form })
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.envelope.ring
    }

    /// Returns by when a token was made, as it says itself, in Unix seconds. Nothing of it was verified.
    pub(crate) fn issued_by(&self, token: &str) -> Option<u64> {
        let claims = decode(Parts::of(token).ok()?.claims).ok()?;
        let iat = Object::parse(&claims).ok()?.time("iat", f64::ceil).ok()??;
        let dated_back = if matches!(self.form, TokenForm::Profile(_)) { DATED_BACK } else { 0 };
        Some(iat.saturating_add(dated_back))
    }

    /// Verifies form, signature and every claim, or remembers that they were good. `expected` must be the
    /// same in every call, except `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<TokenUser, TokenError> {
        if let Some(user) = self.seen.find(token, self.envelope.under(expected), expected.now) {
            return Ok(user);
        }
        let opened = self.envelope.open(token, expected)?;
        let compat = match &self.form {
            TokenForm::Own => None,
            TokenForm::Compat(compat) => Some(compat),
            TokenForm::Profile(profile) => {
                let (user, good) = profiled::read(&opened.json, profile, expected)?;
                self.seen.remember(token, &opened, good, &user);
                return Ok(user);
            }
        };
        let (verified, good) = access::check(&opened, compat, expected)?;
        let (Verified::Valid(access), Some(good)) = (verified, good) else { return Err(TokenError::Expired) };
        let user = token_claims::read(&opened.json, access.subject, access.session)?;
        self.seen.remember(token, &opened, good, &user);
        Ok(user)
    }
}
