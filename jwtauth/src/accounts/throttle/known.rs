//! Where an account was logged in from before.
//!
//! Bounded for each account. So nobody who logs in from many addresses pushes out what is known of other
//! accounts.

use crate::store::{Counter, CounterKey};

/// How many addresses of one account are known.
const ADDRESSES: usize = 16;

/// How long a place without a login is remembered, in seconds: 90 days.
const REMEMBERED: u64 = 90 * 24 * 60 * 60;

/// The name of an account at an address.
type Pair = [u8; CounterKey::NAME];

/// How many bytes a place takes.
const PLACE: usize = CounterKey::NAME + 8;

/// The places of one account.
#[derive(Debug, Default)]
pub(super) struct KnownAddresses(Vec<LoginPlace>);

/// Where an account was logged in from, and when last.
#[derive(Clone, Copy, Debug)]
struct LoginPlace {
    pair: Pair,
    at: u64,
}

impl LoginPlace {
    const fn is_remembered(&self, now: u64) -> bool {
        now < self.at.saturating_add(REMEMBERED)
    }
}

impl KnownAddresses {
    /// Reads what was kept. Anything else is no place.
    pub(super) fn read(counter: Option<&Counter>) -> Self {
        let bytes = counter.map_or(&[][..], |counter| &counter.bytes);
        let places = bytes.chunks_exact(PLACE).filter_map(|place| {
            let (pair, at) = place.split_first_chunk()?;
            Some(LoginPlace { pair: *pair, at: u64::from_be_bytes(at.try_into().ok()?) })
        });
        Self(places.collect())
    }

    pub(super) fn contains(&self, pair: &Pair, now: u64) -> bool {
        self.0.iter().any(|place| place.pair == *pair && place.is_remembered(now))
    }

    /// Notes a login. Of too many places the oldest one goes.
    pub(super) fn note(&mut self, pair: Pair, at: u64) {
        let places = &mut self.0;
        places.retain(|place| place.is_remembered(at));
        if let Some(place) = places.iter_mut().find(|place| place.pair == pair) {
            place.at = at;
        } else if places.len() < ADDRESSES {
            places.push(LoginPlace { pair, at });
        } else if let Some(oldest) = places.iter_mut().min_by_key(|place| place.at) {
            *oldest = LoginPlace { pair, at };
        }
    }

    /// Returns the places as they are kept.
    pub(super) fn counter(&self) -> Option<Counter> {
        let last = self.0.iter().map(|place| place.at).max()?;
        let bytes = self.0.iter().flat_map(|place| place.pair.into_iter().chain(place.at.to_be_bytes()));
        Some(Counter::new(last.saturating_add(REMEMBERED), bytes.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M-3: one account with all addresses of the world has sixteen of them.
    #[test]
    fn m_3_an_account_pushes_out_its_own_addresses_only() {
        let mut counter = None;
        for number in 0..1_000_u64 {
            let mut known = KnownAddresses::read(counter.as_ref());
            known.note(u128::from(number).to_be_bytes(), 1_000 + number);
            counter = known.counter();
        }
        let known = KnownAddresses::read(counter.as_ref());
        assert_eq!(known.0.len(), ADDRESSES);
        let contains = |number: u128, now| known.contains(&number.to_be_bytes(), now);
        assert!(contains(999, 2_000) && !contains(900, 2_000));
        assert_eq!(counter.unwrap().expires_at, 1_999 + 90 * 86_400);
        assert!(contains(990, 1_989 + REMEMBERED) && !contains(990, 1_990 + REMEMBERED));
        assert!(KnownAddresses::read(None).counter().is_none());
    }
}
