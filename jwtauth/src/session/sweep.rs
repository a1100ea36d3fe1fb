//! Removes expired sessions from the store, in the background and by hand.
//!
//! Only reclaims space: a session's limits are checked whenever it is read (S-13), so a sweep that
//! is late, or never runs, changes no answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Sessions;
use crate::error::SessionError;
use crate::store::Swept;

/// How many sessions one batch removes. Other changes wait for a batch, some 20 us a session.
const BATCH: usize = 16;

impl Sessions {
    /// Removes all sessions that are past their limit, and returns how many. Values that the store keeps beside them
    /// go too, and count ([`ValueStore`](crate::store::ValueStore)).
    ///
    /// Works in batches of 16 and lets other requests at the store in between.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; what was removed before stays removed.
    pub async fn sweep(&self) -> Result<usize, SessionError> {
        let now = self.clock.now();
        let mut total = 0;
        loop {
            let Swept { removed, more } = self.within(self.store.sweep(now, BATCH)).await?;
            total += removed;
            if !more {
                return Ok(total);
            }
            tokio::task::yield_now().await;
        }
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
