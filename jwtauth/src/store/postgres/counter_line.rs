//! Where changes of counters wait for a connection. Strangers cause them, before anything is known of them,
//! and all of an address wait for one row. So they have a part of the connections, and the rest is for those
//! who are logged in.
//!
//! # Invariants
//!
//! 1. A change has a connection only together with a place, from before it takes it to after its commit.
//! 2. The number of those that wait is bounded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{PostgresError, StoreError};

/// What part of the connections may change counters at the same time.
const SHARE: usize = 4;

/// How many wait for that at most.
const WAITING: usize = 256;

pub(super) struct CounterLine {
    places: usize,
    /// Those that have a connection, and those that wait.
    all: Arc<Semaphore>,
    /// First come, first served.
    turns: Arc<Semaphore>,
}

/// A place, until it is dropped.
pub(super) struct CounterPlace {
    _all: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl CounterLine {
    pub(super) fn new(connections: usize) -> Self {
        let places = (connections / SHARE).max(1);
        let all = Arc::new(Semaphore::new(places + WAITING));
        Self { places, all, turns: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for a place as long as anybody should.
    pub(super) async fn wait(&self, limit: Duration) -> Result<CounterPlace, StoreError> {
        let busy = |after| StoreError::from(PostgresError::Busy { size: self.places, after });
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| busy(Duration::ZERO))?;
        let turn = timeout(limit, Arc::clone(&self.turns).acquire_owned()).await;
        // OK because nobody closes it.
        let turn = turn.map_err(|_| busy(limit))?.map_err(|_| StoreError::Closed)?;
        Ok(CounterPlace { _all: all, _turn: turn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a quarter of the connections, and no more than wait in a line.
    #[tokio::test]
    async fn r_21_a_part_of_the_connections_and_a_line_of_bounded_length() {
        for (connections, places) in [(1, 1), (7, 1), (8, 2), (16, 4)] {
            let line = Arc::new(CounterLine::new(connections));
            let limit = Duration::from_secs(60);
            let mut held = Vec::new();
            for _ in 0..places {
                held.push(line.wait(limit).await.ok().unwrap());
            }
            assert!(
                line.wait(Duration::from_millis(1)).await.is_err(),
                "{connections}: nobody waits for ever"
            );
            let mut waiting = tokio::task::JoinSet::new();
            for _ in 0..WAITING {
                let line = Arc::clone(&line);
                waiting.spawn(async move { line.wait(limit).await.is_ok() });
            }
            while line.all.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            assert!(line.wait(limit).await.is_err(), "{connections}: the line is full");
            drop(held);
            assert!(
                waiting.join_all().await.into_iter().all(|is_in| is_in),
                "{connections}: they take turns"
            );
        }
    }
}
