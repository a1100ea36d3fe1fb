//! Access tokens of another service, believed for what they say: no session is looked up.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::Verified;
use super::parse::Object;
use super::ring::Ring;
use super::seen::Seen;
use super::{Envelope, Expected};
use crate::error::{KeyError, TokenError};
use crate::id::SessionId;
use crate::key::Key;

/// Who is calling, as the access token says: nobody was asked whether the session is still alive.
///
/// A session that was ended is refused when its token expires, so within the issuer's `access_ttl`, and a role
/// that was taken away likewise. Comes from [`Verifier::verify`](crate::Verifier::verify), and is an extractor
/// behind a [`Verifier`](crate::Verifier).
#[derive(Clone, Debug)]
pub struct TokenUser(Arc<Says>);

/// What the token says.
#[derive(Debug)]
struct Says {
    subject: Arc<str>,
    session: SessionId,
    roles: Vec<String>,
    scopes: Vec<String>,
    auth_time: u64,
    expires_at: u64,
    claims: Map<String, Value>,
}

impl TokenUser {
    /// Returns the subject: who the user is to the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the session at the issuer.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.session
    }

    /// Returns the roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Tells whether the user has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|known| known == role)
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Tells whether the user has a scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|known| known == scope)
    }

    /// Returns when the user proved who they are, in Unix seconds.
    #[must_use]
    pub fn auth_time(&self) -> u64 {
        self.0.auth_time
    }

    /// Returns when the token expires, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Returns all claims, the application's own among them.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    fn read(json: &str) -> Result<Self, TokenError> {
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
        let says = Says {
            subject: super::subject(&object)?.into(),
            session: super::id(&object, "sid")?,
            roles,
            scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
            auth_time: time("auth_time")?,
            expires_at: time("exp")?,
            claims,
        };
        Ok(Self(Arc::new(says)))
    }
}

/// Verifies tokens of another service, of which none can be made here.
#[derive(Debug)]
pub(crate) struct ForeignTokens {
    envelope: Envelope,
    seen: Seen<TokenUser>,
}

impl ForeignTokens {
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        Ok(Self { envelope: Envelope { ring: Ring::verify_only("at+jwt", keys)? }, seen: Seen::new() })
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
        let user = TokenUser::read(&opened.json)?;
        self.seen.remember(token, &opened, good, &user);
        Ok(user)
    }
}
