//! Removes expired sessions from the store, in the background and on request.
//!
//! Only reclaims space: the limits of a session are checked whenever it is read (S-13), so a sweep that is
//! late, or never runs, changes no answer.
//!
//! # Invariants
//!
//! 1. The expiry of a session is reported after its removal is on disk, so no crash makes it be reported
//!    again.
//! 2. The memory of a sweep does not grow with the number of sessions, and hooks cannot delay it for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Sessions;
use super::reporter::note;
use crate::error::SessionError;
use crate::events::Event;
use crate::record::Session;
use crate::store::Swept;

/// How many sessions one batch removes. Other changes wait for a batch, 20 to 40 us per session.
const BATCH: usize = 32;

/// How many expired sessions are reported after one fsync,
const TOLD_AT_ONCE: usize = 4_096;

/// or after how many bytes of user values. A record has 64 KiB at most.
const TOLD_BYTES: usize = 4 * 1024 * 1024;

/// How often hooks may time out before a sweep continues without them.
const PATIENCE: usize = 3;

impl Sessions {
    /// Removes all sessions that are past their limit, and returns how many. Expired values that the store
    /// keeps ([`ValueStore`](crate::store::ValueStore)) are removed and counted too.
    ///
    /// Works in batches of 32, so that other requests get their turn at the store. Each session that was not
    /// revoked is reported as [`Event::SessionExpired`], and the sweep waits for the hooks.
    ///
    /// If the clock has jumped ahead by more than an hour since the last sweep, more than the process has
    /// run, this one removes nothing: see [`Event::ClockJumpedAhead`]. Of a store that several processes use,
    /// a sweep removes what has expired by a time to which a clock has kept for a while.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; what was removed before stays removed.
    pub async fn sweep(&self) -> Result<usize, SessionError> {
        let now = self.clock.now();
        if let Err(seconds) = self.clock.explains(now) {
            self.emit(Event::ClockJumpedAhead { by: Duration::from_secs(seconds) }).await;
            return Ok(0);
        }
        let over_by = self.clock.settled(now);
        if let Some(trail) = &self.reporter.trail {
            trail.catch_up(now).await;
        }
        let mut total = 0;
        let (mut expired, mut bytes) = (Vec::new(), 0);
        let mut patience = PATIENCE;
        loop {
            let swept: Swept = self.within(self.store.sweep(over_by, BATCH)).await?;
            let more = swept.more;
            total += swept.removed;
            bytes +=
                swept.expired.iter().filter_map(|session| session.user.as_ref()).map(Vec::len).sum::<usize>();
            expired.extend(swept.expired);
            if !more || expired.len() >= TOLD_AT_ONCE || bytes >= TOLD_BYTES {
                self.tell_expired(&mut expired, &mut patience).await?;
                bytes = 0;
            }
            if !more {
                #[cfg(feature = "pages")]
                self.reporter.since_start.note_sweep(total, now);
                return Ok(total);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn tell_expired(
        &self,
        sessions: &mut Vec<Session>,
        patience: &mut usize,
    ) -> Result<(), SessionError> {
        if !sessions.is_empty() {
            self.flush().await?;
        }
        for session in sessions.drain(..) {
            let event = Event::SessionExpired { session: Arc::new(session) };
            note(&event);
            if *patience > 0 && !self.reporter.tell(event).await {
                *patience -= 1;
                if *patience == 0 {
                    tracing::error!(target: "jwtauth", "hooks are too slow: this sweep reports no more expired sessions");
                }
            }
        }
        Ok(())
    }

    /// Waits until everything done so far is durable.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn flush(&self) -> Result<(), SessionError> {
        if let Some(trail) = &self.reporter.trail {
            trail.settle(self.clock.now()).await;
        }
        self.within(self.store.flush()).await
    }
}

/// The task that sweeps regularly, and first keeps the settings of API keys. With each sweep it looks whether
/// another server has another secret. Stops when dropped, or when the sessions are gone.
#[derive(Debug)]
pub(crate) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    pub(crate) fn start(sessions: &Arc<Sessions>) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let interval = sessions.config.storage.sweep_interval;
        Some(Self(runtime.spawn(sweep_until_gone(Arc::downgrade(sessions), interval))))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn sweep_until_gone(sessions: Weak<Sessions>, interval: Duration) {
    let mut are_rules_kept = false;
    let mut secret_mark = None;
    loop {
        if !are_rules_kept {
            let Some(sessions) = sessions.upgrade() else { return };
            match sessions.keep_rules().await {
                Ok(()) => are_rules_kept = true,
                // The store may be away for a while. The next sweep tries again.
                Err(error) => {
                    tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "the settings of API keys and accounts are not kept yet");
                }
            }
        }
        tokio::time::sleep(interval).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let told: Option<String> = secret_mark.clone();
        // A task of its own, so that a store that panics does not end all sweeps.
        let swept = tokio::spawn(async move {
            let seen = sessions.look_at_secret_mark(told.as_deref()).await;
            (seen.unwrap_or(told), sessions.sweep().await)
        });
        let swept = swept.await.map(|(seen, swept)| {
            secret_mark = seen;
            swept
        });
        match swept {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::debug!(target: "jwtauth", event = "swept", removed),
            Ok(Err(error)) => failed(&error),
            Err(panic) => failed(&panic),
        }
    }
}

impl Sessions {
    /// Keeps settings for whoever changes the store without the server.
    async fn keep_rules(&self) -> Result<(), SessionError> {
        self.keep_api_key_rules().await?;
        #[cfg(feature = "accounts")]
        self.keep_role_scopes().await?;
        self.keep_secret_mark().await
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(target: "jwtauth", error, "a sweep failed; the next one tries again");
}
