//! What the writer does to accounts. Each change is one [`Change`], with the sessions that end with it.

use super::super::super::accounts::StoredAccount;
use super::super::super::{SubjectRevocation, codec, keys};
use super::super::change::Change;
use super::Disk;
use crate::error::StoreError;
use crate::id::AccountId;

impl Disk {
    fn account(&self, id: AccountId) -> Result<Option<StoredAccount>, StoreError> {
        let key = keys::account(id);
        match self.group.get(&key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| codec::decode_account(&key, id, bytes))),
            None => self.shared.account(id),
        }
    }

    pub(in super::super) fn create_account(&mut self, account: &StoredAccount) -> Result<bool, StoreError> {
        self.ready()?;
        let named = self.keys_in(keys::name_range(&account.key), 1)?;
        if !named.is_empty() || self.account(account.id)?.is_some() {
            return Ok(false);
        }
        let mut change = Change::default();
        change.add_account(account)?;
        self.apply(change);
        Ok(true)
    }

    pub(in super::super) fn change_account(
        &mut self,
        after: &StoredAccount,
        expected: u64,
        ends: Option<SubjectRevocation>,
    ) -> Result<Option<usize>, StoreError> {
        self.ready()?;
        let before = self.account(after.id)?;
        let Some(before) = before.filter(|before| before.revision == expected && before.key == after.key)
        else {
            return Ok(None);
        };
        let mut change = Change::default();
        change.replace_account(&before, after)?;
        let ended = match ends {
            Some(ends) => self.end_sessions(&mut change, &after.id.to_string(), ends)?,
            None => 0,
        };
        self.apply(change);
        Ok(Some(ended))
    }

    pub(in super::super) fn remove_account(
        &mut self,
        id: AccountId,
        ends: SubjectRevocation,
    ) -> Result<Option<usize>, StoreError> {
        self.ready()?;
        let Some(account) = self.account(id)? else { return Ok(None) };
        let mut change = Change::default();
        change.remove_account(&account)?;
        let ended = self.end_sessions(&mut change, &id.to_string(), ends)?;
        self.apply(change);
        Ok(Some(ended))
    }
}
