//! What a change writes, and what the changes that wait for one commit write together.
//!
//! # Invariants
//!
//! 1. A record, its index entries and its part of the totals are in the same [`Change`].
//! 2. A [`Group`] is written as one batch, so a crash leaves all of its changes or none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ::sled::Batch;

use super::super::account_store::StoredAccount;
use super::super::codec::{self, Totals};
use super::disk_record::DiskRecord;
use super::tree_keys;
use crate::clock::TimeMark;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::Session;
use crate::registry::TokenRecord;

/// What the tree is to hold under a key; `None` is nothing.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// One change: what to write, and what it does to the totals. Touches each record at most once.
#[derive(Default)]
pub(super) struct Change {
    writes: Writes,
    /// The sessions that it writes.
    records: Vec<Arc<Session>>,
    sessions: i64,
    accounts: i64,
    /// What is added to [`Totals::sum`], wrapping.
    sum: u64,
    /// What is added to [`Totals::sum_of_accounts`], wrapping.
    sum_of_accounts: u64,
    /// What is added to [`Totals::sum_of_values`], wrapping.
    sum_of_values: u64,
}

impl Change {
    /// Tells whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds a session that is not there yet.
    pub(super) fn add(&mut self, session: &Session) -> Result<(), StoreError> {
        self.put(session)?;
        self.writes.insert(tree_keys::subject_entry(session), Some(Vec::new()));
        self.writes.insert(tree_keys::expiry_entry(session), Some(Vec::new()));
        self.sessions += 1;
        Ok(())
    }

    /// Writes a session of the same subject, which may expire at another time now.
    pub(super) fn replace(
        &mut self,
        before: &DiskRecord<Session>,
        after: &Session,
    ) -> Result<(), StoreError> {
        self.subtract(before.checksum);
        self.put(after)?;
        let before = &before.record;
        if before.expires_at != after.expires_at {
            self.writes.insert(tree_keys::expiry_entry(before), None);
            self.writes.insert(tree_keys::expiry_entry(after), Some(Vec::new()));
        }
        Ok(())
    }

    /// Runs a rule on a session, and writes the session if the rule returns `true`. Returns what it returned.
    pub(super) fn alter(
        &mut self,
        before: &DiskRecord<Session>,
        rule: impl FnOnce(&mut Session) -> bool,
    ) -> Result<bool, StoreError> {
        let mut after = before.record.clone();
        let is_change = rule(&mut after);
        if is_change {
            self.replace(before, &after)?;
        }
        Ok(is_change)
    }

    /// Puts a session in the place of another one with the same id.
    pub(super) fn overwrite(
        &mut self,
        before: &DiskRecord<Session>,
        after: &Session,
    ) -> Result<(), StoreError> {
        self.remove(before);
        self.add(after)
    }

    /// Removes a session.
    pub(super) fn remove(&mut self, session: &DiskRecord<Session>) {
        self.subtract(session.checksum);
        let session = &session.record;
        self.writes.insert(tree_keys::session(session.id), None);
        self.writes.insert(tree_keys::subject_entry(session), None);
        self.writes.insert(tree_keys::expiry_entry(session), None);
        self.sessions -= 1;
    }

    /// Removes an index entry that names no session, or a record that is not counted.
    pub(super) fn remove_key(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Writes an index entry.
    pub(super) fn add_key(&mut self, key: Vec<u8>) {
        self.writes.insert(key, Some(Vec::new()));
    }

    /// Puts other bytes in the place of a value, or nothing.
    ///
    /// `before` is the checksum of the record that is there.
    pub(super) fn put_record(&mut self, key: Vec<u8>, before: Option<u64>, after: Option<Vec<u8>>) {
        let after_sum = after.as_deref().map_or(0, codec::checksum_of);
        let added = after_sum.wrapping_sub(before.unwrap_or(0));
        self.sum = self.sum.wrapping_add(added);
        self.sum_of_values = self.sum_of_values.wrapping_add(added);
        self.writes.insert(key, after);
    }

    /// Adds the records of tokens that a login or a rotation has issued.
    pub(super) fn register(&mut self, session: &Session, tokens: &[TokenRecord]) {
        for token in tokens {
            self.put_token(tree_keys::token(session, token.kind, token.id), token);
        }
    }

    /// Writes the record of a token.
    pub(super) fn put_token(&mut self, key: Vec<u8>, token: &TokenRecord) {
        let bytes = codec::encode_token(&key, token);
        self.put_uncounted(key, bytes);
    }

    /// Writes a record of a kind that is neither in the counts nor in the sum.
    pub(super) fn put_uncounted(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.writes.insert(key, Some(bytes));
    }

    /// Adds an account that is not there yet.
    pub(super) fn add_account(&mut self, account: &StoredAccount) -> Result<(), StoreError> {
        self.put_account(account)?;
        self.writes.insert(tree_keys::name_entry(&account.key, account.id), Some(Vec::new()));
        self.accounts += 1;
        Ok(())
    }

    /// Writes an account of the same name.
    pub(super) fn replace_account(
        &mut self,
        before: &DiskRecord<StoredAccount>,
        after: &StoredAccount,
    ) -> Result<(), StoreError> {
        self.subtract_account(before.checksum);
        self.put_account(after)
    }

    /// Removes an account, and its name from the index.
    pub(super) fn remove_account(&mut self, account: &DiskRecord<StoredAccount>) {
        self.subtract_account(account.checksum);
        let account = &account.record;
        self.writes.insert(tree_keys::account(account.id), None);
        self.writes.insert(tree_keys::name_entry(&account.key, account.id), None);
        self.accounts -= 1;
    }

    fn put_account(&mut self, account: &StoredAccount) -> Result<(), StoreError> {
        let key = tree_keys::account(account.id);
        let bytes = codec::encode_account(&key, account)?;
        let checksum = codec::checksum_of(&bytes);
        self.sum = self.sum.wrapping_add(checksum);
        self.sum_of_accounts = self.sum_of_accounts.wrapping_add(checksum);
        self.writes.insert(key, Some(bytes));
        Ok(())
    }

    fn put(&mut self, session: &Session) -> Result<(), StoreError> {
        let key = tree_keys::session(session.id);
        let bytes = codec::encode_session(&key, session)?;
        self.sum = self.sum.wrapping_add(codec::checksum_of(&bytes));
        self.writes.insert(key, Some(bytes));
        self.records.push(Arc::new(session.clone()));
        Ok(())
    }

    /// Takes an account out of both sums.
    fn subtract_account(&mut self, checksum: u64) {
        self.subtract(checksum);
        self.sum_of_accounts = self.sum_of_accounts.wrapping_sub(checksum);
    }

    /// Takes a record out of the sum.
    fn subtract(&mut self, checksum: u64) {
        self.sum = self.sum.wrapping_sub(checksum);
    }
}

/// Changes that wait to be written together, and the totals after them.
pub(super) struct Group {
    writes: Writes,
    /// The sessions that it has written, each as it was last. Some may have been removed since.
    records: BTreeMap<SessionId, Arc<Session>>,
    totals: Totals,
}

impl Group {
    /// Starts an empty one on what is in the tree.
    pub(super) fn new(totals: Totals) -> Self {
        Self { writes: Writes::new(), records: BTreeMap::new(), totals }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Returns how many keys it writes.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Returns the totals after it.
    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    /// Takes in one change, as a whole.
    pub(super) fn add(&mut self, change: Change) {
        self.writes.extend(change.writes);
        self.records.extend(change.records.into_iter().map(|session| (session.id, session)));
        self.totals = Totals {
            changes: self.totals.changes + 1,
            sessions: self.totals.sessions.saturating_add_signed(change.sessions),
            accounts: self.totals.accounts.saturating_add_signed(change.accounts),
            sum: self.totals.sum.wrapping_add(change.sum),
            sum_of_accounts: self.totals.sum_of_accounts.map(|sum| sum.wrapping_add(change.sum_of_accounts)),
            sum_of_values: self.totals.sum_of_values.map(|sum| sum.wrapping_add(change.sum_of_values)),
            ..self.totals
        };
    }

    /// Returns what will be under a key, if the group decides that.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.writes.get(key).map(Option::as_deref)
    }

    /// Returns the keys of a range that the group decides, and whether each will be there.
    pub(super) fn range(&self, range: &Range<Vec<u8>>) -> impl Iterator<Item = (&Vec<u8>, bool)> {
        self.writes.range(range.clone()).map(|(key, value)| (key, value.is_some()))
    }

    /// Returns what it writes, but the totals.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Vec<u8>, Option<&[u8]>)> {
        self.writes.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// Returns the keys that it changes.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        self.writes.keys().cloned().collect()
    }

    /// Returns the sessions whose records it changes.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        let records = self.writes.keys().filter(|key| key.starts_with(tree_keys::SESSIONS));
        records.filter_map(|key| tree_keys::id_of(key)).collect()
    }

    /// Takes out the sessions that will be alive under their keys.
    pub(super) fn take_live(&mut self) -> BTreeMap<SessionId, Arc<Session>> {
        let mut live = std::mem::take(&mut self.records);
        live.retain(|id, session| {
            session.revoked.is_none() && matches!(self.get(&tree_keys::session(*id)), Some(Some(_)))
        });
        live
    }

    /// Returns all of it as one batch, totals included, and the totals.
    pub(super) fn into_batch(mut self, time: &TimeMark) -> (Batch, Totals) {
        self.totals.latest = self.totals.latest.max(time.latest());
        // It gets smaller too: when a clock that was behind is put right.
        self.totals.ahead = time.ahead();
        let mut batch = Batch::default();
        for (key, value) in self.writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(tree_keys::TOTALS, codec::encode_totals(tree_keys::TOTALS, self.totals));
        (batch, self.totals)
    }
}
