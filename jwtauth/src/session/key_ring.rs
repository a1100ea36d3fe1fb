//! The keys of access tokens while the program runs: rotation that ends no session (R-10).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::KeyError;
use crate::key::{Algorithm, Key};
use crate::token::access::AccessTokens;

/// How long a retired key stays beyond its last token, in seconds: requests that are on their way.
const MARGIN: u64 = 60;

/// The keys of access tokens: one signs, the others verify. At most 32.
///
/// Comes from [`JwtAuth::keys`](crate::JwtAuth::keys). Clones are the same ring. What is changed here holds
/// until the program ends: say it to the builder too ([`key`](crate::JwtAuthBuilder::key),
/// [`verify_key`](crate::KeyConfig::verify_key)).
///
/// # Rotation
///
/// In this order, with several servers each step on all of them before the next:
///
/// 1. [`add`](Self::add) the new key. It verifies, and is published; services that read the key set need
///    up to their cache's age to know it.
/// 2. [`sign_with`](Self::sign_with) it. New tokens are signed by it, old ones go on being good.
/// 3. [`retire`](Self::retire) the old key. It verifies until the last of its tokens has expired.
///
/// No session ends on the way: refresh tokens are signed by another key, and a browser that comes back with
/// an access token of a key that is gone is refreshed like one whose token has expired.
///
/// When a key was stolen, [`remove`](Self::remove) it instead of step 3: its tokens are refused from the next
/// request on. If the secret was stolen too, start with a new one, which ends all sessions.
///
/// ```
/// # fn rotate(jwtauth: &jwtauth::JwtAuth) -> Result<(), jwtauth::error::KeyError> {
/// use jwtauth::Key;
///
/// let keys = jwtauth.keys();
/// let old = keys.signing().kid;
/// let new = Key::from_file("data/access-2.pem")?;
/// let kid = new.kid().to_owned();
/// keys.add(new)?;
/// keys.sign_with(&kid)?;
/// keys.retire(&old)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KeyRing {
    tokens: Arc<AccessTokens>,
    clock: Arc<dyn Clock>,
    /// How long the last token of a key can be good, in seconds.
    longest: u64,
}

/// What a ring says of one of its keys.
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

    /// Adds a key that verifies. One that can sign does so after [`sign_with`](Self::sign_with).
    ///
    /// # Errors
    ///
    /// [`KeyError::Known`] if there is one of its name; [`KeyError::TooMany`] if there are 32.
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
    /// [`KeyError::Retired`] for one with an end.
    pub fn sign_with(&self, kid: &str) -> Result<(), KeyError> {
        self.tokens.ring().sign_with(kid)?;
        tracing::info!(target: "jwtauth", event = "key_signs", kid);
        Ok(())
    }

    /// Gives a key an end, and returns it in Unix seconds: one minute after its last token can be good.
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

    /// Removes a key: from the next request on its tokens are refused.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it is not in the ring; [`KeyError::Signs`] if it signs.
    pub fn remove(&self, kid: &str) -> Result<(), KeyError> {
        self.tokens.ring().remove(kid)?;
        tracing::warn!(target: "jwtauth", event = "key_removed", kid);
        Ok(())
    }

    /// Returns what is known of all keys that have not ended.
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

    /// Returns what is known of the key that signs.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "one key always signs")]
    pub fn signing(&self) -> KeyInfo {
        // OK because the ring of a `JwtAuth` is made with one that signs, and that is replaced but never removed.
        self.list().into_iter().find(|info| info.signs).expect("one key signs")
    }

    /// Returns the set of public keys (RFC 7517, section 5) that verify our access tokens. Never a secret.
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
