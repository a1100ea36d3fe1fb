//! What the writer does to accounts. Each change is one [`Change`], with the sessions that are revoked with
//! it.

use super::super::account_store::StoredAccount;
use super::super::requests::SubjectRevocation;
use super::super::rules;
use super::disk::Disk;
use super::disk_record::DiskRecord;
use super::tree_change::Change;
use super::{account_lookup, tree_keys};
use crate::error::StoreError;
use crate::id::AccountId;

impl Disk {
    fn account(&self, id: AccountId) -> Result<Option<DiskRecord<StoredAccount>>, StoreError> {
        let key = tree_keys::account(id);
        match self.group.get(&key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| DiskRecord::account(&key, id, bytes).ok())),
            None => account_lookup::load(&self.reader, id),
        }
    }

    pub(super) fn create_account(&mut self, account: &StoredAccount) -> Result<bool, StoreError> {
        self.ready()?;
        let named = self.keys_in(tree_keys::name_range(&account.key), 1)?;
        if !named.is_empty() || self.account(account.id)?.is_some() {
            return Ok(false);
        }
        let mut change = Change::default();
        change.add_account(account)?;
        self.apply(change);
        Ok(true)
    }

    pub(super) fn change_account(
        &mut self,
        after: &StoredAccount,
        expected: u64,
        revocation: Option<&SubjectRevocation>,
    ) -> Result<Option<usize>, StoreError> {
        self.ready()?;
        let before = self.account(after.id)?;
        let Some(before) = before.filter(|before| rules::may_change(&before.record, after, expected)) else {
            return Ok(None);
        };
        let mut change = Change::default();
        change.replace_account(&before, after)?;
        let revoked = match revocation {
            Some(revocation) => self.revoke_sessions(&mut change, &after.id.to_string(), revocation)?,
            None => 0,
        };
        self.apply(change);
        Ok(Some(revoked))
    }

    pub(super) fn remove_account(
        &mut self,
        id: AccountId,
        revocation: &SubjectRevocation,
    ) -> Result<Option<usize>, StoreError> {
        self.ready()?;
        let Some(account) = self.account(id)? else { return Ok(None) };
        let mut change = Change::default();
        change.remove_account(&account);
        let revoked = self.revoke_sessions(&mut change, &id.to_string(), revocation)?;
        self.apply(change);
        Ok(Some(revoked))
    }
}
