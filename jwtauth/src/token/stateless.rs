//! Access tokens of another service, accepted for their claims: no session is looked up.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::{self, Verified};
use super::parse::Object;
use super::ring::Ring;
use super::simplejwt;
use super::verified::VerifiedTokens;
use super::{Envelope, Expected};
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::id::SessionId;
use crate::key::Key;
use crate::user::{TokenUser, VerifiedClaims};

/// Reads the claims of a token whose subject and session are known already.
pub(super) fn read(json: &str, subject: Arc<str>, session: SessionId) -> Result<TokenUser, TokenError> {
    let claims: Map<String, Value> = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    let object = Object::parse(json)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(TokenError::Claim("roles"));
    let roles = match claims.get("roles") {
        None => Vec::new(),
        Some(Value::Array(roles)) => roles.iter().map(text).collect::<Result<_, _>>()?,
        Some(_) => return Err(TokenError::Claim("roles")),
    };
    let scope = object.text("scope").map_err(|_| TokenError::Claim("scope"))?.unwrap_or_default();
    // Only another library omits it. Then no login is fresh enough.
    let auth_time = object.time("auth_time", f64::floor).map_err(|_| TokenError::Claim("auth_time"))?;
    Ok(TokenUser::new(VerifiedClaims {
        subject,
        session,
        roles,
        scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
        auth_time: auth_time.unwrap_or(0),
        expires_at: super::required(object.time("exp", f64::floor), "exp")?,
        claims,
    }))
}

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
        let user = read(&opened.json, access.subject, access.session)?;
        self.seen.remember(token, &opened, good, &user);
        Ok(user)
    }
}
