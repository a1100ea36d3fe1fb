//! Values in memory, under the lock of the sessions, so that a session and a value can be added in one step.

use super::super::values::{NewValue, REMEMBERED, ValueKey, ValueStore};
use super::super::{LoginEffects, StoreFuture, Swept};
use super::{Kept, MemoryStore, ready};
use crate::record::Session;

/// A value, or the mark of one that was removed.
pub(super) struct KeptValue {
    expires_at: u64,
    /// `None` marks a key whose value was removed.
    bytes: Option<Vec<u8>>,
}

impl Kept {
    fn live_value(&self, key: ValueKey, now: u64) -> Option<&KeptValue> {
        self.values.get(&key).filter(|value| value.expires_at > now)
    }

    fn keep(&mut self, NewValue { key, bytes, expires_at, .. }: NewValue) {
        self.values.insert(key, KeptValue { expires_at, bytes: Some(bytes) });
    }

    /// Removes values that have expired at `now`, as many as the sweep may still remove.
    pub(super) fn sweep_values(&mut self, now: u64, limit: usize, swept: &mut Swept) {
        self.values.retain(|_, value| {
            let is_over = value.expires_at <= now;
            let full = swept.removed >= limit;
            swept.more |= is_over && full;
            swept.removed += usize::from(is_over && !full);
            !is_over || full
        });
    }
}

impl ValueStore for MemoryStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        ready(self.lock().live_value(key, now).and_then(|value| value.bytes.clone()))
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        let mut kept = self.lock();
        if kept.live_value(value.key, value.now).is_some_and(|mark| mark.bytes.is_none()) {
            return ready(false);
        }
        kept.keep(value);
        ready(true)
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        let mut kept = self.lock();
        let Some(value) = kept.values.get_mut(&key).filter(|value| value.bytes.is_some()) else {
            return ready(false);
        };
        let was_live = value.expires_at > now;
        *value = KeptValue { expires_at: now.saturating_add(REMEMBERED.as_secs()), bytes: None };
        ready(was_live)
    }

    fn insert_with_value(
        &self,
        session: Session,
        opening: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        let mut kept = self.lock();
        if let Some(live) = kept.live_value(value.key, value.now) {
            return ready(Some(live.bytes.clone().unwrap_or_default()));
        }
        kept.open(session, &opening);
        kept.keep(value);
        ready(None)
    }
}
