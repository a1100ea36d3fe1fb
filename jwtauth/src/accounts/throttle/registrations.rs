//! How many accounts an address registers: some at once, and then one in a while.
//!
//! For each address one number is kept: when it may register as many at once as at the beginning. Each
//! registration puts that off by the time of one.

use std::collections::HashMap;
use std::time::Duration;

use super::{ROOM, Wait};

/// Where many clients may share one address, it waits the time divided by this.
const SHARED: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Registrations {
    at_once: u64,
    /// In milliseconds.
    every: u64,
    addresses: HashMap<u64, Address>,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    /// When it is as new, in milliseconds since the epoch.
    forgotten_at: u64,
    /// The same, when it was told last that it has to wait.
    told: u64,
}

/// A registration that was charged.
#[derive(Debug)]
#[must_use]
pub(in crate::accounts) struct Registered {
    key: u64,
    cost: u64,
}

impl Registrations {
    pub(super) fn new(at_once: u32, every: Duration) -> Self {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { at_once: at_once.into(), every, addresses: HashMap::new() }
    }

    /// Charges one, or says how long to wait. `now` is in seconds.
    pub(super) fn charge(&mut self, key: u64, is_shared: bool, now: u64) -> Result<Registered, Wait> {
        let now = now.saturating_mul(1000);
        let cost = if is_shared { (self.every / SHARED).max(1) } else { self.every };
        let most = cost.saturating_mul(self.at_once);
        if !self.addresses.contains_key(&key) {
            self.make_room(now);
        }
        let found = self.addresses.get(&key).copied().unwrap_or(Address { forgotten_at: now, told: 0 });
        // A clock that was set back must not make anybody wait longer than all of them take.
        let before = found.forgotten_at.clamp(now, now.saturating_add(most));
        let after = before.saturating_add(cost);
        let beyond = after.saturating_sub(now).saturating_sub(most);
        if beyond > 0 {
            let told = found.forgotten_at;
            self.addresses.insert(key, Address { told, ..found });
            return Err(Wait { seconds: beyond.div_ceil(1000).max(1), is_news: found.told != told });
        }
        self.addresses.insert(key, Address { forgotten_at: after, ..found });
        Ok(Registered { key, cost })
    }

    pub(super) fn refund(&mut self, registered: &Registered) {
        if let Some(address) = self.addresses.get_mut(&registered.key) {
            address.forgotten_at = address.forgotten_at.saturating_sub(registered.cost);
        }
    }

    /// When there is no room, drops the addresses that are as new, or else the eighth that soonest is.
    fn make_room(&mut self, now: u64) {
        if self.addresses.len() < ROOM {
            return;
        }
        self.addresses.retain(|_, address| address.forgotten_at > now);
        if self.addresses.len() >= ROOM {
            let mut soonest: Vec<_> =
                self.addresses.iter().map(|(key, address)| (address.forgotten_at, *key)).collect();
            soonest.select_nth_unstable(ROOM / 8);
            for (_, key) in &soonest[..ROOM / 8] {
                self.addresses.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }
}
