//! Where accounts were logged in from before.
//!
//! Bounded for each account and for all. So nobody who logs in from many addresses pushes out what is known
//! of other accounts.

use std::collections::HashMap;

use super::ROOM;

/// How many addresses of one account are known.
const ADDRESSES: usize = 16;

#[derive(Debug, Default)]
pub(super) struct KnownAddresses {
    accounts: HashMap<u64, Vec<LoginPlace>>,
    len: usize,
}

/// Where an account was logged in from, and when last.
#[derive(Debug)]
struct LoginPlace {
    pair: u64,
    at: u64,
}

impl KnownAddresses {
    pub(super) fn contains(&self, account: u64, pair: u64) -> bool {
        self.accounts.get(&account).is_some_and(|places| places.iter().any(|place| place.pair == pair))
    }

    /// Notes a login. Of an account that has too many places the oldest one goes, and of too many in all the
    /// account that has not logged in for the longest time.
    pub(super) fn note(&mut self, account: u64, pair: u64, at: u64) {
        let places = self.accounts.entry(account).or_default();
        if let Some(place) = places.iter_mut().find(|place| place.pair == pair) {
            place.at = at;
        } else if places.len() < ADDRESSES {
            places.push(LoginPlace { pair, at });
            self.len += 1;
        } else if let Some(oldest) = places.iter_mut().min_by_key(|place| place.at) {
            *oldest = LoginPlace { pair, at };
        }
        while self.len > ROOM {
            let last = |places: &[LoginPlace]| places.iter().map(|place| place.at).max();
            let others = self.accounts.iter().filter(|(key, _)| **key != account);
            let Some(oldest) = others.min_by_key(|(_, places)| last(places)).map(|(key, _)| *key) else {
                return;
            };
            self.len -= self.accounts.remove(&oldest).map_or(0, |places| places.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M-3: one account with all addresses of the world has sixteen of them.
    #[test]
    fn m_3_an_account_pushes_out_its_own_addresses_only() {
        let mut known = KnownAddresses::default();
        for account in 0..100 {
            known.note(account, account, 1);
        }
        for pair in 1_000..1_000 + 2 * ROOM as u64 {
            known.note(7, pair, pair);
        }
        assert_eq!((known.len, known.accounts[&7].len()), (99 + ADDRESSES, ADDRESSES));
        assert!((0..100).all(|account| account == 7 || known.contains(account, account)));
        assert!(known.contains(7, 999 + 2 * ROOM as u64) && !known.contains(7, 1_000));
    }

    #[test]
    fn the_account_that_was_away_longest_goes_first() {
        let mut known = KnownAddresses::default();
        let all = ROOM as u64;
        for account in 0..=all {
            known.note(account, account, 1_000 + account);
        }
        assert_eq!(known.len, ROOM);
        assert!(!known.contains(0, 0) && known.contains(1, 1) && known.contains(all, all));
    }
}
