//! Accounts in memory, in the order of their keys.
//!
//! Whoever holds the lock of the accounts may take that of the sessions, never the other way round.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::account_store::{AccountStore, StoredAccount};
use super::super::requests::{StoreFuture, SubjectRevocation};
use super::super::rules;
use super::{MemoryStore, ready};
use crate::id::AccountId;

pub(super) type AccountTable = Mutex<BTreeMap<String, StoredAccount>>;

impl MemoryStore {
    pub(super) fn lock_accounts(&self) -> MutexGuard<'_, BTreeMap<String, StoredAccount>> {
        // OK for the same reason as with sessions.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revoke_all(&self, id: AccountId, revocation: &SubjectRevocation) -> usize {
        self.lock().alter_all(&id.to_string(), |session| rules::revoke_subject(session, revocation))
    }
}

impl AccountStore for MemoryStore {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        let mut accounts = self.lock_accounts();
        let free = !accounts.contains_key(&account.key) && accounts.values().all(|a| a.id != account.id);
        if free {
            accounts.insert(account.key.clone(), account);
        }
        ready(free)
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        ready(self.lock_accounts().values().find(|account| account.id == id).cloned())
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        ready(self.lock_accounts().get(&key).cloned())
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        let mut accounts = self.lock_accounts();
        let kept = accounts.get_mut(&account.key);
        let Some(kept) = kept.filter(|kept| rules::may_change(kept, &account, expected)) else {
            return ready(None);
        };
        let revoked = revocation.map_or(0, |revocation| self.revoke_all(account.id, &revocation));
        *kept = account;
        ready(Some(revoked))
    }

    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        let mut accounts = self.lock_accounts();
        let Some(key) = accounts.values().find(|account| account.id == id).map(|it| it.key.clone()) else {
            return ready(None);
        };
        let revoked = self.revoke_all(id, &revocation);
        accounts.remove(&key);
        ready(Some(revoked))
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        let accounts = self.lock_accounts();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = accounts.range((start, Bound::Unbounded)).take(limit);
        ready(page.map(|(_, account)| account.clone()).collect())
    }

    fn accounts_before(&self, before: String, limit: usize) -> StoreFuture<'_, Option<Vec<StoredAccount>>> {
        let accounts = self.lock_accounts();
        let page = accounts.range(..before).rev().take(limit);
        let mut page: Vec<_> = page.map(|(_, account)| account.clone()).collect();
        page.reverse();
        ready(Some(page))
    }
}
