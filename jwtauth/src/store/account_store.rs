//! Where accounts are kept: [`AccountStore`], by the same stores that keep sessions.
//!
//! One store for both, because what happens to an account ends sessions: a new password and the end of the
//! sessions that the old one has opened are one step, and no crash comes between them.
//!
//! # Invariants of every store
//!
//! 1. Those of a [`SessionStore`](super::SessionStore); and what was true of sessions is true of accounts.
//! 2. No two accounts have the same id or the same key, whatever races.
//! 3. An account changes only as a whole, and only on top of the revision that was read.
//! 4. Only [`AccountStore::remove_account`] removes an account: a sweep is for sessions.

use std::fmt;

use zeroize::Zeroizing;

use super::requests::{StoreFuture, SubjectRevocation};
use crate::id::AccountId;

/// An account, as the store keeps it. All times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredAccount {
    /// The account's id; its text is the subject of the account's sessions.
    pub id: AccountId,
    /// The name, as it was registered.
    pub name: String,
    /// The name as it is compared: normalised and case-folded. At most 255 bytes, none below a space.
    pub key: String,
    /// What the password is checked against.
    pub hash: PasswordHash,
    /// The roles.
    pub roles: Vec<String>,
    /// Whether the account may log in.
    pub active: bool,
    /// Counts changes of the password, the roles and of `active`.
    pub revision: u64,
    /// When the account was registered.
    pub created_at: u64,
    /// When the password was last set.
    pub password_changed_at: u64,
    /// When the password was last accepted.
    pub last_login: Option<u64>,
}

impl StoredAccount {
    /// An account that was registered at `now`, in Unix seconds: active, without roles, never logged in.
    #[must_use]
    pub const fn new(id: AccountId, name: String, key: String, hash: PasswordHash, now: u64) -> Self {
        Self {
            id,
            name,
            key,
            hash,
            roles: Vec::new(),
            active: true,
            revision: 0,
            created_at: now,
            password_changed_at: now,
            last_login: None,
        }
    }
}

/// The hash of a password: a PHC string, or the text of another program for an account that was
/// [imported](crate::Accounts::import). Redacted in `Debug`, overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Takes the text; for stores, which read it back.
    #[must_use]
    pub fn from_phc(phc: String) -> Self {
        Self(Zeroizing::new(phc))
    }

    /// Returns the text; for stores, which write it. Show it to nobody.
    #[must_use]
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// Keeps accounts, in a store that keeps sessions too. Each method is one atomic step, and durable when it
/// resolves.
pub trait AccountStore: fmt::Debug + Send + Sync + 'static {
    /// Adds an account, unless there is one with its id or its key. Returns whether it was added.
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool>;

    /// Returns the account with this id.
    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>>;

    /// Returns the account with this key.
    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>>;

    /// Puts `account` in the place of the one with its id, if [`rules::may_change`](super::rules::may_change)
    /// says so, and revokes sessions whose subject is the id, as [`SessionStore::revoke_subject`] does: all
    /// in one step.
    ///
    /// Returns how many sessions were revoked, or `None` if nothing happened.
    ///
    /// [`SessionStore::revoke_subject`]: super::SessionStore::revoke_subject
    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>>;

    /// Removes an account and frees its key, and revokes sessions whose subject is its id, as
    /// [`SessionStore::revoke_subject`] does: all in one step.
    ///
    /// Returns how many sessions were revoked, or `None` if there is no such account.
    ///
    /// [`SessionStore::revoke_subject`]: super::SessionStore::revoke_subject
    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>>;

    /// Returns up to `limit` accounts in the order of the bytes of their keys, beginning behind the key
    /// `after`.
    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>>;

    /// Returns the up to `limit` accounts that come right before the key `before`, in the order of the bytes
    /// of their keys. Default: `None`, and a list has no way to the page before.
    fn accounts_before(&self, before: String, limit: usize) -> StoreFuture<'_, Option<Vec<StoredAccount>>> {
        let _ = (before, limit);
        Box::pin(async { Ok(None) })
    }
}
