//! Sessions that other processes have ended: of a store that is shared, one task asks each second which of
//! the sessions that somebody waits for are over. One question for many sessions, however many connections
//! there are.
//!
//! # Invariants
//!
//! 1. It wakes waiters, and they look for themselves.
//! 2. It runs only while somebody waits, and keeps nothing open while it sleeps.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Ends, MayEnd};
use crate::id::SessionId;

/// How often it asks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many sessions one question is about.
const BATCH: usize = 500;

/// Starts the task, if the store is shared and it does not run.
pub(super) fn start(ends: &Weak<Ends>) {
    let Some(strong) = ends.upgrade() else { return };
    if strong.store.is_shared()
        && !strong.is_watched.swap(true, Ordering::AcqRel)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(watch(Weak::clone(ends)));
    }
}

async fn watch(ends: Weak<Ends>) {
    loop {
        sleep(INTERVAL).await;
        let Some(ends) = ends.upgrade() else { return };
        let ids: Vec<SessionId> = {
            let waiting = ends.lock();
            if waiting.sessions.is_empty() {
                // Under the lock: who enters after this starts the task anew.
                ends.is_watched.store(false, Ordering::Release);
                return;
            }
            waiting.sessions.keys().copied().collect()
        };
        for batch in ids.chunks(BATCH) {
            let asked = ends.store.over(batch.to_vec(), ends.clock.now());
            // If the store fails, so does the next request, which says so.
            let Ok(Ok(over)) = timeout(ends.patience, asked).await else { break };
            if !over.is_empty() {
                ends.wake(&MayEnd::These(&over));
            }
        }
    }
}
