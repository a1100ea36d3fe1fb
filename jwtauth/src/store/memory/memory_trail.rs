//! An audit trail in memory.

use super::super::event_store::EventStore;
use super::super::requests::StoreFuture;
use super::super::rules;
use super::{MemoryStore, ready};
use crate::events::{EventDetails, EventRecord, TrailHead};

impl EventStore for MemoryStore {
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()> {
        let mut kept = self.lock();
        let change = rules::append_events(kept.trail, kept.events.values().next_back(), events, keep);
        for number in change.removed {
            kept.events.remove(&number);
        }
        kept.events.extend(change.added.into_iter().map(|record| (record.number, record)));
        kept.trail = Some(change.head);
        ready(())
    }

    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>> {
        let kept = self.lock();
        let behind = kept.events.range(after.saturating_add(1)..);
        ready(behind.take(limit).map(|(_, record)| record.clone()).collect())
    }

    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>> {
        ready(self.lock().trail)
    }
}
