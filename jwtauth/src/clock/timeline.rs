//! The time that sessions live by: what the clock shows, and what the store remembers. The table of the
//! parent says what becomes of a clock that is set.
//!
//! # Invariants
//!
//! 1. In a store of one process the time never goes back.
//! 2. In a store of several it goes back by more than a minute only, to the time of the others.
//! 3. Nothing of a store of several is deleted by a time to which the clock has not kept for a while.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::shared_time::{Floor, SharedTime};
use super::{Clock, SILENT, TimeMark, uptime};

/// How far two whole numbers of seconds may be from what has passed.
const INEXACT: u64 = 2;

/// By how much the time may go on faster than the clock of the process before a sweep looks twice, in
/// seconds.
const EXPLAINED: u64 = 60 * 60;

/// The clock of sessions.
pub(crate) struct Timeline {
    clock: Arc<dyn Clock>,
    mark: Arc<TimeMark>,
    look: Mutex<LastLook>,
    /// Of a store that several processes use.
    floor: Floor,
    /// The latest time there to which this clock, or another one of this process, has kept.
    kept: Floor,
    /// Hears by how many seconds the clock was set back, if that is more than a minute.
    set_back: Box<dyn Fn(u64) + Send + Sync>,
}

/// When somebody looked whether the clock has jumped ahead.
struct LastLook {
    time: u64,
    /// The [`uptime`] then.
    at: Duration,
    /// What had passed by the clock.
    elapsed: u64,
}

impl Timeline {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        mark: Arc<TimeMark>,
        set_back: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        // By the clock of a process that starts nobody knows how much time has passed.
        let time = match mark.shared.as_ref().map_or_else(|| mark.latest(), SharedTime::known) {
            0 => clock.now(),
            latest => latest,
        };
        let look = Mutex::new(LastLook { time, at: uptime(), elapsed: clock.elapsed() });
        let (floor, kept) = (Floor::default(), Floor::default());
        Self { clock, mark, look, floor, kept, set_back: Box::new(set_back) }
    }

    #[cfg(feature = "poem-session")]
    pub(crate) fn mark(&self) -> &Arc<TimeMark> {
        &self.mark
    }

    /// Returns now, in Unix seconds. It is never before what this has returned, except for a
    /// [shared store](TimeMark::of_many), and by more than a minute there.
    pub(crate) fn now(&self) -> u64 {
        if let Some(shared) = &self.mark.shared {
            return self.now_of_many(shared);
        }
        let (ahead, latest) = (self.mark.ahead(), self.mark.latest());
        let reading = self.clock.now().saturating_add(ahead);
        if reading > latest && ahead > 0 {
            self.go_on()
        } else if reading > latest {
            self.mark.raise(reading, 0);
            reading
        } else if reading == latest {
            latest
        } else {
            self.follow()
        }
    }

    /// Returns what the clock shows, in Unix seconds, whatever was known before.
    pub(crate) fn shown(&self) -> u64 {
        self.clock.now()
    }

    /// Returns how far this time is ahead of the clock, in seconds.
    pub(crate) fn ahead(&self) -> u64 {
        self.mark.ahead()
    }

    /// Likewise, for times that are written into tokens. Of a store that several processes use it is 0: the
    /// others are right, and each writes the same token.
    pub(crate) fn ahead_in_tokens(&self) -> u64 {
        if self.mark.shared.is_some() { 0 } else { self.ahead() }
    }

    /// Tells whether the clock of the process has gone on as far as this time, since this was asked last. If
    /// not, returns by how many seconds it is behind.
    pub(crate) fn explains(&self, now: u64) -> Result<(), u64> {
        // OK because every change under the lock is one assignment.
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let explained = look.time.saturating_add(uptime().saturating_sub(look.at).as_secs());
        if let Some(shared) = &self.mark.shared {
            let passed = self.clock.elapsed().saturating_sub(look.elapsed);
            if now.abs_diff(look.time.saturating_add(passed)) <= SILENT {
                shared.keep(now);
            }
        }
        *look = LastLook { time: now, at: uptime(), elapsed: self.clock.elapsed() };
        // `now` is before `explained` if the clock is slow.
        let jump = now.saturating_sub(explained);
        if jump <= EXPLAINED { Ok(()) } else { Err(jump) }
    }

    /// Returns the time by which something may be deleted, at `now`. What has expired by it is over for
    /// everybody who uses the store.
    ///
    /// For a [shared store](TimeMark::of_many) it is what the store knows or to which the clock has kept for
    /// a while ([`Self::explains`]), and what has passed since. A clock that is ahead for a moment, or when
    /// the process starts, deletes nothing.
    pub(crate) fn settled(&self, now: u64) -> u64 {
        let Some(shared) = &self.mark.shared else { return now };
        let elapsed = self.clock.elapsed();
        let floor = self.floor.after(elapsed, shared.known());
        self.kept.after(elapsed, shared.steady()).max(floor).min(now)
    }

    /// Returns now for a store that several processes use.
    fn now_of_many(&self, shared: &SharedTime) -> u64 {
        let (clock, floor) = (self.clock.now(), self.floor.after(self.clock.elapsed(), shared.known()));
        let latest = self.mark.latest();
        let now = match clock.max(floor) {
            // The clock catches up soon.
            now if now < latest && latest - now <= SILENT => latest,
            now => now,
        };
        self.mark.ahead.store(now.saturating_sub(clock), Ordering::Release);
        // Another thread may have read the clock later.
        let is_set =
            self.mark.latest.compare_exchange(latest, now, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_set && now < latest {
            (self.set_back)(latest - now);
        } else if floor > clock.saturating_add(SILENT) && !shared.is_told.swap(true, Ordering::Relaxed) {
            (self.set_back)(floor - clock);
        }
        now
    }

    /// Goes on from where it is, at the pace of a clock that was set back.
    fn follow(&self) -> u64 {
        // One thread at a time. It reads the clock anew, because it may have been stopped since it read it.
        let mut seen = self.mark.lock();
        let (clock, ahead, latest) = (self.clock.now(), self.mark.ahead(), self.mark.latest());
        *seen = Some((clock, self.clock.elapsed()));
        let reading = clock.saturating_add(ahead);
        let by = latest.saturating_sub(reading);
        if by > 0 {
            self.mark.raise(latest, ahead.saturating_add(by));
        }
        drop(seen);
        if by > SILENT {
            (self.set_back)(by);
        }
        latest.max(reading)
    }

    /// Goes on with a clock that was set back before. If it is put forward again, by more than the time that
    /// has passed, the difference that was kept gets smaller by that: otherwise the time would jump, and
    /// every session would expire.
    ///
    /// A machine that starts without a clock is an example. After a restart nobody knows how much time has
    /// passed. A clock that is not behind then counts as right.
    fn go_on(&self) -> u64 {
        let mut seen = self.mark.lock();
        let (clock, ahead, latest) = (self.clock.now(), self.mark.ahead(), self.mark.latest());
        let elapsed = self.clock.elapsed();
        let put_forward = match seen.replace((clock, elapsed)) {
            Some((before, at)) => clock.saturating_sub(before).saturating_sub(elapsed.saturating_sub(at)),
            None if clock >= latest => ahead,
            None => 0,
        };
        let kept = if put_forward > INEXACT { ahead.saturating_sub(put_forward) } else { ahead };
        let now = latest.max(clock.saturating_add(kept));
        self.mark.ahead.store(kept.max(now.saturating_sub(clock).min(ahead)), Ordering::Release);
        self.mark.raise(now, 0);
        now
    }
}

impl Clock for Timeline {
    fn now(&self) -> u64 {
        Self::now(self)
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline")
            .field("clock", &self.clock)
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn n_8_time_never_goes_back_and_goes_on_with_the_clock() {
        let clock = ManualClock::at(1_000_000);
        let mark = Arc::<TimeMark>::default();
        let steps = Arc::<Mutex<Vec<u64>>>::default();
        let told = Arc::clone(&steps);
        let time = Timeline::new(Arc::new(clock.clone()), Arc::clone(&mark), move |by| {
            told.lock().unwrap().push(by);
        });
        for (passed, shows, now, ahead) in [
            (0, 1_000_000, 1_000_000, 0),
            (0, 1_007_200, 1_007_200, 0),
            (0, 1_007_140, 1_007_200, 60),
            (10, 1_007_150, 1_007_210, 60),
            (0, 1_000_000, 1_007_210, 7_210),
            (300, 1_000_300, 1_007_510, 7_210),
            (0, 0, 1_007_510, 1_007_510),
            (5, 5, 1_007_515, 1_007_510),
            (1_000_000, 1_000_005, 2_007_515, 1_007_510),
        ] {
            clock.advance(Duration::from_secs(passed));
            clock.set(shows);
            assert_eq!((time.now(), time.ahead()), (now, ahead), "the clock shows {shows}");
        }
        assert_eq!(*steps.lock().unwrap(), [7_150, 1_000_300]);
        // The program starts again.
        clock.set(1_000_006);
        let time = Timeline::new(Arc::new(clock.clone()), Arc::clone(&mark), |_| ());
        assert_eq!(time.now(), 2_007_516);
    }

    /// A machine without a clock starts in 1970, and hears the time some seconds later.
    #[test]
    fn n_8_time_does_not_jump_when_a_clock_that_was_behind_is_put_right() {
        for slow in [0, 1, 2] {
            let clock = ManualClock::at(1_800_000_000);
            let mark = Arc::<TimeMark>::default();
            let time = Timeline::new(Arc::new(clock.clone()), Arc::clone(&mark), |_| ());
            assert_eq!(time.now(), 1_800_000_000);
            clock.set(0);
            assert_eq!(time.now(), 1_800_000_000);
            clock.advance(Duration::from_secs(20));
            assert_eq!((time.now(), time.ahead()), (1_800_000_020, 1_800_000_000));
            clock.set(1_800_000_020 - slow);
            assert_eq!((time.now(), time.ahead()), (1_800_000_020, slow));
            clock.advance(Duration::from_secs(10));
            assert_eq!((time.now(), time.ahead()), (1_800_000_030, slow));
        }
        // It was put right while the program was stopped.
        let (clock, mark) = (ManualClock::at(1_800_000_900), TimeMark::default());
        mark.raise(1_800_000_000, 1_700_000_000);
        let time = Timeline::new(Arc::new(clock), Arc::new(mark), |_| ());
        assert_eq!((time.now(), time.ahead()), (1_800_000_900, 0));
    }

    /// Of many processes one has a clock that is wrong for a moment. It must not live ahead of the others.
    #[test]
    fn n_8_of_many_processes_each_goes_by_its_clock_and_by_what_the_store_knows() {
        let clock = ManualClock::at(1_000_000);
        let mark = Arc::new(TimeMark::of_many());
        let steps = Arc::<Mutex<Vec<u64>>>::default();
        let told = Arc::clone(&steps);
        let time = Timeline::new(Arc::new(clock.clone()), Arc::clone(&mark), move |by| {
            told.lock().unwrap().push(by);
        });
        let at = |passed, shows, now, ahead| {
            clock.advance(Duration::from_secs(passed));
            clock.set(shows);
            assert_eq!((time.now(), time.ahead()), (now, ahead), "the clock shows {shows}");
        };
        at(0, 1_000_000, 1_000_000, 0);
        at(0, 1_086_400, 1_086_400, 0);
        at(0, 1_000_001, 1_000_001, 0);
        // A step back that is small is waited for.
        at(0, 999_951, 1_000_001, 50);
        at(60, 1_000_061, 1_000_061, 0);
        assert_eq!((time.explains(time.now()), mark.news()), (Ok(()), Some(1_000_061)));
        // Wrong when the sweep looks: it is not kept.
        at(0, 1_086_400, 1_086_400, 0);
        assert_eq!((time.explains(time.now()).is_err(), mark.news()), (true, Some(1_000_061)));
        at(60, 1_000_121, 1_000_121, 0);
        assert_eq!((time.explains(time.now()), mark.news()), (Ok(()), Some(1_000_061)));
        at(60, 1_000_181, 1_000_181, 0);
        assert_eq!((time.explains(time.now()), mark.news()), (Ok(()), Some(1_000_181)));
        assert_eq!(time.settled(time.now()), 1_000_181);
        // Ahead by less than a sweep asks about: nothing is deleted by that.
        at(10, 1_003_191, 1_003_191, 0);
        assert_eq!((time.explains(time.now()), mark.news()), (Ok(()), Some(1_000_181)));
        assert_eq!(time.settled(time.now()), 1_000_191);
        at(0, 1_000_181, 1_000_181, 0);
        assert_eq!(time.settled(time.now()), 1_000_181);
        // The store has kept it. A clock that is set back brings nothing back.
        mark.raise(1_000_181, 0);
        assert_eq!(mark.news(), None);
        at(0, 993_000, 1_000_181, 7_181);
        at(10, 993_010, 1_000_191, 7_181);
        // Another process is ahead.
        mark.raise(1_000_500, 0);
        at(0, 993_010, 1_000_500, 7_490);
        // It is put right.
        at(0, 1_000_510, 1_000_510, 0);
        assert_eq!(*steps.lock().unwrap(), [86_399, 86_279, 3_010, 7_181]);
        // A process that starts with a clock of its own.
        let clock = ManualClock::at(1_086_400);
        let time = Timeline::new(Arc::new(clock.clone()), Arc::clone(&mark), |_| ());
        assert_eq!((time.now(), time.settled(time.now())), (1_086_400, 1_000_500));
        clock.advance(Duration::from_secs(60));
        assert_eq!((time.explains(time.now()).is_err(), time.settled(time.now())), (true, 1_000_560));
    }

    #[test]
    fn n_8_a_jump_ahead_is_told_once() {
        let clock = ManualClock::at(1_000_000);
        let time = Timeline::new(Arc::new(clock.clone()), Arc::default(), |_| ());
        for (by, told) in
            [(0, Ok(())), (3_600, Ok(())), (3_700, Err(3_700)), (0, Ok(())), (86_400, Err(86_400))]
        {
            clock.advance(Duration::from_secs(by));
            assert_eq!(time.explains(time.now()), told, "{by}");
        }
        // The mark of a store that was closed long ago.
        let mark = TimeMark::default();
        mark.raise(1_000, 0);
        let time = Timeline::new(Arc::new(clock), Arc::new(mark), |_| ());
        assert!(time.explains(time.now()).is_err() && time.explains(time.now()).is_ok());
    }
}
