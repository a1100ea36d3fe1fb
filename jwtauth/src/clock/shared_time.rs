//! The time of a store that several processes use at the same moment, each with a clock of its own.
//!
//! The difference that one process keeps from a step back is no good here: a process whose clock was ahead
//! for a moment would live ahead of the others, and take their sessions for expired. So each process goes by
//! its clock, and never before a *floor*: the latest time that the store knows, and what has passed since it
//! was read. All processes read the same floor, so a clock that is set back brings nothing back.
//!
//! # Invariants
//!
//! 1. What a process lets the store keep, its clock has kept to for a while: a clock that is wrong for a
//!    moment raises nobody's floor.
//! 2. The floor never goes down, and goes on at the pace of the process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SharedTime {
    /// The latest time that the store knows.
    known: AtomicU64,
    /// The latest time that it may know of this process.
    steady: AtomicU64,
    /// Whether it was told that the clock is behind.
    pub(super) is_told: AtomicBool,
}

/// The time before which nothing is decided by one clock.
#[derive(Debug, Default)]
pub(super) struct Floor(Mutex<Reached>);

/// A time, and how many seconds had passed by that clock.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    time: u64,
    at: u64,
}

impl SharedTime {
    pub(super) fn learn(&self, known: u64) {
        self.known.fetch_max(known, Ordering::AcqRel);
    }

    /// Returns the latest time that the store knows; 0 if it knows none.
    pub(super) fn known(&self) -> u64 {
        self.known.load(Ordering::Acquire)
    }

    /// Returns the latest time to which a clock has kept; 0 if none has yet.
    pub(super) fn steady(&self) -> u64 {
        self.steady.load(Ordering::Acquire)
    }

    /// Notes a time to which the clock has kept.
    pub(super) fn keep(&self, steady: u64) {
        self.steady.fetch_max(steady, Ordering::AcqRel);
    }

    /// Returns what is news for the store.
    pub(super) fn news(&self) -> Option<u64> {
        let steady = self.steady();
        (steady > self.known()).then_some(steady)
    }
}

impl Floor {
    /// Returns it when so many seconds have passed. It is `known` at least.
    pub(super) fn after(&self, elapsed: u64, known: u64) -> u64 {
        // OK because every change under the lock is one assignment.
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = match reached.time {
            0 => 0,
            time => time.saturating_add(elapsed.saturating_sub(reached.at)),
        };
        if known <= time {
            return time;
        }
        *reached = Reached { time: known, at: elapsed };
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_8_the_floor_goes_on_and_what_the_store_knows_raises_it() {
        let (time, floor) = (SharedTime::default(), Floor::default());
        let after = |elapsed| floor.after(elapsed, time.known());
        assert_eq!((after(5), after(50), time.news()), (0, 0, None));
        time.learn(1_000);
        assert_eq!((after(50), after(60)), (1_000, 1_010));
        time.learn(1_005);
        assert_eq!(after(60), 1_010);
        time.learn(2_000);
        assert_eq!((after(70), after(69)), (2_000, 2_000));
        time.learn(1_500);
        assert_eq!(after(71), 2_001);
        time.keep(1_999);
        assert_eq!(time.news(), None);
        time.keep(2_001);
        assert_eq!(time.news(), Some(2_001));
    }
}
