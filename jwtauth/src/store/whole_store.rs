//! All that a store keeps, as one: [`WholeStore`], by a store that can be copied while it is in use.
//!
//! # Invariants of every store
//!
//! 1. What a [`StoreCopy`] returns is the store as it was at one moment between its first step and its last:
//!    for each key the record that was returned last counts.
//! 2. So everything that was answered before the copy began is in it, and of what came later each change
//!    that is in it comes with all changes before it.
//! 3. Memory does not grow with the number of records. A copy that falls behind ends with an error instead.
//! 4. Nobody waits for a copy, and one that is dropped costs nothing any more.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::account_store::StoredAccount;
use super::requests::StoreFuture;
use super::value_store::{StoredValue, ValueKey};
use crate::error::StoreError;
use crate::events::{EventRecord, TrailHead};
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::record::Session;
use crate::registry::{TokenKind, TokenRecord};

/// Anything that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreRecord {
    /// An account.
    Account(StoredAccount),
    /// An event of the audit trail.
    Event(EventRecord),
    /// Where the audit trail begins and ends.
    TrailHead(TrailHead),
    /// A session, dead or alive.
    Session(Box<Session>),
    /// What was recorded of a token.
    Token {
        /// The [generation](Session::generation) of its session that it was issued for.
        generation: u64,
        /// The record.
        token: TokenRecord,
    },
    /// A value, or the mark of one that was removed.
    Value {
        /// Its name.
        key: ValueKey,
        /// What stands there.
        value: StoredValue,
    },
}

impl StoreRecord {
    /// Returns where it is kept. A store has one record there.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Account(account) => RecordKey::Account(account.id),
            Self::Event(event) => RecordKey::Event(event.number),
            Self::TrailHead(_) => RecordKey::TrailHead,
            Self::Session(session) => RecordKey::Session(session.id),
            Self::Token { generation, token } => {
                let id = (token.kind != TokenKind::Refresh).then_some(token.id);
                RecordKey::Token { session: token.session, generation: *generation, kind: token.kind, id }
            }
            Self::Value { key, .. } => RecordKey::Value(*key),
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// An account.
    Account,
    /// An event of the audit trail.
    Event,
    /// A session.
    Session,
    /// A token.
    Token,
    /// A value.
    Value,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Account, Self::Event, Self::Session, Self::Token, Self::Value];
}

/// Where a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordKey {
    /// The account with this id.
    Account(AccountId),
    /// The event with this number.
    Event(u64),
    /// The head of the audit trail.
    TrailHead,
    /// The session with this id.
    Session(SessionId),
    /// The record of a token.
    Token {
        /// Its session.
        session: SessionId,
        /// The generation of the session that it was issued for.
        generation: u64,
        /// What it is.
        kind: TokenKind,
        /// Its id. `None` for a refresh token: a generation has one.
        id: Option<TokenId>,
    },
    /// The value with this name.
    Value(ValueKey),
}

/// What a copy says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopiedRecord {
    /// This stands there.
    Kept(StoreRecord),
    /// Nothing stands there any more.
    Removed(RecordKey),
}

/// What is true of a store as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyTotals {
    /// How many changes were ever made to the store; 0 if it does not count them.
    pub changes: u64,
    /// How many sessions it keeps, dead or alive.
    pub sessions: u64,
    /// How many accounts it keeps.
    pub accounts: u64,
    /// The latest time that anything was decided by, in Unix seconds.
    pub latest: u64,
    /// How far that time is ahead of the clock, in seconds.
    pub ahead: u64,
    /// How many records are there and cannot be read. They are not in the copy, and in none of the numbers
    /// above.
    pub unreadable: u64,
}

impl CopyTotals {
    /// Counts these, of a store that counts no changes and keeps no time.
    #[must_use]
    pub const fn new(sessions: u64, accounts: u64) -> Self {
        Self { changes: 0, sessions, accounts, latest: 0, ahead: 0, unreadable: 0 }
    }
}

/// A part of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyPage {
    /// What it says of some keys, in this order.
    pub records: Vec<CopiedRecord>,
    /// If this is the last page, what the store holds at its moment.
    pub end: Option<CopyTotals>,
}

impl CopyPage {
    /// Returns a page. The last one has an `end`.
    #[must_use]
    pub const fn new(records: Vec<CopiedRecord>, end: Option<CopyTotals>) -> Self {
        Self { records, end }
    }
}

/// A copy that is being made. Drop it to give up.
pub trait StoreCopy: fmt::Debug + Send {
    /// Returns what the store held when the copy began: what is to be expected.
    fn expected(&self) -> CopyTotals;

    /// Returns the next page, which may have no record. After the last one, or after an error, the copy is of
    /// no more use.
    fn next(&mut self) -> StoreFuture<'_, CopyPage>;
}

/// Gives all that a store keeps.
pub trait WholeStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a copy.
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>>;

    /// Counts the records of a kind that are there and are not as they were written. Reads all of them.
    /// Default: there are none, of a store that answers nothing at all if one of its records is damaged.
    fn unreadable(&self, kind: RecordKind) -> StoreFuture<'_, u64> {
        let _ = kind;
        Box::pin(async { Ok(0) })
    }
}

/// What [`StoreCopy::next`] returns after the end.
pub(super) fn is_over() -> StoreError {
    StoreError::Backend("this copy of the store has come to its end before".into())
}
