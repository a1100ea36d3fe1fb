//! The settings of sessions that stand alone: lifetimes, limits and names. `config` checks them.

use std::sync::Arc;
use std::time::Duration;

use super::JwtAuthBuilder;
use super::api_key_config::ApiKeyConfig;
#[cfg(feature = "accounts")]
use crate::accounts::AccountsConfig;
use crate::clock::Clock;

impl JwtAuthBuilder {
    /// Sets the lifetime of an access token. A sliding token is accepted for the same time.
    pub fn access_ttl(mut self, ttl: Duration) -> Self {
        self.config.access_ttl = ttl;
        self
    }

    /// Sets the lifetime of a refresh token. A session may be idle for the same time, and a sliding token can
    /// be renewed for the same time.
    pub fn refresh_ttl(mut self, ttl: Duration) -> Self {
        self.config.refresh_ttl = ttl;
        self
    }

    /// Sets how long a session may last, however busy it is (OWASP ASVS 5.0, 7.3.2).
    pub fn absolute_ttl(mut self, ttl: Duration) -> Self {
        self.config.absolute_ttl = ttl;
        self
    }

    /// Sets the grace window: for how long a spent refresh token is answered with its successor again,
    /// although that was used. It is for a second tab. If nobody has used the successor, its answer may be
    /// lost, and is repeated for as long as the session lives. If the token comes back later than both, the
    /// session is revoked (RFC 9700, section 4.14.2).
    ///
    /// At 0 no answer is ever repeated: a lost one logs its user out.
    pub fn refresh_grace(mut self, grace: Duration) -> Self {
        self.config.refresh_grace = grace;
        self
    }

    /// Sets how many live sessions one subject may have. A login beyond that revokes the session that was
    /// idle the longest. API keys do not count.
    ///
    /// About as many ended sessions are kept, to keep logins quick. The registry forgets tokens of the
    /// others.
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.config.max_sessions = max;
        self
    }

    /// Lets users make API keys for their programs. Default: there are none, and a key lets nobody in.
    ///
    /// The guide [`api_keys`](crate::guide::api_keys) says what a key may do.
    pub fn api_keys(mut self, config: ApiKeyConfig) -> Self {
        self.config.api_keys = Some(config.rules);
        self
    }

    /// Sets the issuer that tokens name and must name (claim `iss`).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.config.issuer = issuer.into();
        self
    }

    /// Sets the audience that access tokens name and must name (claim `aud`).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.config.audience = audience.into();
        self
    }

    /// Sets the clock. For tests: see [`ManualClock`](crate::clock::ManualClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Keeps accounts in the store of the sessions: see [`Accounts`](crate::Accounts). Feature `accounts`.
    #[cfg(feature = "accounts")]
    pub fn accounts(mut self, config: AccountsConfig) -> Self {
        self.accounts = Some(config);
        self
    }
}
