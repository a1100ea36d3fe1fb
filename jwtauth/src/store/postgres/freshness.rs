//! How long a record that was read may be used again, if the application allows that: `max_staleness`.
//!
//! # Invariants
//!
//! 1. Without `max_staleness` nothing is used again.
//! 2. The stamp of a record never returns to a number that it had. It changes after at most `max_staleness`,
//!    also if the machine slept meanwhile, and with each change that this process makes to the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, TimeMark};
use crate::id::SessionId;

/// How many counters there are. Sessions share them: a change of one makes some others be read once more.
const COUNTERS: usize = 1_024;

/// Which records a change may have touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// None that a request relies on.
    Nothing,
    One(SessionId),
    /// Those of one subject, or nobody knows which.
    Any,
}

pub(super) struct Freshness {
    /// In milliseconds; 0 for none.
    limit: u64,
    /// How long the machine had run then, with the time that it slept where the system tells that.
    start: Duration,
    /// The time of the application, which goes on while the machine sleeps on any system. It may go back.
    time: Arc<TimeMark>,
    /// How many windows there were at its latest.
    latest: AtomicU64,
    of_some: Box<[AtomicU64]>,
    of_all: AtomicU64,
}

impl Freshness {
    pub(super) fn new(limit: Duration, time: Arc<TimeMark>) -> Self {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let counters = if limit == 0 { 0 } else { COUNTERS };
        Self {
            limit,
            start: clock::uptime(),
            time,
            latest: AtomicU64::new(0),
            of_some: (0..counters).map(|_| AtomicU64::new(0)).collect(),
            of_all: AtomicU64::new(0),
        }
    }

    /// Returns what stands for the record as it is now.
    pub(super) fn stamp(&self, id: SessionId) -> Option<u64> {
        self.stamp_after(clock::uptime().saturating_sub(self.start), id)
    }

    /// Likewise, so long after the start. None of the numbers in the sum ever goes down.
    fn stamp_after(&self, elapsed: Duration, id: SessionId) -> Option<u64> {
        let counter = self.counter(id)?;
        // Not all sessions are read anew at the same moment.
        let elapsed = u64::try_from(elapsed.as_millis()).ok()? + number(id) % self.limit;
        let windows = elapsed / self.limit;
        let seconds = self.limit.div_ceil(1_000);
        let reached = self.time.latest() / seconds;
        let latest = self.latest.load(Ordering::Acquire);
        // Written when it rises only: each request asks for this.
        let clock_windows = if reached > latest {
            self.latest.fetch_max(reached, Ordering::AcqRel).max(reached)
        } else {
            latest
        };
        let changes = counter.load(Ordering::Acquire) + self.of_all.load(Ordering::Acquire);
        Some(windows + clock_windows + changes)
    }

    /// Notes a change of this process, when it was made and before anybody hears of it.
    pub(super) fn changed(&self, touched: Touched) {
        let counter = match touched {
            Touched::Nothing => None,
            Touched::One(id) => self.counter(id),
            Touched::Any => Some(&self.of_all),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn counter(&self, id: SessionId) -> Option<&AtomicU64> {
        self.of_some.get(number(id) as usize % COUNTERS)
    }
}

/// Ids are random, so a part of one is as good as a hash.
pub(super) fn number(id: SessionId) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1_500);

    fn id(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 16])
    }

    #[test]
    fn r_20_a_stamp_lasts_as_long_as_is_allowed_and_never_comes_back() {
        let fresh = Freshness::new(LIMIT, Arc::default());
        let stamp = |at| fresh.stamp_after(Duration::from_millis(at), id(7)).unwrap();
        let (mut since, mut last, mut longest) = (0, stamp(0), 0);
        for at in (0..10_000).step_by(10) {
            let now = stamp(at);
            assert!(now >= last);
            if now > last {
                (since, last) = (at, now);
            }
            longest = longest.max(at - since);
        }
        assert_eq!(longest, 1_490);
    }

    #[test]
    fn r_20_a_change_of_this_process_and_a_sleep_of_the_machine_change_it() {
        let time = Arc::<TimeMark>::default();
        time.raise(1_000, 0);
        let fresh = Freshness::new(LIMIT, Arc::clone(&time));
        let stamps = || [1, 2].map(|byte| fresh.stamp_after(Duration::ZERO, id(byte)).unwrap());
        let before = stamps();
        fresh.changed(Touched::Nothing);
        assert_eq!(stamps(), before);
        fresh.changed(Touched::One(id(1)));
        assert_eq!(stamps(), [before[0] + 1, before[1]]);
        fresh.changed(Touched::Any);
        assert_eq!(stamps(), [before[0] + 2, before[1] + 1]);
        time.raise(1_002, 0);
        assert_eq!(stamps(), [before[0] + 3, before[1] + 2]);
    }

    #[test]
    fn r_20_without_a_limit_there_is_no_stamp() {
        let fresh = Freshness::new(Duration::ZERO, Arc::default());
        fresh.changed(Touched::One(id(1)));
        assert_eq!(fresh.stamp(id(1)), None);
    }
}
