//! What an import is told, and what it says: plain data.

use serde::Serialize;

/// How records come in. The default lets nobody in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    pub(super) keep_sessions: bool,
    pub(super) keep_accounts: bool,
}

impl ImportOptions {
    /// Takes sessions in as they are. By default each one comes as revoked, because it may have been revoked
    /// since the export, here or there. A session that is here is never changed.
    #[must_use]
    pub const fn keep_sessions(mut self, keep: bool) -> Self {
        self.keep_sessions = keep;
        self
    }

    /// Takes accounts in as they are. By default those come disabled that are added to a store which has
    /// accounts already, because each one may have been removed there. An account that is here is never
    /// changed.
    #[must_use]
    pub const fn keep_accounts(mut self, keep: bool) -> Self {
        self.keep_accounts = keep;
        self
    }
}

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Accounts that were added.
    pub accounts: u64,
    /// Those of them that were disabled, because they may have been removed here.
    pub accounts_disabled: u64,
    /// Sessions that were added, dead or alive.
    pub sessions: u64,
    /// Values that were added.
    pub values: u64,
    /// Records that were left out.
    pub skipped: u64,
}

/// A record that an import has left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedRecord {
    /// The number of its line, from 1.
    pub line: u64,
    /// What it is: an account with its name, or the kind of another record. No secret.
    pub what: String,
    /// Why it was left out.
    pub reason: SkipReason,
}

/// Why a record was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is in the store, as it is there or otherwise. It stays as it is there.
    #[error("it is here already")]
    IsHere,
    /// A session that is over in the store.
    #[error("it is over here")]
    IsOverHere,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// Another account has its name.
    #[error("its name is taken by another account")]
    NameTaken,
    /// A session whose account was left out.
    #[error("its account is left out")]
    AccountLeftOut,
    /// A value that may let somebody in, and sessions are not kept.
    #[error("it may let somebody in")]
    LetsIn,
    /// Records of tokens, marks of values that were removed, and the audit trail stay where they are.
    #[error("records of this kind are not imported")]
    NotImported,
    /// The store keeps nothing of this kind.
    #[error("this store keeps none")]
    NotKept,
}
