//! The first keys of a `JwtAuth`: from a secret, a key of access tokens, and older keys.

#[cfg(feature = "accounts")]
use super::KeyedNames;
use super::{Algorithm, Key, LEAKS_TIME, backend};
use crate::error::{ConfigError, KeyError};
use crate::secret::Secret;

/// The keys of access tokens, of refresh tokens and of sliding tokens. The first of each signs. And what is
/// made of the same secret for the names of counters.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) access: Vec<Key>,
    pub(crate) refresh: Vec<Key>,
    pub(crate) sliding: Vec<Key>,
    #[cfg(feature = "accounts")]
    pub(crate) counters: KeyedNames,
}

impl Keys {
    /// Makes a key of each kind from one secret. The error for a weak secret contains `which`.
    pub(crate) fn from_secret(
        algorithm: Algorithm,
        secret: &Secret,
        which: &str,
    ) -> Result<Self, ConfigError> {
        let access = Key::hmac(algorithm, secret.expose()).map_err(|error| match error {
            KeyError::Weak { problem } => ConfigError::WeakSecret { which: which.into(), problem },
            other => other.into(),
        })?;
        let derived = |label: &[u8]| {
            let secret = Secret::new(backend::derive(secret.expose(), label));
            vec![Key::of_secret(Algorithm::HS256, secret.expose())]
        };
        let (refresh, sliding) = (derived(b"jwtauth refresh key v1"), derived(b"jwtauth sliding key v1"));
        Ok(Self {
            access: vec![access],
            refresh,
            sliding,
            #[cfg(feature = "accounts")]
            counters: KeyedNames::derived(secret, b"jwtauth counters v1"),
        })
    }

    /// Derives the keys of refresh and sliding tokens from a secret, and uses `access` as it is.
    pub(crate) fn with_key(access: Key, secret: &Secret, which: &str) -> Result<Self, ConfigError> {
        access.check_signs()?;
        Ok(Self { access: vec![access], ..Self::from_secret(Algorithm::HS256, secret, which)? })
    }

    /// Puts the keys together: the first of each kind signs.
    pub(crate) fn put_together(
        key: Option<Key>,
        algorithm: Option<Algorithm>,
        secret: &Secret,
        which: &str,
        verify_keys: Vec<Key>,
        old_secrets: &[Secret],
    ) -> Result<Self, ConfigError> {
        let has_key = key.is_some();
        let mut keys = match (key, algorithm) {
            (None, algorithm) => Self::from_secret(algorithm.unwrap_or_default(), secret, which)?,
            (Some(key), None) => Self::with_key(key, secret, which)?,
            (Some(key), Some(algorithm)) => Self::with_key(key.with_algorithm(algorithm)?, secret, which)?,
        };
        if keys.access.iter().any(Key::leaks_time) {
            tracing::warn!(target: "jwtauth", "{LEAKS_TIME}");
        }
        keys.access.extend(verify_keys);
        for old in old_secrets {
            let algorithm = if has_key { None } else { algorithm };
            if old.expose() == secret.expose() {
                return Err(KeyError::SameSecret.into());
            }
            let old = Self::from_secret(algorithm.unwrap_or_default(), old, "an old secret")?;
            keys.refresh.extend(old.refresh);
            keys.sliding.extend(old.sliding);
            if !has_key {
                keys.access.extend(old.access);
            }
        }
        Ok(keys)
    }
}
