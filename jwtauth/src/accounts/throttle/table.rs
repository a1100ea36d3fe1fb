//! Failures by key: how many, how long one has to wait for them, and which are forgotten when there is no
//! room.

use std::collections::HashMap;

use super::{ROOM, Wait};

/// A failure that was charged and may be refunded.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) key: u64,
    /// The delay that it has caused ends then.
    until: u64,
}

#[derive(Debug, Default)]
pub(super) struct Table(pub(super) HashMap<u64, Attempts>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    failures: u32,
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
    /// What is left of an entry at `now`; `None` is nothing.
    fn left(self, entry: Attempts, now: u64) -> Option<Attempts> {
        let forgiven = now.saturating_sub(entry.since) / self.forgiven;
        let failures =
            entry.failures.checked_sub(forgiven.try_into().ok()?).filter(|failures| *failures > 0)?;
        // A clock that was set back must not make anybody wait longer than a delay lasts.
        let until = entry.until.min(now.saturating_add(self.max_delay));
        Some(Attempts { failures, until, ..entry })
    }

    pub(super) fn delay(self, failures: u32) -> u64 {
        match failures.checked_sub(self.free) {
            Some(more) => 1_u64.checked_shl(more).unwrap_or(u64::MAX).min(self.max_delay),
            None => 0,
        }
    }
}

impl Table {
    /// Returns how long a key has to wait, if it has to.
    pub(super) fn wait(&mut self, key: u64, now: u64, limit: Limit) -> Option<Wait> {
        let entry = self.0.get_mut(&key)?;
        let seconds = limit.left(*entry, now)?.until.saturating_sub(now);
        let is_news = seconds > 0 && entry.told != entry.until;
        if is_news {
            entry.told = entry.until;
        }
        (seconds > 0).then_some(Wait { seconds, is_news })
    }

    pub(super) fn charge(&mut self, key: u64, now: u64, limit: Limit) -> Charge {
        if !self.0.contains_key(&key) {
            self.make_room(now, limit);
        }
        let left = self.0.get(&key).and_then(|entry| limit.left(*entry, now));
        let failures = left.map_or(0, |entry| entry.failures).saturating_add(1);
        let until = match limit.delay(failures) {
            0 => 0,
            delay => now.saturating_add(delay),
        };
        let told = left.map_or(0, |entry| entry.told);
        self.0.insert(key, Attempts { failures, since: now, until, told });
        Charge { key, until }
    }

    pub(super) fn refund(&mut self, charge: &Charge) {
        let Some(entry) = self.0.get_mut(&charge.key) else { return };
        entry.failures = entry.failures.saturating_sub(1);
        if entry.until == charge.until {
            entry.until = 0;
        }
        if entry.failures == 0 {
            self.0.remove(&charge.key);
        }
    }

    /// Returns how many failures of a key were not forgiven yet.
    pub(super) fn failures(&self, key: u64, now: u64, limit: Limit) -> u32 {
        self.0.get(&key).and_then(|entry| limit.left(*entry, now)).map_or(0, |left| left.failures)
    }

    /// When the table is full, drops forgiven entries, or else the eighth with the fewest failures, the
    /// oldest first.
    fn make_room(&mut self, now: u64, limit: Limit) {
        if self.0.len() < ROOM {
            return;
        }
        self.0.retain(|_, entry| limit.left(*entry, now).is_some());
        if self.0.len() >= ROOM {
            let mut least: Vec<_> =
                self.0.iter().map(|(key, entry)| (entry.failures, entry.since, *key)).collect();
            least.select_nth_unstable(ROOM / 8);
            for (_, _, key) in &least[..ROOM / 8] {
                self.0.remove(key);
            }
        }
    }
}
