//! Opaque values in the tree: each is a record and an entry in an index by expiry, changed in one batch.
//!
//! How many values there are is not among the totals; the sum of the checksums covers them, so a value that is
//! missing, or as it was before a change, is noticed all the same when the store is opened.
//!
//! Who sweeps: [`SessionStore::sweep`](super::SessionStore::sweep), which a
//! [`JwtAuth`](crate::JwtAuth) calls in the background, and each save, which removes up to
//! [`SWEPT_WITH_SAVE`] values that have expired. So a store that has no sweeper shrinks faster than it grows.

use super::super::codec::{self, Value};
use super::super::values::{NewValue, REMEMBERED, ValueKey, ValueStore};
use super::super::{LoginEffects, StoreFuture, Swept, keys};
use super::change::Change;
use super::disk::Disk;
use super::{Shared, SledStore};
use crate::error::StoreError;
use crate::record::Session;

/// How many expired values each save removes at most.
const SWEPT_WITH_SAVE: usize = 4;

/// What is wrong with a value that cannot be read.
const DAMAGED: &str = "a value does not match its checksum";

impl ValueStore for SledStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(self.shared.live_value(key, now)))
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
        opening: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.writer.submit(move |disk| disk.insert_with_value(&session, &opening, value)))
    }
}

impl Shared {
    pub(super) fn live_value(&self, key: ValueKey, now: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = keys::value(key);
        let Some(bytes) = self.read(|tree| tree.get(&stored))? else { return Ok(None) };
        let Some(value) = codec::decode_value(&stored, &bytes) else {
            // Not `None`: a value may say that something was revoked.
            return Err(self.corrupt(DAMAGED));
        };
        Ok(if value.expires_at > now { value.bytes } else { None })
    }
}

/// What the tree will hold under a key after this group.
pub(super) struct Found {
    raw: Vec<u8>,
    /// `None` if it is damaged.
    value: Option<Value>,
}

impl Disk {
    fn save_value(&mut self, new: NewValue) -> Result<bool, StoreError> {
        // What is replaced below must be read from the handle that it is written to.
        self.ready()?;
        let found = self.find_value(new.key)?;
        let before = self.whole(found)?;
        if before.as_ref().is_some_and(|(_, mark)| mark.bytes.is_none() && mark.expires_at > new.now) {
            return Ok(false);
        }
        let mut change = Change::default();
        change.put_value(new.key, before, &Value { expires_at: new.expires_at, bytes: Some(new.bytes) })?;
        self.sweep_values(&mut change, new.now, SWEPT_WITH_SAVE, Some(new.key))?;
        self.apply(change);
        Ok(true)
    }

    fn remove_value(&mut self, key: ValueKey, now: u64) -> Result<bool, StoreError> {
        self.ready()?;
        let found = self.find_value(key)?;
        let Some((raw, before)) = self.whole(found)? else { return Ok(false) };
        if before.bytes.is_none() {
            return Ok(false);
        }
        let was_live = before.expires_at > now;
        let mark = Value { expires_at: now.saturating_add(REMEMBERED.as_secs()), bytes: None };
        let mut change = Change::default();
        change.put_value(key, Some((raw, before)), &mark)?;
        self.apply(change);
        Ok(was_live)
    }

    pub(super) fn insert_with_value(
        &mut self,
        session: &Session,
        opening: &LoginEffects,
        new: NewValue,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.ready()?;
        let found = self.find_value(new.key)?;
        let before = self.whole(found)?;
        if let Some((_, live)) = before.as_ref().filter(|(_, value)| value.expires_at > new.now) {
            return Ok(Some(live.bytes.clone().unwrap_or_default()));
        }
        let mut change = Change::default();
        self.open(&mut change, session, opening)?;
        change.put_value(new.key, before, &Value { expires_at: new.expires_at, bytes: Some(new.bytes) })?;
        self.apply(change);
        Ok(None)
    }

    /// Adds to a change the removal of values that have expired at `now`, at most `limit`, and not of `spared`.
    pub(super) fn sweep_values(
        &self,
        change: &mut Change,
        now: u64,
        limit: usize,
        spared: Option<ValueKey>,
    ) -> Result<Swept, StoreError> {
        let mut entries = self.keys_in(keys::expired_values(now), limit.saturating_add(1))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let mut removed = 0;
        for entry in entries {
            let key = keys::value_of(&entry);
            if key.is_some() && key == spared {
                continue;
            }
            if let Some(key) = key
                && let Some(Found { raw, value: Some(value) }) = self.find_value(key)?
                && keys::value_expiry(key, value.expires_at) == entry
            {
                change.put_record(keys::value(key), Some(&raw), None);
                removed += 1;
            }
            change.remove_key(entry);
        }
        Ok(Swept { removed, more, ..Swept::default() })
    }

    pub(super) fn find_value(&self, key: ValueKey) -> Result<Option<Found>, StoreError> {
        let key = keys::value(key);
        let raw = match self.group.get(&key) {
            Some(bytes) => bytes.map(<[u8]>::to_vec),
            None => self.shared.read(|tree| tree.get(&key))?.map(|bytes| bytes.to_vec()),
        };
        Ok(raw.map(|raw| Found { value: codec::decode_value(&key, &raw), raw }))
    }

    /// What is damaged is not replaced: its entry in the index cannot be found, and would be left over.
    pub(super) fn whole(&self, found: Option<Found>) -> Result<Option<(Vec<u8>, Value)>, StoreError> {
        match found {
            None => Ok(None),
            Some(Found { raw, value: Some(value) }) => Ok(Some((raw, value))),
            Some(Found { value: None, .. }) => Err(self.shared.corrupt(DAMAGED)),
        }
    }
}

impl Change {
    /// Puts a value in the place of what was there before.
    pub(super) fn put_value(
        &mut self,
        key: ValueKey,
        before: Option<(Vec<u8>, Value)>,
        after: &Value,
    ) -> Result<(), StoreError> {
        let stored = keys::value(key);
        let bytes = codec::encode_value(&stored, after)?;
        if let Some((_, before)) = &before {
            self.remove_key(keys::value_expiry(key, before.expires_at));
        }
        self.add_key(keys::value_expiry(key, after.expires_at));
        self.put_record(stored, before.as_ref().map(|(raw, _)| &raw[..]), Some(bytes));
        Ok(())
    }
}
