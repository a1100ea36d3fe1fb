//! The only reader of the system time.
//!
//! Everything else gets its time from a [`Clock`], so a test can stop time, and all parts of one decision see
//! the same time.
//!
//! Times are whole seconds since the Unix epoch, UTC (NumericDate, RFC 7519, section 2).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time in whole seconds since the Unix epoch.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns now, in seconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> u64 {
        // A clock before 1970 is broken; with 0 no token is valid yet.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// A clock that stands still until it is moved, for tests. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use jwtauth::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at(1_800_000_000);
/// let the_same = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(the_same.now(), 1_800_000_060);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Makes a clock that shows `now`, in Unix seconds.
    #[must_use]
    pub fn at(now: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now)))
    }

    /// Moves the clock forward by the whole seconds of `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Sets the clock to `now`, in Unix seconds; it may go back.
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
