//! The failures of one key: how many, and how long one has to wait for them.

use super::Wait;
use crate::clock::SILENT;
use crate::store::Counter;

/// A failure that was charged and may be refunded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// The delay that it has caused ends then.
    until: u64,
    at: u64,
    /// Since when there was no other before it.
    since: Option<u64>,
    /// How many had begun with it.
    begun: u32,
}

/// What is known of a key. A key without failures has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    count: u32,
    since: u64,
    until: u64,
    /// The end of the delay that was told last.
    told: u64,
    /// How many attempts have begun since there were none, failed or not, without those that were refunded.
    begun: u32,
}

/// How failures of one kind of key are delayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The delay begins with this failure.
    pub(super) free: u32,
    /// One failure is forgiven in so many seconds without another.
    pub(super) forgiven: u64,
    pub(super) max_delay: u64,
}

impl Limit {
    /// Dates failures at `now` that are dated ahead: another process has counted them, and its clock was. The
    /// delay lasts as long as it should. To be kept, or it would begin anew with each look.
    pub(super) fn redate(self, kept: &mut Option<Failures>, now: u64) {
        let Some(failures) = kept else { return };
        if let Some(ahead) = failures.since.checked_sub(now).filter(|ahead| *ahead > SILENT) {
            failures.since = now;
            failures.until = failures.until.saturating_sub(ahead);
        }
        failures.until = failures.until.min(now.saturating_add(self.max_delay));
    }

    /// What is left of failures at `now`; `None` is nothing.
    fn left(self, failures: Failures, now: u64) -> Option<Failures> {
        let forgiven = now.saturating_sub(failures.since) / self.forgiven;
        // What has passed of the next one counts.
        let since = failures.since.saturating_add(forgiven.saturating_mul(self.forgiven));
        let count = failures.count.checked_sub(forgiven.try_into().ok()?).filter(|count| *count > 0)?;
        Some(Failures { count, since, ..failures })
    }

    pub(super) fn delay(self, failures: u32) -> u64 {
        match failures.checked_sub(self.free) {
            Some(more) => 1_u64.checked_shl(more).unwrap_or(u64::MAX).min(self.max_delay),
            None => 0,
        }
    }

    /// Returns how long to wait, if one has to.
    pub(super) fn wait(self, kept: &mut Option<Failures>, now: u64) -> Option<Wait> {
        let failures = kept.as_mut()?;
        let seconds = self.left(*failures, now)?.until.saturating_sub(now);
        let is_news = seconds > 0 && failures.told != failures.until;
        if is_news {
            failures.told = failures.until;
        }
        (seconds > 0).then_some(Wait { seconds, is_news })
    }

    pub(super) fn charge(self, kept: &mut Option<Failures>, now: u64) -> Charge {
        let left = kept.and_then(|failures| self.left(failures, now));
        let count = left.map_or(0, |left| left.count).saturating_add(1);
        let until = match self.delay(count) {
            0 => 0,
            delay => now.saturating_add(delay),
        };
        let told = left.map_or(0, |left| left.told);
        let begun = left.map_or(0, |left| left.begun).saturating_add(1);
        *kept = Some(Failures { count, since: now, until, told, begun });
        Charge { until, at: now, since: left.map(|left| left.since), begun }
    }

    /// Forgets what was counted up to an attempt that has succeeded. Those that have begun after it may fail,
    /// so they stay: otherwise one with the right password would have as many at once as they like.
    pub(super) fn forgive(self, kept: &mut Option<Failures>, succeeded: Charge) {
        let Some(failures) = kept else { return };
        failures.count = failures.count.min(failures.begun.saturating_sub(succeeded.begun));
        if self.delay(failures.count) == 0 {
            failures.until = 0;
        }
        if failures.count == 0 {
            *kept = None;
        }
    }

    /// Returns how many failures were not forgiven yet.
    pub(super) fn count(self, kept: Option<Failures>, now: u64) -> u32 {
        kept.and_then(|failures| self.left(failures, now)).map_or(0, |left| left.count)
    }

    /// Returns failures as they are kept, until all are forgiven.
    pub(super) fn counter(self, failures: Failures) -> Counter {
        let Failures { count, since, until, told, begun } = failures;
        let forgiven = since.saturating_add(self.forgiven.saturating_mul(count.into()));
        let numbers = [since, until, told].map(u64::to_be_bytes).concat();
        Counter::new(forgiven, [&count.to_be_bytes(), &numbers[..], &begun.to_be_bytes()].concat())
    }
}

impl Failures {
    /// Reads what was kept. Anything else is none.
    pub(super) fn read(counter: &Counter) -> Option<Self> {
        let (count, rest) = counter.bytes.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (told, begun) = rest.split_first_chunk()?;
        let [since, until, told] = [since, until, told].map(|bytes| u64::from_be_bytes(*bytes));
        let count = u32::from_be_bytes(*count);
        // An earlier layout has not kept it.
        let begun = if begun.is_empty() { count } else { u32::from_be_bytes(begun.try_into().ok()?) };
        Some(Self { count, since, until, told, begun })
    }
}

impl Charge {
    pub(super) fn refund(self, kept: &mut Option<Failures>) {
        let Some(failures) = kept else { return };
        failures.count = failures.count.saturating_sub(1);
        // Or a success would take it for one that is still under way.
        failures.begun = failures.begun.saturating_sub(1);
        // Whoever logs in puts off nothing that is forgiven to others.
        if let Some(since) = self.since.filter(|_| failures.since == self.at) {
            failures.since = since;
        }
        if failures.until == self.until {
            failures.until = 0;
        }
        if failures.count == 0 {
            *kept = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { free: 5, forgiven: 900, max_delay: 900 };

    /// S-16: who knows the password has no more attempts under way than others.
    #[test]
    fn s_16_a_success_forgets_nothing_that_is_under_way() {
        let mut kept = None;
        let mut running = std::collections::VecDeque::new();
        let mut most = 0;
        for _ in 0..1_000 {
            if LIMIT.wait(&mut kept, 100).is_none() {
                running.push_back(LIMIT.charge(&mut kept, 100));
            } else if let Some(first) = running.pop_front() {
                LIMIT.forgive(&mut kept, first);
            }
            most = most.max(running.len());
            kept = kept.map(|failures| Failures::read(&LIMIT.counter(failures)).unwrap());
        }
        assert_eq!(most, 5);
        // Of failures before it nothing is left, those after it stay.
        for failed_before in 0..5 {
            let mut kept = None;
            for _ in 0..failed_before {
                let _ = LIMIT.charge(&mut kept, 100);
            }
            let right = LIMIT.charge(&mut kept, 100);
            let failed_later = 5 - failed_before;
            for _ in 0..failed_later {
                let _ = LIMIT.charge(&mut kept, 100);
            }
            LIMIT.forgive(&mut kept, right);
            assert_eq!(LIMIT.count(kept, 100), failed_later);
            assert_eq!(LIMIT.wait(&mut kept, 100).is_some(), failed_later == 5);
        }
    }

    /// S-16: what came to nothing is not counted, in whatever order attempts end.
    #[test]
    fn s_16_a_success_among_attempts_that_came_to_nothing_leaves_no_failure() {
        for right in 0..4 {
            for refunded_first in 0..4 {
                let mut kept = None;
                let charges = [(); 4].map(|()| LIMIT.charge(&mut kept, 100));
                let others = (0..4).filter(|other| *other != right);
                let (first, later): (Vec<_>, Vec<_>) = others.partition(|other| *other < refunded_first);
                first.iter().for_each(|other| charges[*other].refund(&mut kept));
                LIMIT.forgive(&mut kept, charges[right]);
                later.iter().for_each(|other| charges[*other].refund(&mut kept));
                assert_eq!(kept, None, "attempt {right} succeeds, after {refunded_first} came to nothing");
            }
        }
        // Also those that began later.
        let mut kept = None;
        let [right, one, two] = [(); 3].map(|()| LIMIT.charge(&mut kept, 100));
        one.refund(&mut kept);
        LIMIT.forgive(&mut kept, right);
        two.refund(&mut kept);
        assert_eq!(kept, None);
    }

    /// N-8: another process has counted it, by a clock that was ahead. A minute says nothing.
    #[test]
    fn n_8_a_failure_that_is_dated_ahead_counts_from_now() {
        for (ahead, since, until) in [(0, 100, 102), (60, 160, 162), (61, 100, 102), (9_000, 100, 102)] {
            let mut kept = None;
            for _ in 0..6 {
                let _ = LIMIT.charge(&mut kept, 100 + ahead);
            }
            LIMIT.redate(&mut kept, 100);
            assert_eq!(
                kept.map(|failures| (failures.since, failures.until)),
                Some((since, until)),
                "{ahead}"
            );
        }
    }

    /// Half of the time after which a failure is forgiven is not lost with an attempt that came to nothing.
    #[test]
    fn what_has_passed_of_the_next_one_counts() {
        let mut kept = None;
        for _ in 0..2 {
            let _ = LIMIT.charge(&mut kept, 100);
        }
        assert_eq!([999, 1_000, 1_899, 1_900].map(|now| LIMIT.count(kept, now)), [2, 1, 1, 0]);
        LIMIT.charge(&mut kept, 1_450).refund(&mut kept);
        assert_eq!([1_450, 1_899, 1_900].map(|now| LIMIT.count(kept, now)), [1, 1, 0]);
    }

    /// A delay may be longer than its failures count.
    #[test]
    fn whoever_has_no_failures_left_does_not_wait() {
        let limit = Limit { free: 1, forgiven: 60, max_delay: 900 };
        let mut kept = None;
        for _ in 0..11 {
            let _ = limit.charge(&mut kept, 100);
        }
        assert_eq!(limit.wait(&mut kept, 100 + 659).map(|wait| wait.seconds), Some(241));
        assert_eq!(limit.wait(&mut kept, 100 + 660), None);
    }

    /// A client that asks all the time must not fill the log, also if one of its attempts comes to nothing.
    #[test]
    fn a_delay_is_news_once() {
        let (mut kept, mut last) = (None, None);
        for _ in 0..LIMIT.free {
            last = Some(LIMIT.charge(&mut kept, 100));
        }
        assert_eq!(LIMIT.wait(&mut kept, 100), Some(Wait { seconds: 1, is_news: true }));
        last.unwrap().refund(&mut kept);
        assert_eq!(LIMIT.wait(&mut kept, 100), None);
        let _ = LIMIT.charge(&mut kept, 100);
        assert_eq!(LIMIT.wait(&mut kept, 100), Some(Wait { seconds: 1, is_news: false }));
    }

    /// A counter of an earlier layout.
    #[test]
    fn what_an_earlier_layout_has_kept_is_read() {
        let mut bytes = 3_u32.to_be_bytes().to_vec();
        bytes.extend([100_u64, 0, 0].into_iter().flat_map(u64::to_be_bytes));
        let read = Failures::read(&Counter::new(9_999, bytes.clone())).unwrap();
        assert_eq!((read.count, read.begun, read.since), (3, 3, 100));
        bytes.push(0);
        assert_eq!(Failures::read(&Counter::new(9_999, bytes)), None);
    }
}
