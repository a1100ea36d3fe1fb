//! How many accounts an address registers, a large network of addresses, and all addresses together: some at
//! once, and then one in a while.
//!
//! For each of them one number is kept: when it may register as many at once as at the beginning. Each
//! registration puts that off by the time of one.

use std::time::Duration;

use super::Wait;
use crate::store::{Counter, CounterKey};

/// Where many clients may share one address, it waits the time divided by this. A large network counts for as
/// many addresses.
const SHARED: u64 = 10;

/// How many an address registers, and all together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registrations {
    of_one: Rate,
    of_all: Rate,
}

/// So many at once, and then one in so many milliseconds.
#[derive(Clone, Copy, Debug)]
struct Rate {
    at_once: u64,
    every: u64,
}

impl Rate {
    fn new((at_once, every): (u32, Duration)) -> Self {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { at_once: at_once.into(), every }
    }
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

/// Whose registrations are counted together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    /// An address has one customer.
    One,
    /// Many clients may share the address: it waits a tenth of the time.
    Many,
    /// A large network of many addresses: what ten of them have.
    Network,
    /// All addresses that there are.
    All,
}

/// A registration that was charged, with what it has cost under each key.
#[derive(Clone, Debug)]
#[must_use]
pub(in crate::accounts) struct Registered(Vec<(CounterKey, u64)>);

impl Registrations {
    pub(super) fn new(of_one: (u32, Duration), of_all: (u32, Duration)) -> Self {
        Self { of_one: Rate::new(of_one), of_all: Rate::new(of_all) }
    }

    /// Charges one to each key, or to none, and says how long to wait. `now` is in seconds.
    pub(super) fn charge(
        self,
        shares: &[(CounterKey, Share)],
        kept: &mut [Option<Counter>],
        now: u64,
    ) -> Result<Registered, Wait> {
        let now = now.saturating_mul(1000);
        let (mut charged, mut costs, mut longest) = (Vec::new(), Vec::new(), None::<Wait>);
        for ((key, share), kept) in shares.iter().zip(kept.iter_mut()) {
            let (cost, most) = self.cost(*share);
            let found = kept.as_ref().and_then(Registrant::read);
            let found = found.unwrap_or(Registrant { forgotten_at: now, told: 0 });
            // A clock that was ahead must not make anybody wait longer than all of them take. That is kept,
            // or the time would begin anew with each look.
            let before = found.forgotten_at.clamp(now, now.saturating_add(most));
            let after = before.saturating_add(cost);
            let beyond = after.saturating_sub(now).saturating_sub(most);
            if beyond > 0 {
                *kept = Some(Registrant { forgotten_at: before, told: before }.counter());
                let wait = Wait { seconds: beyond.div_ceil(1000).max(1), is_news: found.told != before };
                longest = longest.filter(|longest| longest.seconds >= wait.seconds).or(Some(wait));
            }
            charged.push(Registrant { forgotten_at: after, ..found }.counter());
            costs.push((*key, cost));
        }
        if let Some(wait) = longest {
            return Err(wait);
        }
        for (kept, charged) in kept.iter_mut().zip(charged) {
            *kept = Some(charged);
        }
        Ok(Registered(costs))
    }

    /// Returns what one registration costs, and how much may be owed, in milliseconds.
    fn cost(self, share: Share) -> (u64, u64) {
        let Rate { at_once, every } = self.of_one;
        let shared = (every / SHARED).max(1);
        match share {
            Share::One => (every, every.saturating_mul(at_once)),
            Share::Many => (shared, shared.saturating_mul(at_once)),
            Share::Network => (shared, shared.saturating_mul(at_once).saturating_mul(SHARED)),
            Share::All => (self.of_all.every, self.of_all.every.saturating_mul(self.of_all.at_once)),
        }
    }
}

impl Registered {
    pub(super) fn keys(&self) -> Vec<CounterKey> {
        self.0.iter().map(|(key, _)| *key).collect()
    }

    /// Takes it back. The counters stand in the order of the keys.
    pub(super) fn refund(&self, kept: &mut [Option<Counter>]) {
        for ((_, cost), kept) in self.0.iter().zip(kept) {
            if let Some(found) = kept.as_ref().and_then(Registrant::read) {
                let forgotten_at = found.forgotten_at.saturating_sub(*cost);
                *kept = Some(Registrant { forgotten_at, ..found }.counter());
            }
        }
    }
}
