//! A store as the storage of poem's own sessions, for data that is not about logins: carts,
//! wizards, messages.
//!
//! # Invariants
//!
//! 1. poem's session ids are bearer secrets, so the store gets the SHA-256 of an id and never the id.
//!    Ids have 256 random bits, so a plain hash cannot be reversed.
//! 2. A store that fails is an error, never an empty session.
//! 3. Every session expires: after the cookie's `Max-Age`, or else after [`PoemSessions::default_ttl`].

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use poem::session::SessionStorage;
use serde_json::Value;

use crate::clock::{Clock, SystemClock, Timeline};
use crate::error::{ConfigError, StoreError};
use crate::key::digest;
use crate::store::{NewValue, StoreFuture, ValueKey, ValueStore};
use crate::web::answer::rejection::Rejection;

type Entries = BTreeMap<String, Value>;

#[doc = include_str!("../docs/poem_sessions.md")]
#[derive(Clone, Debug)]
pub struct PoemSessions {
    store: Arc<dyn ValueStore>,
    clock: Arc<Timeline>,
    default_ttl: Duration,
}

impl PoemSessions {
    /// Browsers keep no cookie longer than 400 days (RFC 6265bis, section 5.5), so no session lasts longer.
    pub const MAX_TTL: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

    /// How long to wait until a change is on disk.
    const STORE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Keeps sessions in a store. The store may serve others at the same time.
    #[must_use]
    pub fn new(store: impl ValueStore) -> Self {
        let clock = Timeline::new(Arc::new(SystemClock), store.time_mark(), |_| ());
        Self { store: Arc::new(store), clock: Arc::new(clock), default_ttl: Self::DEFAULT_TTL }
    }

    /// Sets how long a session lasts after its last change if its cookie has no `Max-Age`: 1 second to
    /// [`MAX_TTL`](Self::MAX_TTL).
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Setting`] if it is shorter or longer.
    pub fn default_ttl(self, ttl: Duration) -> Result<Self, ConfigError> {
        crate::config::within("PoemSessions::default_ttl", ttl, Duration::from_secs(1), Self::MAX_TTL)?;
        Ok(Self { default_ttl: ttl, ..self })
    }

    /// Sets the clock. For tests: see [`ManualClock`](crate::clock::ManualClock).
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        let clock = Timeline::new(Arc::new(clock), Arc::clone(self.clock.mark()), |_| ());
        Self { clock: Arc::new(clock), ..self }
    }

    async fn load(&self, session_id: &str) -> Result<Option<Entries>, StoreError> {
        let key = key(session_id);
        let json = match self.store.load_value(key, self.clock.now()).await {
            Err(error) if matches!(error, StoreError::Corrupt { .. }) || error.is_of_record() => {
                tracing::error!(target: "jwtauth", value = key.log_id(), error = &error as &dyn Error, "a poem session is damaged and treated as gone");
                return Ok(None);
            }
            loaded => loaded?,
        };
        let Some(json) = json else { return Ok(None) };
        let read = serde_json::from_slice(&json).inspect_err(|error| {
            // Nested too deep, for example. The log says where, but not the text: a user may have typed it.
            tracing::error!(
                target: "jwtauth",
                value = key.log_id(),
                line = error.line(),
                column = error.column(),
                kind = ?error.classify(),
                "a poem session cannot be read and is treated as gone"
            );
        });
        Ok(read.ok())
    }

    async fn save(
        &self,
        session_id: &str,
        entries: &Entries,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let (key, now) = (key(session_id), self.clock.now());
        let bytes = serde_json::to_vec(entries).map_err(|error| StoreError::Backend(error.into()))?;
        let ttl = ttl.unwrap_or(self.default_ttl).min(Self::MAX_TTL);
        // Half a second counts as one.
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let value = NewValue::new(key, bytes, now, now.saturating_add(seconds));
        if !within(self.store.save_value(value)).await? {
            tracing::debug!(target: "jwtauth", value = key.log_id(), "a change of a poem session came after its end and was ignored");
        }
        Ok(())
    }

    async fn remove(&self, session_id: &str) -> Result<(), StoreError> {
        within(self.store.remove_value(key(session_id), self.clock.now())).await.map(drop)
    }
}

impl SessionStorage for PoemSessions {
    async fn load_session<'a>(&'a self, session_id: &'a str) -> poem::Result<Option<Entries>> {
        self.load(session_id).await.map_err(|error| refuse(&error))
    }

    async fn update_session<'a>(
        &'a self,
        session_id: &'a str,
        entries: &'a Entries,
        expires: Option<Duration>,
    ) -> poem::Result<()> {
        self.save(session_id, entries, expires).await.map_err(|error| refuse(&error))
    }

    async fn remove_session<'a>(&'a self, session_id: &'a str) -> poem::Result<()> {
        self.remove(session_id).await.map_err(|error| refuse(&error))
    }
}

/// The name of a session in the store. The label keeps it apart from other hashes.
fn key(session_id: &str) -> ValueKey {
    ValueKey::from_bytes(digest("jwtauth poem session v1", session_id))
}

/// Waits for a change for a limited time: a disk that hangs must not hang all requests.
async fn within<T>(change: StoreFuture<'_, T>) -> Result<T, StoreError> {
    let after = PoemSessions::STORE_TIMEOUT;
    tokio::time::timeout(after, change).await.unwrap_or(Err(StoreError::TimedOut { after }))
}

/// Logs the cause, and gives the client one of two fixed sentences.
fn refuse(error: &StoreError) -> poem::Error {
    tracing::error!(target: "jwtauth", error = error as &dyn Error, "a poem session could not be read or written");
    match error {
        // Asking again would not help.
        StoreError::TooLarge { .. } => Rejection::Misconfigured.into(),
        _ => Rejection::StoreUnavailable.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions outlive releases: the store holds them under names that the first release gave.
    #[test]
    fn the_name_of_a_session_never_changes() {
        let name: String = key("some session").as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        // sha256sum of the label, a zero byte and the id.
        assert_eq!(name, "619e8154d1cd11f01184acbd1a25b4710c1adc5230aedfa2b2fb74a5f21b64ff");
    }
}
