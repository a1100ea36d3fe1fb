//! Delays attempts after failures that were not forgiven yet: by account and address, by account, by
//! address, and by large network. `failures` counts them, `known` has the addresses of the owners, `networks`
//! says what is one address, and `registrations` counts accounts that were registered.
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
//! **Nobody has addresses without end.** One customer may have a /48 of IPv6, so 65,536 networks that count
//! as one address each. All of it has what ten addresses have (M-27).
//!
//! # Invariants
//!
//! 1. What is kept is bounded. To push out a key with `n` failures, an attacker needs as many failures for
//!    each of seven eighths of all keys that fit.
//! 2. Unknown names are treated like known ones.
//! 3. Keys are hashed with a key that comes from the signing secret. So nobody can make two of them collide,
//!    and nobody who reads the store learns who has tried, or from where.
//! 4. An attempt whose failure cannot be counted is not made: a store that is down is no free guess.

mod attempt_counters;
mod failures;
mod known;
mod networks;
mod registrations;

use std::net::IpAddr;
use std::sync::Arc;

use self::attempt_counters::{AttemptCounters, AttemptKeys};
use self::failures::{Charge, Limit};
use self::networks::{large_network_of, network_of};
pub(super) use self::registrations::Registered;
use self::registrations::{Registrations, Share};
use super::AccountsConfig;
use crate::error::StoreError;
use crate::host::is_of_own_network;
use crate::key::KeyedNames;
use crate::store::{Counter, CounterKey, CounterKind, CounterStore};

/// An address is forgiven one failure in so many seconds: many people of an office share one address.
const ADDRESS_FORGIVEN: u64 = 60;

/// So many addresses a large network counts for.
const NETWORK_ADDRESSES: u32 = 10;

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
    /// Whether this delay was not logged yet. A client that asks all the time must not fill the log.
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
    /// The large network that the address is of, unless its owner was here before.
    network: Option<Charge>,
    is_crowded: bool,
}

impl Attempt {
    /// Tells whether the account has logged in from this address before.
    pub(super) const fn is_known(&self) -> bool {
        self.account.is_none()
    }

    /// Tells whether many have failed at this address, which may be a proxy.
    pub(super) const fn is_crowded(&self) -> bool {
        self.is_crowded
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
    of_network: Limit,
    of_registrations: Registrations,
}

impl Limits {
    fn new(config: &AccountsConfig) -> Self {
        let (max_delay, failures) = (config.max_delay.as_secs(), config.account_failures);
        let of_pair = Limit { free: failures, forgiven: max_delay, max_delay };
        let of_address = Limit { free: config.address_failures, forgiven: ADDRESS_FORGIVEN, max_delay };
        Self {
            of_pair,
            of_account: Limit { free: failures.saturating_mul(EVERYWHERE), ..of_pair },
            of_address,
            of_network: Limit {
                free: of_address.free.saturating_mul(NETWORK_ADDRESSES),
                forgiven: ADDRESS_FORGIVEN / u64::from(NETWORK_ADDRESSES),
                max_delay,
            },
            of_registrations: Registrations::new(config.registrations, config.all_registrations),
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
        self.of_network.redate(&mut counters.network, now);
        let is_known = counters.known.contains(&keys.pair, now);
        let failed_here = self.of_address.count(counters.address, now);
        let mut of_pair = self.of_pair;
        let is_crowded = may_be_proxy && failed_here >= self.of_address.free;
        if is_crowded {
            // Known here or not: another limit would tell which names exist (S-16).
            of_pair.free = of_pair.free.min(WHERE_MANY_FAILED);
        }
        let by_pair = of_pair.wait(&mut counters.pair, now);
        let by_account = if is_known { None } else { self.of_account.wait(&mut counters.account, now) };
        let by_address = if may_be_proxy { None } else { self.of_address.wait(&mut counters.address, now) };
        // Many customers of one provider may have it. Those who were here before do not wait for the others.
        let by_network = if is_known { None } else { self.of_network.wait(&mut counters.network, now) };
        let waits = [by_pair, by_account, by_address, by_network];
        if let Some(longest) = waits.into_iter().flatten().max_by_key(|wait| wait.seconds) {
            return Err(longest);
        }
        let is_counted = keys.network.is_some() && !is_known;
        Ok(Attempt {
            keys,
            pair: of_pair.charge(&mut counters.pair, now),
            account: (!is_known).then(|| self.of_account.charge(&mut counters.account, now)),
            address: keys.address.map(|_| self.of_address.charge(&mut counters.address, now)),
            network: is_counted.then(|| self.of_network.charge(&mut counters.network, now)),
            is_crowded,
        })
    }

    /// Returns what is kept of an attempt, in the order of its keys.
    fn kept(&self, keys: &AttemptKeys, counters: &AttemptCounters) -> Vec<Option<Counter>> {
        let mut kept = vec![
            counters.pair.map(|failures| self.of_pair.counter(failures)),
            counters.account.map(|failures| self.of_account.counter(failures)),
        ];
        if keys.address.is_some() {
            kept.push(counters.address.map(|failures| self.of_address.counter(failures)));
        }
        kept.push(counters.known.counter());
        if keys.network.is_some() {
            kept.push(counters.network.map(|failures| self.of_network.counter(failures)));
        }
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
            network: peer.and_then(large_network_of).map(|large| self.names.of(&[b"network", &large])),
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
            if let Some(network) = attempt.network {
                network.refund(&mut counters.network);
            }
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
            if let Some(network) = attempt.network {
                network.refund(&mut counters.network);
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
        let (limits, of_rule) = (self.limits, step.clone());
        let rule = move |found: &[Option<Counter>]| {
            let mut counters = AttemptCounters::read(&keys, found);
            of_rule(&mut counters);
            limits.kept(&keys, &counters)
        };
        let found = self.counters.change_counters(keys.all(), now, Arc::new(rule)).await?;
        Ok(step(&mut AttemptCounters::read(&keys, &found)))
    }

    /// Charges a registration to an address, its large network and all addresses together, or says that it
    /// has to wait. Those without an address, which came through a proxy on this machine, are one.
    pub(super) async fn register(
        &self,
        peer: Option<IpAddr>,
        now: u64,
    ) -> Result<Result<Registered, Wait>, StoreError> {
        let network = peer.map(network_of);
        let text = network.map(|network| network.to_string()).unwrap_or_default();
        let name = self.names.of(&[b"registration", text.as_bytes()]);
        let share = if network.is_none_or(is_of_own_network) { Share::Many } else { Share::One };
        let all = self.names.of(&[b"all registrations"]);
        let [one, all] = [name, all].map(|name| CounterKey::new(CounterKind::Registrations, name));
        let mut shares = vec![(one, share), (all, Share::All)];
        if let Some(large) = peer.and_then(large_network_of) {
            let name = self.names.of(&[b"registration", &large]);
            shares.push((CounterKey::new(CounterKind::Network, name), Share::Network));
        }
        shares.sort_unstable_by_key(|(key, _)| *key);
        let (keys, limit) = (shares.iter().map(|(key, _)| *key).collect(), self.limits.of_registrations);
        self.change_some(keys, now, move |kept| limit.charge(&shares, kept, now)).await
    }

    /// Takes a registration back that failed and not by the fault of the address.
    pub(super) async fn undo_registration(&self, registered: Registered, now: u64) -> Result<(), StoreError> {
        self.change_some(registered.keys(), now, move |kept| registered.refund(kept)).await
    }

    /// Carries out a step on some counters, in ascending order. It may be called more than once.
    async fn change_some<T>(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        step: impl Fn(&mut [Option<Counter>]) -> T + Clone + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        debug_assert!(keys.is_sorted(), "as stores lock them: {keys:?}");
        let of_rule = step.clone();
        let rule = move |found: &[Option<Counter>]| {
            let mut kept = found.to_vec();
            of_rule(&mut kept);
            kept
        };
        let mut found = self.counters.change_counters(keys, now, Arc::new(rule)).await?;
        Ok(step(&mut found))
    }
}

#[cfg(test)]
mod tests;
