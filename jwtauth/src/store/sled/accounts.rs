//! Accounts in the database of the sessions: readers ask the tree, changes go through the same writer.

use super::super::accounts::{AccountStore, StoredAccount};
use super::super::{StoreFuture, SubjectRevocation, codec, keys};
use super::{Shared, SledStore};
use crate::error::StoreError;
use crate::id::AccountId;

impl Shared {
    pub(super) fn account(&self, id: AccountId) -> Result<Option<StoredAccount>, StoreError> {
        let key = keys::account(id);
        let bytes = self.read(|tree| tree.get(&key))?;
        Ok(bytes.and_then(|bytes| {
            let account = codec::decode_account(&key, id, &bytes);
            if account.is_none() {
                // Nobody logs in with it, and its name stays taken.
                tracing::error!(target: "jwtauth", path = ?self.path, account = id.log_id(), "an account record is damaged and treated as gone");
            }
            account
        }))
    }

    fn account_by_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError> {
        let entry = self.read(|tree| tree.scan_prefix(keys::name(key)).keys().next().transpose())?;
        match entry.and_then(|entry| keys::account_of(&entry)) {
            Some(id) => self.account(id),
            None => Ok(None),
        }
    }

    fn accounts(&self, after: Option<&str>, limit: usize) -> Result<Vec<StoredAccount>, StoreError> {
        let entries = self.read(|tree| {
            tree.range(keys::names_after(after)).keys().take(limit).collect::<Result<Vec<_>, _>>()
        })?;
        entries.iter().filter_map(|entry| self.account(keys::account_of(entry)?).transpose()).collect()
    }
}

impl AccountStore for SledStore {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.create_account(&account)))
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        Box::pin(std::future::ready(self.shared.account(id)))
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        Box::pin(std::future::ready(self.shared.account_by_key(&key)))
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        ends: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.writer.submit(move |disk| disk.change_account(&account, expected, ends)))
    }

    fn remove_account(&self, id: AccountId, ends: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.writer.submit(move |disk| disk.remove_account(id, ends)))
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        Box::pin(std::future::ready(self.shared.accounts(after.as_deref(), limit)))
    }
}
