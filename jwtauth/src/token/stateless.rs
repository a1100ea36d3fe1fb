//! Access tokens of another service, believed for what they say: no session is looked up.

use serde_json::{Map, Value};

use super::access::Verified;
use super::parse::Object;
use super::ring::Ring;
use super::seen::Seen;
use super::{Envelope, Expected};
use crate::error::{KeyError, TokenError};
use crate::key::Key;
use crate::user::{Says, TokenUser};

/// Reads what a token says.
fn read(json: &str) -> Result<TokenUser, TokenError> {
    let claims: Map<String, Value> = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    let object = Object::parse(json)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(TokenError::Claim("roles"));
    let roles = match claims.get("roles") {
        None => Vec::new(),
        Some(Value::Array(roles)) => roles.iter().map(text).collect::<Result<_, _>>()?,
        Some(_) => return Err(TokenError::Claim("roles")),
    };
    let scope = object.text("scope").map_err(|_| TokenError::Claim("scope"))?.unwrap_or_default();
    let time = |name| super::required(object.time(name, f64::floor), name);
    Ok(TokenUser::new(Says {
        subject: super::subject(&object)?.into(),
        session: super::id(&object, "sid")?,
        roles,
        scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
        auth_time: time("auth_time")?,
        expires_at: time("exp")?,
        claims,
    }))
}

/// Verifies tokens of another service, of which none can be made here.
#[derive(Debug)]
pub(crate) struct ForeignTokens {
    envelope: Envelope,
    seen: Seen<TokenUser>,
}

impl ForeignTokens {
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let envelope = Envelope::new(Ring::verify_only("at+jwt", keys)?.into());
        Ok(Self { envelope, seen: Seen::new() })
    }

    /// Returns the keys.
    pub(crate) fn ring(&self) -> &Ring {
        &self.envelope.ring
    }

    /// Verifies form, signature and every claim, or remembers that they were good.
    ///
    /// `expected` is the same with every call but for its `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<TokenUser, TokenError> {
        if let Some(user) = self.seen.find(token, self.envelope.ring.epoch(), expected.now) {
            return Ok(user);
        }
        let opened = self.envelope.open(token, expected.now)?;
        let (verified, good) = super::access::check_claims(&opened.json, expected)?;
        let (Verified::Valid(_), Some(good)) = (verified, good) else { return Err(TokenError::Expired) };
        let user = read(&opened.json)?;
        self.seen.remember(token, &opened, good, &user);
        Ok(user)
    }
}
