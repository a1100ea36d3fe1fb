//! How many accounts an address registers: some at once, and then one in a while.
//!
//! For each address one number is kept: when it may register as many at once as at the beginning. Each
//! registration puts that off by the time of one.

use std::time::Duration;

use super::Wait;
use crate::store::{Counter, CounterKey};

/// Where many clients may share one address, it waits the time divided by this.
const SHARED: u64 = 10;

/// How many an address registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registrations {
    at_once: u64,
    /// In milliseconds.
    every: u64,
}

/// The registrations of one address.
#[derive(Clone, Copy, Debug)]
struct Registrant {
    /// When it is as new, in milliseconds since the epoch.
    forgotten_at: u64,
    /// The same, when it was told last that it has to wait.
    told: u64,
}

impl Registrant {
    /// Reads what was kept. Anything else is none.
    fn read(counter: &Counter) -> Option<Self> {
        let (forgotten_at, told) = counter.bytes.split_first_chunk()?;
        let told = u64::from_be_bytes(told.try_into().ok()?);
        Some(Self { forgotten_at: u64::from_be_bytes(*forgotten_at), told })
    }

    fn counter(self) -> Counter {
        let numbers = [self.forgotten_at, self.told].map(u64::to_be_bytes);
        Counter::new(self.forgotten_at.div_ceil(1000), numbers.concat())
    }
}

/// A registration that was charged.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(in crate::accounts) struct Registered {
    pub(super) key: CounterKey,
    cost: u64,
}

impl Registrations {
    pub(super) fn new(at_once: u32, every: Duration) -> Self {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { at_once: at_once.into(), every }
    }

    /// Charges one, or says how long to wait. `now` is in seconds.
    pub(super) fn charge(
        self,
        key: CounterKey,
        kept: &mut Option<Counter>,
        is_shared: bool,
        now: u64,
    ) -> Result<Registered, Wait> {
        let now = now.saturating_mul(1000);
        let cost = if is_shared { (self.every / SHARED).max(1) } else { self.every };
        let most = cost.saturating_mul(self.at_once);
        let found = kept.as_ref().and_then(Registrant::read);
        let found = found.unwrap_or(Registrant { forgotten_at: now, told: 0 });
        // A clock that was ahead must not make anybody wait longer than all of them take. That is kept, or
        // the time would begin anew with each look.
        let before = found.forgotten_at.clamp(now, now.saturating_add(most));
        let after = before.saturating_add(cost);
        let beyond = after.saturating_sub(now).saturating_sub(most);
        if beyond > 0 {
            *kept = Some(Registrant { forgotten_at: before, told: before }.counter());
            return Err(Wait { seconds: beyond.div_ceil(1000).max(1), is_news: found.told != before });
        }
        *kept = Some(Registrant { forgotten_at: after, ..found }.counter());
        Ok(Registered { key, cost })
    }
}

impl Registered {
    pub(super) fn refund(self, kept: &mut Option<Counter>) {
        if let Some(found) = kept.as_ref().and_then(Registrant::read) {
            let forgotten_at = found.forgotten_at.saturating_sub(self.cost);
            *kept = Some(Registrant { forgotten_at, ..found }.counter());
        }
    }
}
