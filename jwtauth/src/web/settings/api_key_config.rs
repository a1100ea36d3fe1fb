//! The settings of API keys. `config` checks them.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::config::ApiKeyRules;
use crate::error::StoreError;
use crate::session::kept_api_key_rules;
use crate::store::SessionStore;

/// Settings of API keys, with which programs of a user call this service. Give them to
/// [`JwtAuthBuilder::api_keys`](super::JwtAuthBuilder::api_keys).
///
/// | setting | default | range |
/// |---|---|---|
/// | [`prefix`](Self::prefix) | `jwtauth` | 2 to 32 of `a-z`, `0-9`, `_` |
/// | [`max_ttl`](Self::max_ttl) | 366 days | 1 minute to 3660 days |
/// | [`max_keys`](Self::max_keys) | 32 | 1 to 1000 |
/// | [`login_age`](Self::login_age) | 15 minutes | 1 minute to 1 day |
///
/// ```
/// use jwtauth::{ApiKeyConfig, JwtAuth};
///
/// // Keys begin with `acme_`.
/// let builder = JwtAuth::builder().api_keys(ApiKeyConfig::default().prefix("acme"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ApiKeyConfig {
    pub(super) rules: ApiKeyRules,
}

impl ApiKeyConfig {
    /// Returns the settings of the server that has opened this store last. `None` if it has no API keys, or
    /// if no server has opened the store since there are such settings.
    ///
    /// A server writes them into the store when it starts, so that a key which another program makes, such as
    /// `jwtauth`, is one that the server takes.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if they cannot be read.
    pub async fn kept_in(store: Arc<dyn SessionStore>) -> Result<Option<Self>, StoreError> {
        let rules = kept_api_key_rules(store, SystemClock.now()).await?;
        Ok(rules.map(|rules| Self { rules }))
    }

    /// Sets what each key begins with, before an underscore: the name of your application, so that a key that
    /// leaks says where it belongs.
    ///
    /// It begins with a letter and does not end with an underscore. Keys with another prefix are unknown: do
    /// not change it while there are any.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rules.prefix = prefix.into();
        self
    }

    /// Sets how long a key may be valid at most. It is also the lifetime of a key for which nobody says one.
    ///
    /// Keys that are there keep their end.
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.rules.max_ttl = ttl;
        self
    }

    /// Sets how many live keys one user may have. One more is refused; no key ends for it. Logins count
    /// apart ([`max_sessions`](super::JwtAuthBuilder::max_sessions)).
    pub fn max_keys(mut self, max: usize) -> Self {
        self.rules.max_keys = max;
        self
    }

    /// Sets the greatest age of the login that may create a key, so that an unattended browser cannot create
    /// one.
    pub fn login_age(mut self, age: Duration) -> Self {
        self.rules.login_age = age;
        self
    }
}
