//! What an attempt touches: the names of its counters, and what they say.

use super::failures::Failures;
use super::known::KnownAddresses;
use crate::store::{Counter, CounterKey, CounterKind};

/// The names of all that an attempt touches.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptKeys {
    pub(super) pair: [u8; CounterKey::NAME],
    pub(super) account: [u8; CounterKey::NAME],
    pub(super) address: Option<[u8; CounterKey::NAME]>,
    pub(super) network: Option<[u8; CounterKey::NAME]>,
}

impl AttemptKeys {
    /// Returns them in ascending order, as [`AttemptCounters`] takes them.
    pub(super) fn all(&self) -> Vec<CounterKey> {
        let address = self.address.map(|name| CounterKey::new(CounterKind::Address, name));
        let network = self.network.map(|name| CounterKey::new(CounterKind::Network, name));
        let mut keys = vec![
            CounterKey::new(CounterKind::AccountAtAddress, self.pair),
            CounterKey::new(CounterKind::Account, self.account),
        ];
        keys.extend(address);
        keys.push(CounterKey::new(CounterKind::KnownAddresses, self.account));
        keys.extend(network);
        keys
    }
}

/// What is known of all that an attempt touches.
pub(super) struct AttemptCounters {
    pub(super) pair: Option<Failures>,
    pub(super) account: Option<Failures>,
    pub(super) address: Option<Failures>,
    pub(super) known: KnownAddresses,
    pub(super) network: Option<Failures>,
}

impl AttemptCounters {
    /// Reads what was found under the keys, in their order.
    pub(super) fn read(keys: &AttemptKeys, found: &[Option<Counter>]) -> Self {
        let mut found = found.iter();
        let mut next = || found.next().and_then(Option::as_ref);
        Self {
            pair: next().and_then(Failures::read),
            account: next().and_then(Failures::read),
            address: keys.address.and_then(|_| next()).and_then(Failures::read),
            known: KnownAddresses::read(next()),
            network: keys.network.and_then(|_| next()).and_then(Failures::read),
        }
    }
}
