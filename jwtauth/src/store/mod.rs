//! Where sessions are kept: [`SessionStore`], and what a store outside this crate is made of.
//!
//! | trait | keeps | without it |
//! |---|---|---|
//! | [`SessionStore`] | sessions | |
//! | [`TokenStore`] | a record of each token | no `token_registry` |
//! | [`ValueStore`] | opaque values that expire | no `Compat`, no storage for poem's sessions |
//! | [`AccountStore`] | accounts with passwords | no `accounts` |
//! | [`CounterStore`] | counters of failed logins | each process counts those that it sees |
//! | [`EventStore`] | an audit trail | no `keep_events` |
//! | [`SessionPages`] | nothing more: it lists all sessions | no [`operate`] |
//! | [`WholeStore`] | nothing more: it gives all that it keeps | no backup, no export |
//! | [`CompactStore`] | nothing more: it gives free space back while it is in use | no compaction but of a closed store |
//!
//! `PostgresStore` (feature `postgres`) keeps all of it. So do [`SledStore`] and [`MemoryStore`], except
//! counters: one process has them open. A store outside this crate brings atomic steps and bytes on a disk or
//! a wire, and nothing else: what each step decides is in [`rules`], what a record looks like in [`codec`].
//! Whether it is right is found by `conformance` (feature `testing`).
//!
//! The traits are made of domain operations, each atomic, and not of get and put: what must not come
//! apart is one call, which sled does in one batch and PostgreSQL in one transaction.
//!
//! # Invariants of every store
//!
//! 1. An operation happens as a whole or not at all, and operations on one session take place one
//!    after the other.
//! 2. When a future that changes something resolves to `Ok`, the change is durable, as far as the
//!    store promises durability at all.
//! 3. The set of sessions is an allow-list: a record that is lost logs somebody out, never in. A write never
//!    creates a session except [`SessionStore::insert`] and [`ValueStore::insert_with_value`].
//! 4. A caller who gives up drops the future. A login that has not begun by then never happens. One that has
//!    begun revokes no other session, and its own session does not stay. The end of a session may still
//!    happen. [`SessionStore::hand_out`] is a part of a login.
//!
//! The life of a session is in `record`; a store only runs it where nobody can interfere.

mod account_store;
mod address_form;
pub mod codec;
mod compact_store;
#[cfg(feature = "testing")]
pub mod conformance;
mod counter_store;
mod doubt;
mod event_store;
pub(crate) mod memory;
pub mod operate;
mod own_values;
mod path_text;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "accounts")]
mod process_counters;
mod requests;
pub mod rules;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod sample;
mod session_pages;
mod session_store;
pub(crate) mod sled;
mod store_place;
mod token_store;
mod value_store;
mod whole_store;

pub use self::account_store::{AccountStore, PasswordHash, StoredAccount};
pub use self::compact_store::{CompactStore, Compaction, StoreSpace};
pub use self::counter_store::{COUNTERS_KEPT, Counter, CounterKey, CounterKind, CounterRule, CounterStore};
pub use self::event_store::EventStore;
pub(crate) use self::memory::MemoryStore;
#[cfg(feature = "accounts")]
pub(crate) use self::own_values::role_scopes;
pub(crate) use self::own_values::{api_key_rules, secret_mark};
#[cfg(feature = "postgres")]
pub(crate) use self::postgres::PostgresStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{Isolation, SynchronousCommit};
#[cfg(feature = "accounts")]
pub(crate) use self::process_counters::ProcessCounters;
#[cfg(all(test, feature = "accounts"))]
pub(crate) use self::process_counters::ROOM as PROCESS_ROOM;
pub use self::requests::{
    LoginEffects, RotationRequest, StoreFuture, StoreSize, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
pub use self::session_pages::SessionPages;
pub use self::session_store::SessionStore;
#[cfg(unix)]
pub(crate) use self::sled::SOCKET;
pub(crate) use self::sled::SledStore;
pub use self::store_place::StorePlace;
pub use self::token_store::TokenStore;
pub use self::value_store::{NewValue, REMEMBERED, StoredValue, ValueKey, ValueStore, ValueUse};
pub use self::whole_store::{
    CopiedRecord, CopyPage, CopyTotals, RecordKey, RecordKind, StoreCopy, StoreRecord, WholeStore,
};
pub use crate::events::{
    EventDetails, EventRecord, NoTrailMark, TrailCheck, TrailFault, TrailHead, TrailMark,
};
pub use crate::record::{Revocation, RevokedToken, Rotation, RotationPolicy, SessionState, Successor};
