//! Accounts in the database of the sessions: readers ask the tree, changes go through the same writer.

use super::super::account_store::{AccountStore, StoredAccount};
use super::super::requests::{StoreFuture, SubjectRevocation};
use super::disk_record::DiskRecord;
use super::reader::StoreReader;
use super::{SledStore, tree_keys};
use crate::error::StoreError;
use crate::id::AccountId;

/// Reads an account from the tree.
pub(super) fn load(
    reader: &StoreReader,
    id: AccountId,
) -> Result<Option<DiskRecord<StoredAccount>>, StoreError> {
    let key = tree_keys::account(id);
    let bytes = reader.read(|tree| tree.get(&key))?;
    Ok(bytes.and_then(|bytes| {
        DiskRecord::account(&key, id, &bytes)
            .inspect_err(|error| {
                // Nobody logs in with it, and its name stays taken.
                tracing::error!(target: "jwtauth", path = ?reader.path, account = id.log_id(), %error, "an account record cannot be read and is treated as gone");
            })
            .ok()
    }))
}

impl StoreReader {
    fn account(&self, id: AccountId) -> Result<Option<StoredAccount>, StoreError> {
        Ok(load(self, id)?.map(|found| found.record))
    }

    fn account_by_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError> {
        let entry = self.read(|tree| tree.scan_prefix(tree_keys::name(key)).keys().next().transpose())?;
        match entry.and_then(|entry| tree_keys::account_of(&entry)) {
            Some(id) => self.account(id),
            None => Ok(None),
        }
    }

    fn accounts(&self, after: Option<&str>, limit: usize) -> Result<Vec<StoredAccount>, StoreError> {
        let entries = self.read(|tree| {
            tree.range(tree_keys::names_after(after)).keys().take(limit).collect::<Result<Vec<_>, _>>()
        })?;
        self.accounts_of(entries.iter())
    }

    fn accounts_before(&self, before: &str, limit: usize) -> Result<Vec<StoredAccount>, StoreError> {
        let entries = self.read(|tree| {
            let before = tree.range(tree_keys::names_before(before)).keys().rev();
            before.take(limit).collect::<Result<Vec<_>, _>>()
        })?;
        self.accounts_of(entries.iter().rev())
    }

    /// Reads the accounts that entries of the index by name are about.
    fn accounts_of<'e>(
        &self,
        entries: impl Iterator<Item = &'e ::sled::IVec>,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        entries.filter_map(|entry| self.account(tree_keys::account_of(entry)?).transpose()).collect()
    }
}

impl AccountStore for SledStore {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.create_account(&account)))
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        self.reader.answer(move |reader| reader.account(id))
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        self.reader.answer(move |reader| reader.account_by_key(&key))
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.writer.submit(move |disk| disk.change_account(&account, expected, revocation.as_ref())))
    }

    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.writer.submit(move |disk| disk.remove_account(id, &revocation)))
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        self.reader.answer(move |reader| reader.accounts(after.as_deref(), limit))
    }

    fn accounts_before(&self, before: String, limit: usize) -> StoreFuture<'_, Option<Vec<StoredAccount>>> {
        self.reader.answer(move |reader| reader.accounts_before(&before, limit).map(Some))
    }
}
