//! Values in memory, under the lock of the sessions, so that a session and a value can be added in one step.

use std::sync::Arc;

use super::super::requests::{LoginEffects, StoreFuture, Swept};
use super::super::rules;
use super::super::value_store::{NewValue, StoredValue, ValueKey, ValueStore};
use super::{MemoryStore, MemoryTables, ready};
use crate::clock::TimeMark;
use crate::record::Session;

impl MemoryTables {
    fn keep(&mut self, new: NewValue) {
        self.values.insert(new.key, new.into());
    }

    /// Removes values that have expired at `now`, as many as the sweep may still remove.
    pub(super) fn sweep_values(&mut self, now: u64, limit: usize, swept: &mut Swept) {
        self.values.retain(|_, value| {
            let is_over = rules::value_has_expired(value, now);
            let full = swept.removed >= limit;
            swept.more |= is_over && full;
            swept.removed += usize::from(is_over && !full);
            !is_over || full
        });
    }
}

impl ValueStore for MemoryStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        let value: Option<StoredValue> = self.lock().values.get(&key).cloned();
        ready(value.and_then(|value| rules::live_value(value, now)))
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        let mut kept = self.lock();
        let takes = rules::takes_value(kept.values.get(&value.key), value.now);
        if takes {
            kept.keep(value);
        }
        ready(takes)
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        let mut kept = self.lock();
        let Some(before) = kept.values.get_mut(&key) else { return ready(false) };
        let Some((mark, was_live)) = rules::remove_value(before, now) else { return ready(false) };
        *before = mark;
        ready(was_live)
    }

    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        let mut kept = self.lock();
        let occupant = rules::occupant(kept.values.get(&value.key), value.now);
        if occupant.is_none() {
            kept.open(session, &effects);
            kept.keep(value);
        }
        ready(occupant)
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.time)
    }
}
