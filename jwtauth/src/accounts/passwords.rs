//! [`Passwords`]: hashes and checks, with the same bounds, for applications whose users are their own.

use std::fmt;
use std::sync::Arc;

use super::AccountsConfig;
use super::hasher::{Hasher, Line};
use super::password::Password;
use crate::error::{AccountError, ConfigError};
use crate::store::PasswordHash;

#[doc = include_str!("../docs/passwords.md")]
#[derive(Clone)]
pub struct Passwords(Arc<PasswordsParts>);

struct PasswordsParts {
    hasher: Hasher,
    min_password: usize,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("hasher", &self.0.hasher).finish_non_exhaustive()
    }
}

impl Passwords {
    /// Prepares to hash. Make one for the whole program: each has hashers, and memory, of its own.
    ///
    /// Of the settings it uses [`argon2`](AccountsConfig::argon2), [`hashers`](AccountsConfig::hashers),
    /// [`waiting`](AccountsConfig::waiting) and [`min_password`](AccountsConfig::min_password).
    ///
    /// # Errors
    ///
    /// [`ConfigError::Setting`] for a setting out of bounds, [`ConfigError::Random`] if there is no
    /// randomness.
    pub fn new(config: &AccountsConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self(Arc::new(PasswordsParts { hasher: Hasher::new(config)?, min_password: config.min_password })))
    }

    /// Hashes a newly chosen password. Keep [`PasswordHash::as_phc`], a text of about 100 ASCII characters.
    ///
    /// The password has at least [`min_password`](AccountsConfig::min_password) characters and at most 1024
    /// bytes.
    ///
    /// # Errors
    ///
    /// - [`AccountError::Password`] if it is not allowed.
    /// - [`AccountError::Busy`] if too many wait, [`AccountError::Hashing`] or [`AccountError::Random`] if it
    ///   was not hashed.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, AccountError> {
        let chosen = Password::chosen(password, "", self.0.min_password);
        let chosen = chosen.map_err(|problem| AccountError::Password { problem })?;
        self.0.hasher.hash(Line::Registration, chosen).await
    }

    /// Tells whether a password is the one that was hashed. `hash` is an Argon2 hash in the PHC form, also
    /// one that another program has made.
    ///
    /// With `None` it is never right, and takes as long: pass that for an unknown name, so that nobody learns
    /// which names exist. A malformed hash matches nothing, and is an error in the log.
    ///
    /// # Errors
    ///
    /// - [`AccountError::Busy`] if too many wait. It is no wrong password: answer 503, as
    ///   [`AccountError`] does with `?`.
    /// - [`AccountError::Hashing`] if it was not checked.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, AccountError> {
        // Nobody has it, known or not.
        let Some(typed) = Password::typed(password) else { return Ok(false) };
        let hash = hash.map(|hash| PasswordHash::from_phc(hash.into()));
        Ok(self.0.hasher.check(Line::Login, typed, hash).await?.matches)
    }

    /// Tells whether a hash was made with other parameters than those of the settings. After a login, hash
    /// the password anew and keep that.
    #[must_use]
    pub fn is_stale(&self, hash: &str) -> bool {
        self.0.hasher.is_stale(hash)
    }

    pub(super) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }
}
