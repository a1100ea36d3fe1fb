//! Delays attempts after failures that were not forgiven yet: by account and address, by account, and by
//! address. `failures` counts them, `known` has the addresses of the owners, and `registrations` counts
//! accounts that were registered.
//!
//! All of it is kept as counters of the store if several processes share that, and in this process otherwise:
//! `store::counter_store` says how. What is decided on them is here, and depends on nothing else.
//!
//! An attempt is charged as a failure before anything is hashed, and refunded if it did not fail. So of a
//! thousand concurrent attempts only a few get through. A refused attempt costs nothing, so asking often does
//! not make the delay longer.
//!
//! **The owner is not locked out.** Addresses from which the owner has logged in before are counted apart
//! from all others (NIST SP 800-63B, 3.2.2). Anywhere else the owner waits for attackers only after many
//! failures. No delay is longer than `max_delay`.
//!
//! **Nobody is locked out behind a proxy** that was not configured, and whose address all clients have (M-4).
//! An address of a network of one's own may be one: failures there delay only the account that they are of.
//!
//! # Invariants
//!
//! 1. What is kept is bounded. To push out a key with `n` failures, an attacker needs as many failures for
//!    each of seven eighths of all keys that fit.
//! 2. Unknown names are treated like known ones.
//! 3. Keys are hashed with a key that comes from the signing secret. So nobody can make two of them collide,
//!    and nobody who reads the store learns who has tried, or from where.
//! 4. An attempt whose failure cannot be counted is not made: a store that is down is no free guess.

mod failures;
mod known;
mod registrations;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use self::failures::{Charge, Failures, Limit};
use self::known::KnownAddresses;
pub(super) use self::registrations::Registered;
use self::registrations::Registrations;
use super::AccountsConfig;
use crate::error::StoreError;
use crate::host::is_of_own_network;
use crate::key::KeyedNames;
use crate::store::{Counter, CounterKey, CounterKind, CounterStore};

/// An address is forgiven one failure in so many seconds: many people of an office share one address.
const ADDRESS_FORGIVEN: u64 = 60;

/// An account waits for failures from everywhere when there are so many times more than may come from one
/// address.
const EVERYWHERE: u32 = 4;

/// Where many accounts have failed, the delay of an account begins with this failure.
const WHERE_MANY_FAILED: u32 = 2;

#[derive(Clone, Copy, Debug)]
pub(super) enum Who<'a> {
    /// Logins, by the key of the name or by the text that was typed.
    Login(&'a str),
    /// Password changes, by the id of the account.
    Change(&'a [u8]),
}

impl Who<'_> {
    const fn bytes(&self) -> &[u8] {
        match self {
            Self::Login(name) => name.as_bytes(),
            Self::Change(id) => id,
        }
    }

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

#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Attempt {
    keys: AttemptKeys,
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

/// The names of all that an attempt touches.
#[derive(Clone, Copy, Debug)]
struct AttemptKeys {
    pair: [u8; CounterKey::NAME],
    account: [u8; CounterKey::NAME],
    address: Option<[u8; CounterKey::NAME]>,
}

impl AttemptKeys {
    /// Returns them in ascending order, as [`AttemptCounters`] takes them.
    fn all(&self) -> Vec<CounterKey> {
        let address = self.address.map(|name| CounterKey::new(CounterKind::Address, name));
        let mut keys = vec![
            CounterKey::new(CounterKind::AccountAtAddress, self.pair),
            CounterKey::new(CounterKind::Account, self.account),
        ];
        keys.extend(address);
        keys.push(CounterKey::new(CounterKind::KnownAddresses, self.account));
        keys
    }
}

/// What is known of all that an attempt touches.
struct AttemptCounters {
    pair: Option<Failures>,
    account: Option<Failures>,
    address: Option<Failures>,
    known: KnownAddresses,
}

impl AttemptCounters {
    fn read(found: &[Option<Counter>]) -> Self {
        let [pair, account, between @ .., known] = found else { return Self::read(&[None, None, None]) };
        let failures = |counter: &Option<Counter>| counter.as_ref().and_then(Failures::read);
        Self {
            pair: failures(pair),
            account: failures(account),
            address: between.first().and_then(failures),
            known: KnownAddresses::read(known.as_ref()),
        }
    }
}

/// Failures, and who has to wait for them. All times are Unix seconds.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    limits: Limits,
    names: KeyedNames,
    counters: Arc<dyn CounterStore>,
}

/// What is decided by. Pure: two processes with the same settings decide the same.
#[derive(Clone, Copy, Debug)]
struct Limits {
    of_pair: Limit,
    of_account: Limit,
    of_address: Limit,
    of_registrations: Registrations,
}

impl Limits {
    fn new(config: &AccountsConfig) -> Self {
        let (max_delay, failures) = (config.max_delay.as_secs(), config.account_failures);
        let of_pair = Limit { free: failures, forgiven: max_delay, max_delay };
        Self {
            of_pair,
            of_account: Limit { free: failures.saturating_mul(EVERYWHERE), ..of_pair },
            of_address: Limit { free: config.address_failures, forgiven: ADDRESS_FORGIVEN, max_delay },
            of_registrations: Registrations::new(config.registrations, config.registration_every),
        }
    }

    fn begin(
        &self,
        keys: AttemptKeys,
        may_be_proxy: bool,
        counters: &mut AttemptCounters,
        now: u64,
    ) -> Result<Attempt, Wait> {
        self.of_pair.redate(&mut counters.pair, now);
        self.of_account.redate(&mut counters.account, now);
        self.of_address.redate(&mut counters.address, now);
        let is_known = counters.known.contains(&keys.pair, now);
        let failed_here = self.of_address.count(counters.address, now);
        let mut of_pair = self.of_pair;
        let is_crowded = may_be_proxy && failed_here >= self.of_address.free;
        let is_in_crowd = is_crowded && !is_known;
        if is_crowded {
            // Known here or not: another limit would tell which names exist (S-16).
            of_pair.free = of_pair.free.min(WHERE_MANY_FAILED);
        }
        let by_pair = of_pair.wait(&mut counters.pair, now);
        let by_account = if is_known { None } else { self.of_account.wait(&mut counters.account, now) };
        let by_address = if may_be_proxy { None } else { self.of_address.wait(&mut counters.address, now) };
        if let Some(longest) =
            [by_pair, by_account, by_address].into_iter().flatten().max_by_key(|wait| wait.seconds)
        {
            return Err(longest);
        }
        Ok(Attempt {
            keys,
            pair: of_pair.charge(&mut counters.pair, now),
            account: (!is_known).then(|| self.of_account.charge(&mut counters.account, now)),
            address: keys.address.map(|_| self.of_address.charge(&mut counters.address, now)),
            is_in_crowd,
        })
    }

    /// Returns what is kept of an attempt.
    fn kept(&self, counters: &AttemptCounters, with_address: bool) -> Vec<Option<Counter>> {
        let mut kept = vec![
            counters.pair.map(|failures| self.of_pair.counter(failures)),
            counters.account.map(|failures| self.of_account.counter(failures)),
        ];
        if with_address {
            kept.push(counters.address.map(|failures| self.of_address.counter(failures)));
        }
        kept.push(counters.known.counter());
        kept
    }
}

impl Throttle {
    pub(super) fn new(config: &AccountsConfig, names: KeyedNames, counters: Arc<dyn CounterStore>) -> Self {
        Self { limits: Limits::new(config), names, counters }
    }

    /// Begins an attempt, or says that it has to wait.
    pub(super) async fn begin(
        &self,
        who: Who<'_>,
        peer: Option<IpAddr>,
        now: u64,
    ) -> Result<Result<Attempt, Wait>, StoreError> {
        let network = peer.map(network_of);
        let shown = network.map(|network| network.to_string());
        let place = shown.as_ref().map_or(&[][..], |shown| shown.as_bytes());
        let keys = AttemptKeys {
            pair: self.names.of(&[who.name().as_bytes(), who.bytes(), place]),
            account: self.names.of(&[who.name().as_bytes(), who.bytes()]),
            address: network.map(|_| self.names.of(&[b"address", place])),
        };
        let may_be_proxy = network.is_some_and(is_of_own_network);
        let limits = self.limits;
        self.change(keys, now, move |counters| limits.begin(keys, may_be_proxy, counters, now)).await
    }

    /// Reports a success: the failures of the account before it are forgotten, as counted for this address.
    /// If nobody knew that the owner is here, those from everywhere are too. Attempts that are under way stay
    /// charged.
    ///
    /// Those of the address are not. Otherwise the owner of one account could try others without limit.
    pub(super) async fn succeeded(&self, attempt: Attempt, now: u64) -> Result<(), StoreError> {
        let limits = self.limits;
        let forget = move |counters: &mut AttemptCounters| {
            limits.of_pair.forgive(&mut counters.pair, attempt.pair);
            if let Some(account) = attempt.account {
                limits.of_account.forgive(&mut counters.account, account);
            }
            let Some(address) = attempt.address else { return };
            address.refund(&mut counters.address);
            counters.known.note(attempt.keys.pair, now);
        };
        self.change(attempt.keys, now, forget).await
    }

    /// Reports that an attempt was abandoned, so it is not a failure.
    pub(super) async fn undone(&self, attempt: Attempt, now: u64) -> Result<(), StoreError> {
        let refund = move |counters: &mut AttemptCounters| {
            attempt.pair.refund(&mut counters.pair);
            if let Some(account) = attempt.account {
                account.refund(&mut counters.account);
            }
            if let Some(address) = attempt.address {
                address.refund(&mut counters.address);
            }
        };
        self.change(attempt.keys, now, refund).await
    }

    /// Carries out a step on all that an attempt touches. The step may be called more than once.
    async fn change<T>(
        &self,
        keys: AttemptKeys,
        now: u64,
        step: impl Fn(&mut AttemptCounters) -> T + Clone + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let (limits, of_rule, with_address) = (self.limits, step.clone(), keys.address.is_some());
        let rule = move |found: &[Option<Counter>]| {
            let mut counters = AttemptCounters::read(found);
            of_rule(&mut counters);
            limits.kept(&counters, with_address)
        };
        let found = self.counters.change_counters(keys.all(), now, Arc::new(rule)).await?;
        Ok(step(&mut AttemptCounters::read(&found)))
    }

    /// Charges a registration to an address, or says that it has to wait. Those without an address, which
    /// came through a proxy on this machine, are one.
    pub(super) async fn register(
        &self,
        peer: Option<IpAddr>,
        now: u64,
    ) -> Result<Result<Registered, Wait>, StoreError> {
        let network = peer.map(network_of);
        let text = network.map(|network| network.to_string()).unwrap_or_default();
        let name = self.names.of(&[b"registration", text.as_bytes()]);
        let key = CounterKey::new(CounterKind::Registrations, name);
        let (of_registrations, is_shared) =
            (self.limits.of_registrations, network.is_none_or(is_of_own_network));
        self.change_one(key, now, move |kept| of_registrations.charge(key, kept, is_shared, now)).await
    }

    /// Takes a registration back that failed and not by the fault of the address.
    pub(super) async fn undo_registration(&self, registered: Registered, now: u64) -> Result<(), StoreError> {
        self.change_one(registered.key, now, move |kept| registered.refund(kept)).await
    }

    async fn change_one<T>(
        &self,
        key: CounterKey,
        now: u64,
        step: impl Fn(&mut Option<Counter>) -> T + Clone + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let of_rule = step.clone();
        let rule = move |found: &[Option<Counter>]| {
            let mut kept = found.first().cloned().flatten();
            of_rule(&mut kept);
            vec![kept]
        };
        let found = self.counters.change_counters(vec![key], now, Arc::new(rule)).await?;
        Ok(step(&mut found.into_iter().next().flatten()))
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
