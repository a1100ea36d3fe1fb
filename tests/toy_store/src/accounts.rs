//! Accounts among the rows. Finding one by its key looks at all of them.

use jwtauth::AccountId;
use jwtauth::error::StoreError;
use jwtauth::store::{AccountStore, StoreFuture, StoredAccount, SubjectRevocation, codec, rules};

use crate::ToyStore;
use crate::rows::{Rows, account_key};

impl Rows {
    /// Returns all accounts in the order of their keys.
    fn accounts(&self) -> Result<Vec<StoredAccount>, StoreError> {
        let rows =
            self.with_prefix(b"a").filter_map(|(key, id, bytes)| Some((key, id.try_into().ok()?, bytes)));
        let accounts =
            rows.map(|(key, id, bytes)| codec::decode_account(key, AccountId::from_bytes(id), bytes));
        let mut accounts = accounts.collect::<Result<Vec<_>, _>>()?;
        accounts.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(accounts)
    }

    fn account(&self, id: AccountId) -> Result<Option<StoredAccount>, StoreError> {
        let key = account_key(id);
        Ok(self.get(&key).map(|bytes| codec::decode_account(&key, id, bytes)).transpose()?)
    }

    fn put_account(&mut self, account: &StoredAccount) -> Result<(), StoreError> {
        let key = account_key(account.id);
        let bytes = codec::encode_account(&key, account)?;
        self.put(key, bytes);
        Ok(())
    }

    fn revoke_all(&mut self, id: AccountId, revocation: &SubjectRevocation) -> Result<usize, StoreError> {
        self.alter_all(&id.to_string(), |session| rules::revoke_subject(session, revocation))
    }
}

impl AccountStore for ToyStore {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        self.step(|rows| {
            let free =
                rows.accounts()?.iter().all(|other| other.id != account.id && other.key != account.key);
            if free {
                rows.put_account(&account)?;
            }
            Ok(free)
        })
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        self.step(|rows| rows.account(id))
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        self.step(|rows| Ok(rows.accounts()?.into_iter().find(|account| account.key == key)))
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        self.step(|rows| {
            let kept = rows.account(account.id)?;
            if !kept.is_some_and(|kept| rules::may_change(&kept, &account, expected)) {
                return Ok(None);
            }
            rows.put_account(&account)?;
            revocation.map_or(Ok(0), |revocation| rows.revoke_all(account.id, &revocation)).map(Some)
        })
    }

    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        self.step(|rows| {
            if rows.account(id)?.is_none() {
                return Ok(None);
            }
            rows.remove(&account_key(id));
            rows.revoke_all(id, &revocation).map(Some)
        })
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        self.step(|rows| {
            let mut accounts = rows.accounts()?;
            accounts.retain(|account| after.as_ref().is_none_or(|after| account.key > *after));
            accounts.truncate(limit);
            Ok(accounts)
        })
    }
}
