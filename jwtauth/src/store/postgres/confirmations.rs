//! What clients have shown and the database does not know yet: that the answer to a rotation has arrived.
//!
//! Nobody waits for that to be written. So it is gathered for a moment, and written in batches by one task.
//! What changes the session meanwhile takes it along, and does not meet it on the way.
//!
//! # Invariants
//!
//! 1. A change of this process that comes later finds the session confirmed, written or not. One of another
//!    process may come first, by [`GATHERED_FOR`] and as long as a batch takes.
//! 2. Memory is bounded. What is not noted is noted with the next request of the client.
//! 3. One batch is written at a time. After a flush none is on its way that locks rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Database;
use super::session_steps::Confirm;
use super::transaction::DatabaseStep;
use crate::error::StoreError;
use crate::id::SessionId;

/// How long a confirmation waits for others.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// How many are written in one transaction.
const BATCH: usize = 64;

/// How many may wait.
const MAX_WAITING: usize = 10_000;

/// The newest generation that was shown, for each session.
#[derive(Default)]
pub(super) struct Confirmations {
    shown: Mutex<Shown>,
    /// Held by whoever writes a batch.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shown {
    shown: HashMap<SessionId, u64>,
    is_written: bool,
}

impl Confirmations {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, id: SessionId) -> Option<u64> {
        self.lock().shown.get(&id).copied()
    }

    fn batch(&self) -> Vec<(SessionId, u64)> {
        self.lock().shown.iter().take(BATCH).map(|(id, generation)| (*id, *generation)).collect()
    }

    fn forget(&self, written: &[(SessionId, u64)]) {
        let mut waiting = self.lock();
        for (id, generation) in written {
            if waiting.shown.get(id) == Some(generation) {
                waiting.shown.remove(id);
            }
        }
    }
}

impl Database {
    pub(super) fn confirm(self: &Arc<Self>, id: SessionId, generation: u64) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut waiting = self.confirmations.lock();
        if waiting.shown.len() >= MAX_WAITING && !waiting.shown.contains_key(&id) {
            return;
        }
        let newest = waiting.shown.entry(id).or_default();
        *newest = generation.max(*newest);
        if !waiting.is_written {
            waiting.is_written = true;
            let database = Arc::clone(self);
            runtime.spawn(async move { database.write_confirmations().await });
        }
    }

    /// Carries out a change of a session of which a client has shown a generation. Afterwards that is not
    /// written on its own, if the change `keeps_it`.
    pub(super) async fn change_shown<S: DatabaseStep>(
        self: &Arc<Self>,
        id: SessionId,
        shown: Option<u64>,
        step: S,
        keeps_it: impl Fn(&S::Outcome) -> bool,
    ) -> Result<S::Outcome, StoreError> {
        let outcome = self.change(step).await?;
        if let Some(generation) = shown
            && keeps_it(&outcome)
        {
            self.confirmations.forget(&[(id, generation)]);
        }
        Ok(outcome)
    }

    async fn write_confirmations(&self) {
        loop {
            if self.confirmations.lock().shown.len() < BATCH {
                tokio::time::sleep(GATHERED_FOR).await;
            }
            // If it fails, nothing happens: the next request of the client confirms it again.
            if self.write_batch().await.is_err() {
                let batch = self.confirmations.batch();
                self.confirmations.forget(&batch);
            }
            let mut waiting = self.confirmations.lock();
            if waiting.shown.is_empty() {
                waiting.is_written = false;
                return;
            }
        }
    }

    async fn write_batch(&self) -> Result<(), StoreError> {
        let _alone = self.confirmations.writing.lock().await;
        let batch = self.confirmations.batch();
        if batch.is_empty() {
            return Ok(());
        }
        let step = Confirm(batch);
        self.carry_out(&step).await?;
        self.confirmations.forget(&step.0);
        Ok(())
    }

    /// Writes what waits.
    pub(super) async fn flush_confirmations(&self) -> Result<(), StoreError> {
        while !self.confirmations.lock().shown.is_empty() {
            self.write_batch().await?;
        }
        Ok(())
    }
}
