//! Removes expired sessions from the store, in the background and by hand.
//!
//! Only reclaims space: a session's limits are checked whenever it is read (S-13), so a sweep that
//! is late, or never runs, changes no answer.
//!
//! # Invariants
//!
//! 1. A session is told of as expired after its removal is on disk, so no crash brings it back to be told of again.
//! 2. What a sweep keeps in memory does not grow with what there is to sweep, and hooks cannot hold it up for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Sessions, hooks};
use crate::error::SessionError;
use crate::event::Event;
use crate::record::Session;
use crate::store::Swept;

/// How many sessions one batch removes. Other changes wait for a batch, some 20 us a session.
const BATCH: usize = 16;

/// How many expired sessions wait to be told of, for one fsync: 16 MB at most, as a record has 64 KiB at most.
const TOLD_AT_ONCE: usize = 256;

/// How often hooks may take too long before a sweep goes on without them.
const PATIENCE: usize = 3;

impl Sessions {
    /// Removes all sessions that are past their limit, and returns how many. Values that the store keeps beside them
    /// go too, and count ([`ValueStore`](crate::store::ValueStore)).
    ///
    /// Works in batches of 16 and lets other requests at the store in between. Of each session that was live until its
    /// time ran out, tells [`Event::SessionExpired`], and waits for the hooks that hear of it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; what was removed before stays removed.
    pub async fn sweep(&self) -> Result<usize, SessionError> {
        let now = self.clock.now();
        let mut total = 0;
        let mut expired = Vec::new();
        let mut patience = PATIENCE;
        loop {
            let swept: Swept = self.within(self.store.sweep(now, BATCH)).await?;
            let more = swept.more;
            total += swept.removed;
            expired.extend(swept.expired);
            if !more || expired.len() >= TOLD_AT_ONCE {
                self.tell_expired(&mut expired, &mut patience).await?;
            }
            if !more {
                return Ok(total);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Tells of sessions that were removed.
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
            hooks::note(&event);
            if *patience > 0 && !self.tell(event).await {
                *patience -= 1;
                if *patience == 0 {
                    tracing::error!(target: "jwtauth", "hooks take too long: this sweep tells them of no more sessions that have expired");
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
        self.within(self.store.flush()).await
    }
}

/// The task that sweeps every so often. Stops when dropped, or when the sessions are gone.
#[derive(Debug)]
pub(crate) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    /// Starts it, or returns `None` outside a tokio runtime, where there is nothing to run it on.
    pub(crate) fn start(sessions: &Arc<Sessions>) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let interval = sessions.config.sweep_interval;
        Some(Self(runtime.spawn(sweep_until_gone(Arc::downgrade(sessions), interval))))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn sweep_until_gone(sessions: Weak<Sessions>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(sessions) = sessions.upgrade() else { return };
        // A task of its own, so that a store that panics does not end all sweeps.
        let swept = tokio::spawn(async move { sessions.sweep().await }).await;
        match swept {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::debug!(target: "jwtauth", event = "swept", removed),
            Ok(Err(error)) => failed(&error),
            Err(panic) => failed(&panic),
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(target: "jwtauth", error, "a sweep failed; the next one tries again");
}
