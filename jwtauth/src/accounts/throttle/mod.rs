//! Delays attempts after failures that were not forgiven yet: by account and address, by account, and by
//! address. `table` counts them, `known` has the addresses of the owners, and `registrations` counts accounts
//! that were registered.
//!
//! An attempt is charged as a failure before anything is hashed, and refunded if it did not fail. So of a
//! thousand concurrent attempts only a few get through. A refused attempt costs nothing, so asking often does
//! not make the delay longer.
//!
//! **The owner is not locked out.** Addresses from which the owner has logged in before are counted apart
//! from all others (NIST SP 800-63B, 3.2.2). Anywhere else the owner waits for strangers only after many
//! failures. No delay is longer than `max_delay`.
//!
//! **Nobody is locked out behind a proxy** that was not configured, and whose address all clients have (M-4).
//! An address of a network of one's own may be one: failures there delay only the account that they are of.
//!
//! # Invariants
//!
//! 1. Memory is bounded. To push out a key with `n` failures, an attacker needs as many failures for each of
//!    seven eighths of all keys that fit.
//! 2. Unknown names are treated like known ones.
//! 3. Keys are hashed with a random key, so nobody can make two of them collide, and no name is kept.

mod known;
mod registrations;
mod table;

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::known::KnownAddresses;
pub(super) use self::registrations::Registered;
use self::registrations::Registrations;
use self::table::{Charge, Limit, Table};
use super::AccountsConfig;
use crate::host::is_of_own_network;

/// How many keys each table holds: about 2 MB for all five.
const ROOM: usize = 16 * 1024;

/// An address is forgiven one failure in so many seconds: many people of an office share one address.
const ADDRESS_FORGIVEN: u64 = 60;

/// An account waits for failures from everywhere when there are so many times more than may come from one
/// address.
const EVERYWHERE: u32 = 4;

/// Where many accounts have failed, the delay of an account begins with this failure.
const WHERE_MANY_FAILED: u32 = 2;

#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Who<'a> {
    /// Logins, by the key of the name or by the text that was typed.
    Login(&'a str),
    /// Password changes, by the id of the account.
    Change(&'a [u8]),
}

impl Who<'_> {
    /// Returns what it is called in the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "login",
            Self::Change(_) => "password change",
        }
    }
}

/// That one has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) seconds: u64,
    /// Whether nobody was told of this delay yet. One who asks all the time must not fill the log.
    pub(super) is_news: bool,
}

#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    who: u64,
    /// The account from this address.
    pair: Charge,
    /// The account from everywhere, unless its owner was here before.
    account: Option<Charge>,
    address: Option<Charge>,
    is_in_crowd: bool,
}

impl Attempt {
    /// Tells whether the account has logged in from this address before.
    pub(super) const fn is_known(&self) -> bool {
        self.account.is_none()
    }

    /// Tells whether many have failed at this address, which may be a proxy, and the account is not known
    /// there.
    pub(super) const fn is_in_crowd(&self) -> bool {
        self.is_in_crowd
    }
}

/// Failures, and who has to wait for them. All times are Unix seconds.
#[derive(Debug)]
pub(super) struct Throttle {
    of_pair: Limit,
    of_account: Limit,
    of_address: Limit,
    hasher: RandomState,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    pairs: Table,
    accounts: Table,
    addresses: Table,
    known: KnownAddresses,
    registrations: Registrations,
}

impl Throttle {
    pub(super) fn new(config: &AccountsConfig) -> Self {
        let (max_delay, failures) = (config.max_delay.as_secs(), config.account_failures);
        let of_pair = Limit { free: failures, forgiven: max_delay, max_delay };
        Self {
            of_pair,
            of_account: Limit { free: failures.saturating_mul(EVERYWHERE), ..of_pair },
            of_address: Limit { free: config.address_failures, forgiven: ADDRESS_FORGIVEN, max_delay },
            hasher: RandomState::new(),
            tables: Mutex::new(Tables {
                registrations: Registrations::new(config.registrations, config.registration_every),
                ..Tables::default()
            }),
        }
    }

    /// Begins an attempt, or says that it has to wait.
    pub(super) fn begin(&self, who: Who<'_>, peer: Option<IpAddr>, now: u64) -> Result<Attempt, Wait> {
        let network = peer.map(network_of);
        let pair = self.hasher.hash_one((who, network));
        let who = self.hasher.hash_one(who);
        let address = network.map(|network| self.hasher.hash_one(network));
        let may_be_proxy = network.is_some_and(is_of_own_network);
        let mut tables = self.lock();
        let account = (!tables.known.contains(who, pair)).then_some(who);
        let failed_here = address.map_or(0, |key| tables.addresses.failures(key, now, self.of_address));
        let mut of_pair = self.of_pair;
        let is_crowded = may_be_proxy && failed_here >= self.of_address.free;
        let is_in_crowd = is_crowded && account.is_some();
        if is_crowded {
            // Known here or not: another limit would tell which names exist (S-16).
            of_pair.free = of_pair.free.min(WHERE_MANY_FAILED);
        }
        let by_pair = tables.pairs.wait(pair, now, of_pair);
        let by_account = account.and_then(|key| tables.accounts.wait(key, now, self.of_account));
        let by_address = address.filter(|_| !may_be_proxy);
        let by_address = by_address.and_then(|key| tables.addresses.wait(key, now, self.of_address));
        let waits = [by_pair, by_account, by_address];
        if let Some(longest) = waits.into_iter().flatten().max_by_key(|wait| wait.seconds) {
            return Err(longest);
        }
        Ok(Attempt {
            who,
            pair: tables.pairs.charge(pair, now, of_pair),
            account: account.map(|key| tables.accounts.charge(key, now, self.of_account)),
            address: address.map(|key| tables.addresses.charge(key, now, self.of_address)),
            is_in_crowd,
        })
    }

    /// Reports a success: the failures of the account are forgotten, as counted for this address. If nobody
    /// knew that the owner is here, those from everywhere are too.
    ///
    /// Those of the address are not. Otherwise the owner of one account could try others without limit.
    pub(super) fn succeeded(&self, attempt: &Attempt, now: u64) {
        let mut tables = self.lock();
        tables.pairs.0.remove(&attempt.pair.key);
        if let Some(account) = &attempt.account {
            tables.accounts.0.remove(&account.key);
        }
        let Some(address) = &attempt.address else { return };
        tables.addresses.refund(address);
        tables.known.note(attempt.who, attempt.pair.key, now);
    }

    /// Reports that an attempt was abandoned, so it is not a failure.
    pub(super) fn undone(&self, attempt: &Attempt) {
        let mut tables = self.lock();
        tables.pairs.refund(&attempt.pair);
        if let Some(account) = &attempt.account {
            tables.accounts.refund(account);
        }
        if let Some(address) = &attempt.address {
            tables.addresses.refund(address);
        }
    }

    /// Charges a registration to an address, or says that it has to wait.
    pub(super) fn register(&self, peer: IpAddr, now: u64) -> Result<Registered, Wait> {
        let network = network_of(peer);
        let key = self.hasher.hash_one(("registration", network));
        self.lock().registrations.charge(key, is_of_own_network(network), now)
    }

    /// Takes a registration back that failed and not by the fault of the address.
    pub(super) fn undo_registration(&self, registered: &Registered) {
        self.lock().registrations.refund(registered);
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
