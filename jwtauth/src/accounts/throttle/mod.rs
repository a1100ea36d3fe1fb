//! Delays attempts after failures that were not forgiven yet, by account and by address.
//!
//! An attempt is charged as a failure before anything is hashed, and refunded if it did not fail. So of a
//! thousand concurrent attempts only a few get through. A refused attempt costs nothing, so asking often does
//! not make the delay longer.
//!
//! **The owner is not locked out.** Addresses from which the owner has logged in before are counted apart
//! from all others (NIST SP 800-63B, 3.2.2). No delay is longer than `max_delay`.
//!
//! # Invariants
//!
//! 1. Memory is bounded. To push out a key with `n` failures, an attacker needs as many failures for each of
//!    seven eighths of all keys that fit.
//! 2. Unknown names are treated like known ones.
//! 3. Keys are hashed with a random key, so nobody can make two of them collide, and no name is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::AccountsConfig;

/// How many keys each table holds: about 1 MB for all three.
const ROOM: usize = 16 * 1024;

/// An address is forgiven one failure in so many seconds: many people of an office share one address.
const ADDRESS_FORGIVEN: u64 = 60;

#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Who<'a> {
    /// Logins, by the key of the name or by the text that was typed.
    Login(&'a str),
    /// Password changes, by the id of the account.
    Change(&'a [u8]),
}

#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    account: Charge,
    address: Option<Charge>,
    pair: Option<u64>,
}

#[derive(Debug)]
struct Charge {
    key: u64,
    /// The delay that it has caused ends then.
    until: u64,
}

/// Failures, and who has to wait for them. All times are Unix seconds.
#[derive(Debug)]
pub(super) struct Throttle {
    of_account: Limit,
    of_address: Limit,
    hasher: RandomState,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    accounts: Table,
    addresses: Table,
    /// Where accounts were logged in from, and when.
    known: HashMap<u64, u64>,
}

#[derive(Debug, Default)]
struct Table(HashMap<u64, Attempts>);

#[derive(Clone, Copy, Debug)]
struct Attempts {
    failures: u32,
    since: u64,
    until: u64,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    free: u32,
    /// One failure is forgiven in so many seconds without another.
    forgiven: u64,
    max_delay: u64,
}

impl Limit {
    /// What is left of an entry at `now`; `None` is nothing.
    fn left(self, entry: Attempts, now: u64) -> Option<Attempts> {
        let forgiven = now.saturating_sub(entry.since) / self.forgiven;
        let failures =
            entry.failures.checked_sub(forgiven.try_into().ok()?).filter(|failures| *failures > 0)?;
        // A clock that was set back must not make anybody wait longer than a delay lasts.
        let until = entry.until.min(now.saturating_add(self.max_delay));
        Some(Attempts { failures, since: entry.since, until })
    }

    fn delay(self, failures: u32) -> u64 {
        match failures.checked_sub(self.free) {
            Some(more) => 1_u64.checked_shl(more).unwrap_or(u64::MAX).min(self.max_delay),
            None => 0,
        }
    }
}

impl Table {
    /// Returns how many seconds a key has to wait; 0 is not at all.
    fn wait(&self, key: u64, now: u64, limit: Limit) -> u64 {
        let left = self.0.get(&key).and_then(|entry| limit.left(*entry, now));
        left.map_or(0, |entry| entry.until.saturating_sub(now))
    }

    fn charge(&mut self, key: u64, now: u64, limit: Limit) -> Charge {
        if !self.0.contains_key(&key) {
            self.make_room(now, limit);
        }
        let left = self.0.get(&key).and_then(|entry| limit.left(*entry, now));
        let failures = left.map_or(0, |entry| entry.failures).saturating_add(1);
        let until = match limit.delay(failures) {
            0 => 0,
            delay => now.saturating_add(delay),
        };
        self.0.insert(key, Attempts { failures, since: now, until });
        Charge { key, until }
    }

    fn refund(&mut self, charge: &Charge) {
        let Some(entry) = self.0.get_mut(&charge.key) else { return };
        entry.failures = entry.failures.saturating_sub(1);
        if entry.until == charge.until {
            entry.until = 0;
        }
        if entry.failures == 0 {
            self.0.remove(&charge.key);
        }
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

impl Throttle {
    pub(super) fn new(config: &AccountsConfig) -> Self {
        let max_delay = config.max_delay.as_secs();
        Self {
            of_account: Limit { free: config.account_failures, forgiven: max_delay, max_delay },
            of_address: Limit { free: config.address_failures, forgiven: ADDRESS_FORGIVEN, max_delay },
            hasher: RandomState::new(),
            tables: Mutex::default(),
        }
    }

    pub(super) fn begin(&self, who: Who<'_>, peer: Option<IpAddr>, now: u64) -> Result<Attempt, u64> {
        let network = peer.map(network_of);
        let pair = network.map(|network| self.hasher.hash_one((who, network)));
        let address = network.map(|network| self.hasher.hash_one(network));
        let mut tables = self.lock();
        let account = match pair {
            Some(pair) if tables.known.contains_key(&pair) => pair,
            _ => self.hasher.hash_one(who),
        };
        let wait = tables.accounts.wait(account, now, self.of_account);
        let wait = wait.max(address.map_or(0, |key| tables.addresses.wait(key, now, self.of_address)));
        if wait > 0 {
            return Err(wait);
        }
        let account = tables.accounts.charge(account, now, self.of_account);
        let address = address.map(|key| tables.addresses.charge(key, now, self.of_address));
        Ok(Attempt { account, address, pair })
    }

    /// Reports a success: the failures of the account are forgotten, as counted for this address.
    ///
    /// Those of the address are not. Otherwise the owner of one account could try others without limit.
    pub(super) fn succeeded(&self, attempt: &Attempt, now: u64) {
        let mut tables = self.lock();
        tables.accounts.0.remove(&attempt.account.key);
        if let Some(address) = &attempt.address {
            tables.addresses.refund(address);
        }
        if let Some(pair) = attempt.pair {
            if tables.known.len() >= ROOM
                && !tables.known.contains_key(&pair)
                && let Some((&oldest, _)) = tables.known.iter().min_by_key(|(_, at)| **at)
            {
                tables.known.remove(&oldest);
            }
            tables.known.insert(pair, now);
        }
    }

    /// Reports that an attempt was abandoned, so it is not a failure.
    pub(super) fn undone(&self, attempt: &Attempt) {
        let mut tables = self.lock();
        tables.accounts.refund(&attempt.account);
        if let Some(address) = &attempt.address {
            tables.addresses.refund(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // OK to go on after a panic, because no change here can stop half-way.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: all of IPv4, and the 64 bits of IPv6 that one customer has at least (RFC
/// 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests;
