//! The settings of what the store keeps beside sessions, and of how it is used. `config` checks them.

use std::time::Duration;

use super::JwtAuthBuilder;
use crate::config::StorageRules;

/// Settings of what the store keeps beside sessions, and of how it is used. Give them to
/// [`JwtAuthBuilder::storage`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`keep_events`](Self::keep_events) | none | 1 to 10,000,000 |
/// | [`token_registry`](Self::token_registry) | off | |
/// | [`sweep_interval`](Self::sweep_interval) | 1 minute | 1 second to 1 day |
/// | [`timeout`](Self::timeout) | 10 seconds | 0.1 second to 1 minute |
/// | [`operator_socket`](Self::operator_socket) | on | |
///
/// ```
/// use jwtauth::{JwtAuth, StorageConfig};
///
/// let storage = StorageConfig::default().keep_events(100_000).token_registry();
/// let builder = JwtAuth::builder().storage(storage);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct StorageConfig {
    pub(super) rules: StorageRules,
}

impl StorageConfig {
    /// Keeps an audit trail in the store: the newest `count` events, from 1 to 10,000,000. Default: none.
    ///
    /// It keeps every [`Event`](crate::Event) except [`Refresh`](crate::Event::Refresh) and
    /// [`SessionExpired`](crate::Event::SessionExpired), without names and passwords, before the request is
    /// answered: a login waits for one more write. Each record has the hash of the one before it, so that one
    /// which was changed or removed is noticed. Attackers cannot fill the trail: of logins that failed 20 a
    /// minute are kept one by one, and of any other event 10 a minute about one subject. The others are
    /// counted. A record takes some 400 bytes on disk.
    ///
    /// The program `jwtauth` shows the trail (`jwtauth events`) and checks it (`jwtauth events --check`,
    /// `jwtauth doctor`). If the process is killed between a change and its record, the record is missing,
    /// and nothing shows that.
    pub fn keep_events(mut self, count: u64) -> Self {
        self.rules.keep_events = Some(count);
        self
    }

    /// Records each token that is issued, by its id, in the tree of its session: see
    /// [`Sessions::tokens`](crate::Sessions::tokens). It costs some 200 bytes a refresh until the sweep.
    pub fn token_registry(mut self) -> Self {
        self.rules.token_registry = true;
        self
    }

    /// Sets how often expired sessions are removed from the store.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.rules.sweep_interval = interval;
        self
    }

    /// Sets how long to wait until a change is on disk. Then the answer is 503. Hooks have the same time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.rules.timeout = timeout;
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
        self.rules.operator_socket = on;
        self
    }
}

impl JwtAuthBuilder {
    /// Sets what the store keeps beside sessions, and how it is used. A second call replaces the first.
    pub fn storage(mut self, storage: StorageConfig) -> Self {
        self.config.storage = storage.rules;
        self
    }
}
