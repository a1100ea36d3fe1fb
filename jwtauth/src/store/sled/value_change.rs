//! Opaque values in the tree: each is a record and an entry in an index by expiry, changed in one batch.
//!
//! How many values there are is not among the totals; the sum of the checksums covers them, so a value that
//! is missing, or as it was before a change, is noticed all the same when the store is opened.
//!
//! Who sweeps: [`SessionStore::sweep`](super::SessionStore::sweep), which a
//! [`JwtAuth`](crate::JwtAuth) calls in the background, and each save, which removes up to
//! [`SWEPT_WITH_SAVE`] values that have expired. So a store that has no sweeper shrinks faster than it grows.

use std::sync::Arc;

use super::super::codec::{self, RecordError};
use super::super::requests::{LoginEffects, StoreFuture, Swept};
use super::super::rules;
use super::super::value_store::{NewValue, StoredValue, ValueKey, ValueStore};
use super::SledStore;
use super::disk::Disk;
use super::disk_record::DiskRecord;
use super::login_change::{LoginChange, LoginWithValue};
use super::reader::StoreReader;
use super::tree_change::Change;
use super::{explain, tree_keys};
use crate::clock::TimeMark;
use crate::error::StoreError;
use crate::record::Session;

/// How many expired values each save removes at most.
const SWEPT_WITH_SAVE: usize = 4;

type ValueRecord = DiskRecord<StoredValue>;

impl ValueStore for SledStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.reader.answer(move |reader| reader.live_value(key, now))
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.save_value(value)))
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.remove_value(key, now)))
    }

    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        let login = LoginChange { session, effects };
        Box::pin(self.writer.submit_in_two(LoginWithValue { login, value }))
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.reader.time)
    }
}

impl StoreReader {
    pub(super) fn live_value(&self, key: ValueKey, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = tree_keys::value(key);
        let Some(bytes) = self.read(|tree| tree.get(&stored))? else { return Ok(None) };
        // Not `None`: a value may say that something was revoked.
        let value =
            codec::decode_value(&stored, &bytes).map_err(|error| explain::unreadable(&self.path, error))?;
        Ok(rules::live_value(value, now))
    }
}

impl Disk {
    fn save_value(&mut self, new: NewValue) -> Result<bool, StoreError> {
        // What is replaced below must be read from the handle that it is written to.
        self.ready()?;
        let before = self.whole_value(new.key)?;
        if !rules::takes_value(before.as_ref().map(|before| &before.record), new.now) {
            return Ok(false);
        }
        let mut change = Change::default();
        let (key, now) = (new.key, new.now);
        change.put_value(key, before, &new.into())?;
        self.sweep_values(&mut change, now, SWEPT_WITH_SAVE, Some(key))?;
        self.apply(change);
        Ok(true)
    }

    fn remove_value(&mut self, key: ValueKey, now: u64) -> Result<bool, StoreError> {
        self.ready()?;
        let Some(before) = self.whole_value(key)? else { return Ok(false) };
        let Some((mark, was_live)) = rules::remove_value(&before.record, now) else { return Ok(false) };
        let mut change = Change::default();
        change.put_value(key, Some(before), &mark)?;
        self.apply(change);
        Ok(was_live)
    }

    pub(super) fn insert_with_value(
        &mut self,
        session: &Session,
        effects: &LoginEffects,
        new: NewValue,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.ready()?;
        let before = self.whole_value(new.key)?;
        if let Some(bytes) = rules::occupant(before.as_ref().map(|before| &before.record), new.now) {
            return Ok(Some(bytes));
        }
        let mut change = Change::default();
        self.add_session(&mut change, session, effects)?;
        change.put_value(new.key, before, &new.into())?;
        self.apply(change);
        Ok(None)
    }

    /// Adds to a change the removal of values that have expired at `now`, at most `limit`, and not of
    /// `spared`.
    pub(super) fn sweep_values(
        &self,
        change: &mut Change,
        now: u64,
        limit: usize,
        spared: Option<ValueKey>,
    ) -> Result<Swept, StoreError> {
        let mut entries = self.keys_in(tree_keys::expired_values(now), limit.saturating_add(1))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let mut removed = 0;
        for entry in entries {
            let key = tree_keys::value_of(&entry);
            if key.is_some() && key == spared {
                continue;
            }
            if let Some(key) = key
                && let Some(Ok(value)) = self.find_value(key)?
                && tree_keys::value_expiry(key, value.record.expires_at) == entry
            {
                change.put_record(tree_keys::value(key), Some(value.checksum), None);
                removed += 1;
            }
            change.remove_key(entry);
        }
        Ok(Swept { removed, more, ..Swept::default() })
    }

    /// Returns what the tree will hold under a key after this group.
    fn find_value(&self, key: ValueKey) -> Result<Option<Result<ValueRecord, RecordError>>, StoreError> {
        let key = tree_keys::value(key);
        match self.group.get(&key) {
            Some(bytes) => Ok(bytes.map(|bytes| DiskRecord::value(&key, bytes))),
            None => {
                let bytes = self.reader.read(|tree| tree.get(&key))?;
                Ok(bytes.map(|bytes| DiskRecord::value(&key, &bytes)))
            }
        }
    }

    /// The same, for a change: what is damaged is not replaced, because its entry in the index cannot be
    /// found, and would be left over.
    fn whole_value(&self, key: ValueKey) -> Result<Option<ValueRecord>, StoreError> {
        let found = self.find_value(key)?.transpose();
        found.map_err(|error| explain::unreadable(&self.reader.path, error))
    }
}

impl Change {
    /// Puts a value in the place of what was there before.
    pub(super) fn put_value(
        &mut self,
        key: ValueKey,
        before: Option<ValueRecord>,
        after: &StoredValue,
    ) -> Result<(), StoreError> {
        let stored = tree_keys::value(key);
        let bytes = codec::encode_value(&stored, after)?;
        if let Some(before) = &before {
            self.remove_key(tree_keys::value_expiry(key, before.record.expires_at));
        }
        self.add_key(tree_keys::value_expiry(key, after.expires_at));
        self.put_record(stored, before.map(|before| before.checksum), Some(bytes));
        Ok(())
    }
}
