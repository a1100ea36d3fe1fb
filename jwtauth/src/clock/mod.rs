//! The only reader of the system time.
//!
//! Everything else gets its time from a [`Clock`], so a test can stop time, and all parts of one decision see
//! the same time.
//!
//! A clock may be wrong for a while and then be put right (R-9). So sessions live by a `Timeline`: the
//! clock, and a [`TimeMark`] that makes sure that time never goes back. What has expired stays expired, and
//! what is issued after a step back lives as long as it should.
//!
//! | the clock | the timeline |
//! |---|---|
//! | goes back | goes on from where it is, at the pace of the clock. The difference is kept |
//! | jumps ahead | jumps ahead |
//! | was behind, and is put right | goes on from where it is: what was kept of the difference is forgotten |
//!
//! What others read (`iat` and `exp` in tokens) and what others write is by the clock.
//!
//! Of a store that several processes use, `clock/shared_time.rs` has the rules. There a time may be dated
//! ahead, by a process whose clock was. It says nothing about how long ago that was.
//!
//! Times are whole seconds since the Unix epoch, UTC (NumericDate, RFC 7519, section 2).

mod shared_time;
mod timeline;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::shared_time::SharedTime;
pub(crate) use self::timeline::Timeline;

/// The last second of the year 9999: the latest that a token, a cookie or a record can name (J-14).
pub(crate) const LAST_SECOND: u64 = 253_402_300_799;

/// How far clocks may differ without a word, in seconds.
pub(crate) const SILENT: u64 = 60;

/// Returns how long ago something was that is dated `at`, in seconds. What is dated ahead by a minute at most
/// is just now.
///
/// `None` if it is dated ahead by more. A clock was wrong then, and nobody knows how long ago it was: never
/// take it for recent.
pub(crate) const fn seconds_since(at: u64, now: u64) -> Option<u64> {
    match at.checked_sub(now) {
        Some(ahead) if ahead > SILENT => None,
        _ => Some(now.saturating_sub(at)),
    }
}

/// Tells the time in whole seconds since the Unix epoch.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns now, in seconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> u64;

    /// Returns how many seconds have passed since some moment, by a clock that nobody sets. Default: by the
    /// system's own, since the machine was started. On Linux and Android it goes on while the machine sleeps.
    fn elapsed(&self) -> u64 {
        uptime().as_secs()
    }
}

/// Returns how long the machine has run, with the time that it slept: otherwise a machine that wakes up would
/// look like one whose clock was set.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn uptime() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    // It cannot fail: every kernel that the standard library runs on has this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Likewise, since this was called first, without the time that the machine slept on some systems.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn uptime() -> Duration {
    static SINCE: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    SINCE.get_or_init(std::time::Instant::now).elapsed()
}

/// Tells whether the clock of the system shows a time before 1970, for which sled has no word but a panic.
#[expect(clippy::disallowed_methods, reason = "no session lives by it")]
pub(crate) fn is_before_epoch() -> bool {
    SystemTime::now() < UNIX_EPOCH
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
pub struct ManualClock(Arc<ManualTime>);

#[derive(Debug)]
struct ManualTime {
    shows: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// Makes a clock that shows `now`, in Unix seconds.
    #[must_use]
    pub fn at(now: u64) -> Self {
        Self(Arc::new(ManualTime { shows: AtomicU64::new(now), elapsed: AtomicU64::new(0) }))
    }

    /// Lets the whole seconds of `by` pass.
    pub fn advance(&self, by: Duration) {
        self.0.elapsed.fetch_add(by.as_secs(), Ordering::SeqCst);
        self.0.shows.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Sets the clock to `now`, in Unix seconds; it may go back. No time passes.
    pub fn set(&self, now: u64) {
        self.0.shows.store(now, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.shows.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> u64 {
        self.0.elapsed.load(Ordering::SeqCst)
    }
}

/// What a store remembers of time, so that a clock that goes back brings nothing back. Shared by all who use
/// the store.
///
/// A store keeps both numbers with each commit, and [raises](Self::raise) them to what it has kept when it is
/// opened.
#[derive(Debug, Default)]
pub struct TimeMark {
    latest: AtomicU64,
    ahead: AtomicU64,
    /// What the clock showed last while it was behind, and the seconds that had passed then. Locked by those
    /// who change how far the time is ahead.
    seen: Mutex<Option<(u64, u64)>>,
    /// Of a store that several processes use.
    shared: Option<SharedTime>,
}

impl TimeMark {
    /// Makes one for a store that several processes use at the same moment.
    ///
    /// Each of them goes by its own clock then, and never before what the store has kept. The store keeps
    /// what is [news](Self::news) with a sweep, and [raises](Self::raise) the mark to what is kept by then.
    #[must_use]
    pub fn of_many() -> Self {
        Self { shared: Some(SharedTime::default()), ..Self::default() }
    }

    /// Returns what a store that several processes use is to keep, if there is something new: a time to which
    /// the clock of this process has kept for a while.
    #[must_use]
    pub fn news(&self) -> Option<u64> {
        self.shared.as_ref()?.news()
    }

    /// Returns the latest time that anything was decided by, in Unix seconds.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Returns how far that time is ahead of the clock, in seconds: by how much the clock was set back, in
    /// all.
    #[must_use]
    pub fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        // OK because every change under the lock is one assignment.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises both numbers. What is lower changes nothing. Of a store that several processes use, `latest` is
    /// what all of them know, and `ahead` is 0.
    pub fn raise(&self, latest: u64, ahead: u64) {
        if let Some(shared) = &self.shared {
            return shared.learn(latest);
        }
        self.ahead.fetch_max(ahead, Ordering::AcqRel);
        self.latest.fetch_max(latest, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-8: what is dated ahead is not recent.
    #[test]
    fn n_8_nobody_knows_how_long_ago_something_was_that_is_dated_ahead() {
        for (at, since) in [
            (0, Some(1_000)),
            (999, Some(1)),
            (1_000, Some(0)),
            (1_060, Some(0)),
            (1_061, None),
            (u64::MAX, None),
        ] {
            assert_eq!(seconds_since(at, 1_000), since, "{at}");
        }
    }
}
