//! How many accounts an address registers: some at once, and then one in a while.
//!
//! For each address one number is kept: when it may register as many at once as at the beginning. Each
//! registration puts that off by the time of one.

use std::collections::HashMap;
use std::time::Duration;

use super::ROOM;

/// Where many clients may share one address, it waits the time divided by this.
const SHARED: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Registrations {
    at_once: u64,
    /// In milliseconds.
    every: u64,
    /// When each address is as new, in milliseconds since the epoch.
    forgotten_at: HashMap<u64, u64>,
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
        Self { at_once: at_once.into(), every, forgotten_at: HashMap::new() }
    }

    /// Charges one, or returns how many seconds to wait. `now` is in seconds.
    pub(super) fn charge(&mut self, key: u64, is_shared: bool, now: u64) -> Result<Registered, u64> {
        let now = now.saturating_mul(1000);
        let cost = if is_shared { (self.every / SHARED).max(1) } else { self.every };
        let most = cost.saturating_mul(self.at_once);
        if !self.forgotten_at.contains_key(&key) {
            self.make_room(now);
        }
        // A clock that was set back must not make anybody wait longer than all of them take.
        let before = self.forgotten_at.get(&key).map_or(now, |at| (*at).clamp(now, now.saturating_add(most)));
        let after = before.saturating_add(cost);
        let beyond = after.saturating_sub(now).saturating_sub(most);
        if beyond > 0 {
            return Err(beyond.div_ceil(1000).max(1));
        }
        self.forgotten_at.insert(key, after);
        Ok(Registered { key, cost })
    }

    pub(super) fn refund(&mut self, registered: &Registered) {
        if let Some(at) = self.forgotten_at.get_mut(&registered.key) {
            *at = at.saturating_sub(registered.cost);
        }
    }

    /// When there is no room, drops the addresses that are as new, or else the eighth that soonest is.
    fn make_room(&mut self, now: u64) {
        if self.forgotten_at.len() < ROOM {
            return;
        }
        self.forgotten_at.retain(|_, at| *at > now);
        if self.forgotten_at.len() >= ROOM {
            let mut soonest: Vec<_> = self.forgotten_at.iter().map(|(key, at)| (*at, *key)).collect();
            soonest.select_nth_unstable(ROOM / 8);
            for (_, key) in &soonest[..ROOM / 8] {
                self.forgotten_at.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.forgotten_at.len()
    }
}
