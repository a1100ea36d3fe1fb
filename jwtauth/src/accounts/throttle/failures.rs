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
}

/// What is known of a key. A key without failures has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    count: u32,
    since: u64,
    until: u64,
    /// The end of the delay that was told last.
    told: u64,
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
        *kept = Some(Failures { count, since: now, until, told });
        Charge { until, at: now, since: left.map(|left| left.since) }
    }

    /// Returns how many failures were not forgiven yet.
    pub(super) fn count(self, kept: Option<Failures>, now: u64) -> u32 {
        kept.and_then(|failures| self.left(failures, now)).map_or(0, |left| left.count)
    }

    /// Returns failures as they are kept, until all are forgiven.
    pub(super) fn counter(self, failures: Failures) -> Counter {
        let Failures { count, since, until, told } = failures;
        let forgiven = since.saturating_add(self.forgiven.saturating_mul(count.into()));
        let numbers = [since, until, told].map(u64::to_be_bytes).concat();
        Counter::new(forgiven, [&count.to_be_bytes(), &numbers[..]].concat())
    }
}

impl Failures {
    /// Reads what was kept. Anything else is none.
    pub(super) fn read(counter: &Counter) -> Option<Self> {
        let (count, rest) = counter.bytes.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (until, told) = rest.split_first_chunk()?;
        let told = u64::from_be_bytes(told.try_into().ok()?);
        let [since, until] = [since, until].map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self { count: u32::from_be_bytes(*count), since, until, told })
    }
}

impl Charge {
    pub(super) fn refund(self, kept: &mut Option<Failures>) {
        let Some(failures) = kept else { return };
        failures.count = failures.count.saturating_sub(1);
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
