//! The settings of sessions and tokens: lifetimes, limits, names, and what is recorded. `config` checks them.

use std::sync::Arc;
use std::time::Duration;

use super::JwtAuthBuilder;
use super::api_key_config::ApiKeyConfig;
#[cfg(feature = "accounts")]
use crate::accounts::AccountsConfig;
use crate::clock::Clock;
use crate::compat::Compat;

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

    /// Sets by how much clocks may differ when tokens come from elsewhere (RFC 7519, section 4.1.4).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.config.leeway = leeway;
        self
    }

    /// Sets how often expired sessions are removed from the store.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.config.sweep_interval = interval;
        self
    }

    /// Sets how long to wait until a change is on disk. Then the answer is 503. Hooks have the same time.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.config.store_timeout = timeout;
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

    /// Records each token that is issued, by its id, in the tree of its session: see
    /// [`Sessions::tokens`](crate::Sessions::tokens). It costs some 200 bytes a refresh until the sweep.
    pub fn token_registry(mut self) -> Self {
        self.config.token_registry = true;
        self
    }

    /// Keeps an audit trail in the store: the newest `count` events, from 1 to 10,000,000. Default: none.
    ///
    /// Kept is each [`Event`](crate::Event) but [`Refresh`](crate::Event::Refresh) and
    /// [`SessionExpired`](crate::Event::SessionExpired), without names and passwords, before the request is
    /// answered: a login waits for one more write. Each record has the hash of the one before it, so that one
    /// which was changed or removed is noticed. Strangers cannot fill the trail: of logins that failed 20 a
    /// minute are kept one by one, and of any other event 10 a minute about one subject. The others are
    /// counted. A record takes some 400 bytes on disk.
    ///
    /// The program `jwtauth` shows the trail (`jwtauth events`) and checks it (`jwtauth events --check`,
    /// `jwtauth doctor`). If the process is killed or the client hangs up between a change and its record,
    /// the record is missing, and nothing shows that.
    pub fn keep_events(mut self, count: u64) -> Self {
        self.config.keep_events = Some(count);
        self
    }

    /// Revokes an access token when its successor is issued. A request that still has the old one is refused,
    /// or refreshed by its refresh token.
    pub fn revoke_on_refresh(mut self) -> Self {
        self.config.revoke_on_refresh = true;
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

    /// Sets the client that access tokens name (claim `client_id`; RFC 9068, section 2.2): the application in
    /// which users log in here. Default: the [`audience`](Self::audience), for an application that calls its
    /// own API. Nothing is read from it here. Tokens of [`Compat`] do not have it.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.config.client_id = Some(client_id.into());
        self
    }

    /// Writes and reads tokens as another library does. Its services and this one then accept each other's
    /// tokens. See [`Compat`] for what that changes and costs.
    pub fn compat(mut self, compat: Compat) -> Self {
        self.config.compat = Some(compat);
        self
    }

    /// Sets whether the program `jwtauth` can be used while the server runs: `true` by default.
    ///
    /// It speaks to the server by a Unix socket in the directory of the store, which serves the user of this
    /// process and root only. It needs a [`SledStore`](crate::SledStore), a system with such sockets, and a
    /// call of `open` or `build` in a tokio runtime with its I/O driver on. If the socket cannot be opened,
    /// the log says so, and the server runs without it. Of several values on one store, the first has the
    /// socket.
    pub fn operator_socket(mut self, on: bool) -> Self {
        self.operator_socket = on;
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
