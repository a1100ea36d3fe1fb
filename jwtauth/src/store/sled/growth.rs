//! When the data file of a store is so much larger than it could be that it is worth writing it anew. Plain
//! numbers.
//!
//! What is live is measured when the store is opened and when it is written anew. In between it is estimated
//! from the number of records, which costs nothing. Before anything is done it is measured once more.

use std::mem;
use std::ops::{Range, RangeInclusive};
use std::time::{Duration, Instant};

/// How large a new file is for each byte of its keys and values, if none was measured: that of 5,000 logins.
const USUAL: f64 = 3.25;
/// A file may be this many times as large as a new one,
const TIMES: f64 = 2.0;
/// or this many times, if new ones are larger than usual: sled cleans up behind itself when it has the time.
const TIMES_AT_LEAST: f64 = 1.5;
/// No file is too large below this: four segments of sled's log.
const SMALLEST: u64 = 2 * 1024 * 1024;
/// By how much a file seems to be too large before it is measured, in eighths.
const MARGIN: u64 = 9;
/// How many bytes of a file are taken for each record that was added since. If they are more, that is seen
/// when it is measured.
const ADDED: Range<u64> = 1_024..2_048;

/// How long nothing is done after the first failure, and after many.
const PAUSES: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(60 * 60);

/// How long nothing is done after a failure: twice as long after each that follows.
#[derive(Debug)]
pub(super) struct RetryPause(Duration);

impl Default for RetryPause {
    fn default() -> Self {
        Self(*PAUSES.start())
    }
}

impl RetryPause {
    /// Returns how long it is this time.
    pub(super) fn next(&mut self) -> Duration {
        let longer = (2 * self.0).min(*PAUSES.end());
        mem::replace(&mut self.0, longer)
    }
}

/// How large the data file may grow.
#[derive(Debug)]
pub(super) struct Growth {
    /// Smaller files are left alone.
    from: u64,
    /// How large a new file is, for each byte of its keys and values.
    factor: f64,
    /// How large the file could be when that was measured last, without being too large.
    limit: u64,
    /// How many sessions and accounts there were then.
    records: u64,
    /// Until then nothing is done.
    put_off: Option<Instant>,
}

impl Growth {
    /// Begins with a store whose keys and values have `payload` bytes.
    pub(super) fn new(from: u64, payload: u64, records: u64) -> Self {
        let mut growth = Self { from, factor: USUAL, limit: 0, records: 0, put_off: None };
        growth.measured(payload, records);
        growth
    }

    /// Says how many bytes keys and values have.
    pub(super) fn measured(&mut self, payload: u64, records: u64) {
        let times = (TIMES * self.factor.min(USUAL)).max(TIMES_AT_LEAST * self.factor);
        self.limit = ((payload as f64 * times) as u64).max(SMALLEST);
        self.records = records;
    }

    /// Says how large a file is that was just written.
    pub(super) fn rewritten(&mut self, file: u64, payload: u64, records: u64) {
        // One that is as small as a file can be says nothing of larger ones.
        self.factor = if file <= SMALLEST { USUAL } else { file as f64 / payload.max(1) as f64 };
        self.measured(payload, records);
    }

    /// Does nothing for a while.
    pub(super) fn put_off(&mut self, time: Duration) {
        self.put_off = Instant::now().checked_add(time);
    }

    /// Tells whether a file may be too large, so that it is worth measuring what is live.
    pub(super) fn seems_due(&self, file: u64, records: u64) -> bool {
        let each = self.limit / (self.records + 1);
        let limit = match records.checked_sub(self.records) {
            Some(added) => {
                self.limit.saturating_add(added.saturating_mul(each.clamp(ADDED.start, ADDED.end)))
            }
            None => each.saturating_mul(records + 1),
        };
        file >= self.from
            && file / MARGIN > limit.max(SMALLEST) / 8
            && self.put_off.is_none_or(|until| Instant::now() >= until)
    }

    /// Returns how large a new file is for keys and values of so many bytes, more or less.
    pub(super) fn new_size(&self, payload: u64) -> u64 {
        ((payload as f64 * self.factor) as u64).max(SMALLEST)
    }

    /// Tells whether a file is too large for what was measured.
    pub(super) fn is_due(&self, file: u64) -> bool {
        file >= self.from && file > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn small_files_are_left_alone_and_others_when_they_are_dense() {
        // It may have 26 MB, and 29 and a quarter before that is measured.
        let growth = Growth::new(8 * MB, 4 * MB, 999);
        assert_eq!((growth.new_size(4 * MB), growth.new_size(0)), (13 * MB, 2 * MB));
        assert!(growth.is_due(26 * MB + 1) && !growth.is_due(26 * MB));
        for (file, records, seems_due) in [
            (29 * MB, 999, false),
            (30 * MB, 999, true),
            // Small records may have been added, or large ones.
            (30 * MB, 1_999, false),
            (32 * MB, 1_999, true),
            // All of them were swept.
            (8 * MB - 1, 0, false),
            (8 * MB, 0, true),
        ] {
            assert_eq!(growth.seems_due(file, records), seems_due, "{file} {records}");
        }
    }

    #[test]
    fn each_failure_makes_the_pause_longer() {
        let mut pause = RetryPause::default();
        let minutes: Vec<_> = (0..9).map(|_| pause.next().as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn what_was_measured_counts() {
        let mut growth = Growth::new(MB, 4 * MB, 1_000);
        assert!(growth.seems_due(20 * MB, 500), "half of it seems to be free");
        growth.measured(4 * MB, 500);
        assert!(!growth.is_due(20 * MB) && !growth.seems_due(20 * MB, 500), "the records were small ones");
        growth.put_off(Duration::from_secs(3_600));
        assert!(!growth.seems_due(100 * MB, 500));
    }

    #[test]
    fn a_file_that_cannot_be_smaller_is_not_written_anew_again_and_again() {
        let mut growth = Growth::new(0, 4 * MB, 1_000);
        for (file, may_have) in [(40 * MB, 60 * MB), (12 * MB, 24 * MB), (5 * MB, 10 * MB), (MB, 26 * MB)] {
            growth.rewritten(file, 4 * MB, 1_000);
            assert!(growth.is_due(may_have + 9) && !growth.is_due(may_have), "{file}");
            assert!(!growth.seems_due(may_have, 1_000), "{file}");
        }
        // As after a weekend on which all sessions have expired.
        growth.rewritten(MB / 2, 60, 0);
        growth.measured(10 * MB, 10_000);
        assert!(growth.is_due(70 * MB), "{growth:?}");
        let empty = Growth::new(0, 0, 0);
        assert!(!empty.seems_due(2 * MB, 0) && !empty.is_due(2 * MB));
    }
}
