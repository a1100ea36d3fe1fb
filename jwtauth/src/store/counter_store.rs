//! Counters of attempts, such as failed logins, for a store that several processes share: what attackers have
//! tried on one machine counts on all.
//!
//! A counter is a few bytes under a name that reveals nothing. What they mean, and what an attempt makes of
//! them, is decided by whoever asks ([`CounterRule`]). A store only runs that where nobody can interfere.
//!
//! # Invariants of every counter store
//!
//! 1. A change of some counters happens as a whole or not at all, and changes that have a counter in common
//!    take place one after the other.
//! 2. When the future resolves to `Ok`, the change is as durable as a login.
//! 3. A counter goes after it has expired, and not before, unless there are more than [`COUNTERS_KEPT`] of
//!    its kind: then those go first that expire first. So attackers fill no disk.

use std::fmt;
use std::sync::Arc;

use super::requests::StoreFuture;

/// How many counters of each kind a store keeps at least, if it is shared by several processes.
pub const COUNTERS_KEPT: usize = 256 * 1024;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CounterKind {
    /// Failures of one account at one address.
    AccountAtAddress,
    /// Failures of one account, from everywhere.
    Account,
    /// Failures at one address.
    Address,
    /// Where an account was logged in from.
    KnownAddresses,
    /// Registrations from one address.
    Registrations,
    /// Failures, and apart from them registrations, from all addresses of a large network of IPv6.
    Network,
}

impl CounterKind {
    /// Returns all of them.
    pub const ALL: [Self; 6] = [
        Self::AccountAtAddress,
        Self::Account,
        Self::Address,
        Self::KnownAddresses,
        Self::Registrations,
        Self::Network,
    ];

    /// Returns the number that stands for it in a store.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::AccountAtAddress => 1,
            Self::Account => 2,
            Self::Address => 3,
            Self::KnownAddresses => 4,
            Self::Registrations => 5,
            Self::Network => 6,
        }
    }
}

/// Names a counter: its kind, and 16 bytes that nobody can compute who has not the signing secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct CounterKey {
    /// What it counts.
    pub kind: CounterKind,
    /// Of whom, or where.
    pub name: [u8; Self::NAME],
}

impl CounterKey {
    /// The length of a name, in bytes.
    pub const NAME: usize = 16;

    /// Returns the key of this name.
    #[must_use]
    pub const fn new(kind: CounterKind, name: [u8; Self::NAME]) -> Self {
        Self { kind, name }
    }

    /// Returns kind and name as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[self.kind.number()], &self.name[..]].concat()
    }
}

impl fmt::Debug for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterKey({:?} {:08x})", self.kind, crc32fast::hash(&self.name))
    }
}

/// A counter, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counter {
    /// When it says nothing any more, in Unix seconds.
    pub expires_at: u64,
    /// What it says: 512 bytes at most.
    pub bytes: Vec<u8>,
}

impl Counter {
    /// Returns a counter that says this until `expires_at`, in Unix seconds.
    #[must_use]
    pub const fn new(expires_at: u64, bytes: Vec<u8>) -> Self {
        Self { expires_at, bytes }
    }
}

/// Says what is to stand in the place of some counters: as many as it gets, in the same order. `None` is no
/// counter. It has no effect of its own, and a store may call it more than once.
pub type CounterRule = Arc<dyn Fn(&[Option<Counter>]) -> Vec<Option<Counter>> + Send + Sync>;

/// Keeps counters. All times are Unix seconds.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use jwtauth::store::{Counter, CounterKey, CounterKind, CounterStore};
///
/// /// Counts one more, and returns how many there were.
/// async fn count(store: &dyn CounterStore, name: [u8; 16]) -> Result<u8, jwtauth::error::StoreError> {
///     let key = CounterKey::new(CounterKind::Address, name);
///     let of = |found: &Option<Counter>| found.as_ref().map_or(0, |counter| counter.bytes[0]);
///     let rule = move |found: &[Option<Counter>]| vec![Some(Counter::new(2_000, vec![of(&found[0]) + 1]))];
///     Ok(of(&store.change_counters(vec![key], 1_000, Arc::new(rule)).await?[0]))
/// }
/// # Ok(())
/// # }
/// ```
pub trait CounterStore: fmt::Debug + Send + Sync + 'static {
    /// Runs a rule on the counters under some keys and keeps the result, in one step. The keys are in
    /// ascending order, each once, so that a store that locks them one after the other never waits in a
    /// circle.
    ///
    /// Returns the counters as they were before, in the order of the keys: what the rule made of these is
    /// what stands there now. It may be given, and may return, counters that have expired by `now`. Nothing
    /// is written if the rule changes nothing.
    fn change_counters(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        rule: CounterRule,
    ) -> StoreFuture<'_, Vec<Option<Counter>>>;
}
