//! The keys of access tokens while the program runs: rotation that ends no session.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::KeyError;
use crate::key::{Algorithm, Key};
use crate::token::access::AccessTokens;

/// How long a retired key stays beyond its last token, in seconds, for requests under way.
const MARGIN: u64 = 60;

#[doc = include_str!("../docs/key_ring.md")]
#[derive(Clone, Debug)]
pub struct KeyRing {
    tokens: Arc<AccessTokens>,
    clock: Arc<dyn Clock>,
    /// How long the last token of a key is valid, in seconds.
    longest: u64,
}

/// One key of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Whether it signs new tokens.
    pub signs: bool,
    /// When it expires, in Unix seconds.
    pub expires_at: Option<u64>,
}

impl KeyRing {
    pub(super) fn new(tokens: Arc<AccessTokens>, clock: Arc<dyn Clock>, longest: u64) -> Self {
        Self { tokens, clock, longest }
    }

    /// Adds a key that verifies. It signs only after [`sign_with`](Self::sign_with).
    ///
    /// # Errors
    ///
    /// [`KeyError::Known`] if the ring has a key of this name; [`KeyError::TooMany`] if it has 32 keys.
    pub fn add(&self, key: Key) -> Result<(), KeyError> {
        let kid = key.kid().to_owned();
        if key.leaks_time() {
            tracing::warn!(target: "jwtauth", kid, "{}", crate::key::LEAKS_TIME);
        }
        self.tokens.ring().add(key, self.clock.now())?;
        tracing::info!(target: "jwtauth", event = "key_added", kid);
        Ok(())
    }

    /// Signs new tokens with this key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it is not in the ring; [`KeyError::NotPrivate`] for a public key;
    /// [`KeyError::Retired`] for a retired key.
    pub fn sign_with(&self, kid: &str) -> Result<(), KeyError> {
        self.tokens.ring().sign_with(kid)?;
        tracing::info!(target: "jwtauth", event = "key_signs", kid);
        Ok(())
    }

    /// Retires a key, and returns when it expires, in Unix seconds: one minute after its last token.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it is not in the ring; [`KeyError::Signs`] if it signs.
    pub fn retire(&self, kid: &str) -> Result<u64, KeyError> {
        let expires_at = self.clock.now().saturating_add(self.longest).saturating_add(MARGIN);
        let expires_at = self.tokens.ring().retire(kid, expires_at)?;
        tracing::info!(target: "jwtauth", event = "key_retired", kid, expires_at);
        Ok(expires_at)
    }

    /// Removes a key. Its tokens are refused from the next request on.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it is not in the ring; [`KeyError::Signs`] if it signs.
    pub fn remove(&self, kid: &str) -> Result<(), KeyError> {
        self.tokens.ring().remove(kid)?;
        tracing::warn!(target: "jwtauth", event = "key_removed", kid);
        Ok(())
    }

    /// Returns all keys that have not expired.
    #[must_use]
    pub fn list(&self) -> Vec<KeyInfo> {
        let (held, now) = (self.tokens.ring().held(), self.clock.now());
        let signs = held.signs().map(|named| named.key.kid());
        let info = |key: &Key| KeyInfo {
            kid: key.kid().to_owned(),
            algorithm: key.algorithm(),
            signs: signs == Some(key.kid()),
            expires_at: key.expiry(),
        };
        held.keys().filter(|key| is_good(key, now)).map(info).collect()
    }

    /// Returns the key that signs.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "one key always signs")]
    pub fn signing(&self) -> KeyInfo {
        // OK because the ring of a `JwtAuth` starts with a key that signs, which can be replaced but not
        // removed.
        self.list().into_iter().find(|info| info.signs).expect("one key signs")
    }

    /// Returns the set of public keys (RFC 7517, section 5) that verify access tokens. Never a secret.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let (held, now) = (self.tokens.ring().held(), self.clock.now());
        let keys: Vec<Value> = held.keys().filter(|key| is_good(key, now)).filter_map(Key::to_jwk).collect();
        json!({"keys": keys})
    }
}

fn is_good(key: &Key, now: u64) -> bool {
    key.expiry().is_none_or(|end| now < end)
}
