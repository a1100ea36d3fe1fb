//! The audit trail in the tree: each event is a record under its number, and one more record says where the
//! trail begins and ends.
//!
//! The totals know nothing of them: a damaged event must log nobody out. One that cannot be read is left out.
//! The hashes show what is missing or changed.

use super::super::codec::{self, RecordError};
use super::super::event_store::EventStore;
use super::super::requests::StoreFuture;
use super::super::rules;
use super::disk::Disk;
use super::explain::unreadable;
use super::reader::StoreReader;
use super::tree_change::Change;
use super::{SledStore, tree_keys};
use crate::error::StoreError;
use crate::events::{EventDetails, EventRecord, TrailHead};

impl EventStore for SledStore {
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.insist(move |disk| disk.append_events(events, keep)))
    }

    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>> {
        self.reader.answer(move |reader| reader.events_after(after, limit))
    }

    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>> {
        self.reader.answer(StoreReader::trail_head)
    }
}

impl StoreReader {
    fn events_after(&self, after: u64, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        let range = tree_keys::event(after.saturating_add(1))..tree_keys::EVENTS_END.to_vec();
        let decoded = |(key, bytes): (sled::IVec, sled::IVec)| {
            let number = tree_keys::number_of_event(&key).ok_or(RecordError::Damaged);
            number.and_then(|number| codec::decode_event(&key, number, &bytes))
        };
        let found: Vec<_> = self.read(|tree| {
            let records = tree.range(range).map(|entry| entry.map(decoded));
            records.filter(|record| !matches!(record, Ok(Err(RecordError::Damaged)))).take(limit).collect()
        })?;
        found.into_iter().map(|record| record.map_err(|error| unreadable(&self.path, error))).collect()
    }

    fn trail_head(&self) -> Result<Option<TrailHead>, StoreError> {
        let found = self.read(|tree| tree.get(tree_keys::EVENTS))?;
        Ok(found.map(|bytes| self.head_of(&bytes)).transpose()?.flatten())
    }

    /// Reads the head. A damaged one is none: the trail goes on without it.
    fn head_of(&self, bytes: &[u8]) -> Result<Option<TrailHead>, StoreError> {
        match codec::decode_trail_head(tree_keys::EVENTS, bytes) {
            Ok(head) => Ok(Some(head)),
            Err(RecordError::Damaged) => Ok(None),
            Err(error) => Err(unreadable(&self.path, error)),
        }
    }
}

impl Disk {
    fn append_events(&mut self, events: Vec<EventDetails>, keep: u64) -> Result<(), StoreError> {
        self.ready()?;
        let head = match self.group.get(tree_keys::EVENTS) {
            Some(bytes) => bytes.map(|bytes| self.reader.head_of(bytes)).transpose()?.flatten(),
            None => self.reader.trail_head()?,
        };
        let mut change = Change::default();
        change.append_events(head, self.last_event()?.as_ref(), events, keep)?;
        self.apply(change);
        Ok(())
    }
}

impl Disk {
    /// Returns the last record that there is or will be.
    fn last_event(&self) -> Result<Option<EventRecord>, StoreError> {
        let range = tree_keys::event(0)..tree_keys::EVENTS_END.to_vec();
        let gathered = self.group.range(&range).filter(|(_, is_there)| *is_there).last();
        let found = match gathered.and_then(|(key, _)| Some((key.clone(), self.group.get(key)??.to_vec()))) {
            Some(gathered) => Some(gathered),
            None => {
                let last = self.reader.read(|tree| tree.range(range).next_back().transpose())?;
                last.map(|(key, bytes)| (key.to_vec(), bytes.to_vec()))
            }
        };
        let Some((key, bytes)) = found else { return Ok(None) };
        // One that cannot be read has a number all the same, and the chain begins anew behind it.
        let number = tree_keys::number_of_event(&key).unwrap_or_default();
        let empty = || EventRecord::new(number, [0; 32], EventDetails::default());
        Ok(Some(codec::decode_event(&key, number, &bytes).unwrap_or_else(|_| empty())))
    }
}

impl Change {
    /// Adds events to the trail with this head.
    pub(super) fn append_events(
        &mut self,
        head: Option<TrailHead>,
        last: Option<&EventRecord>,
        events: Vec<EventDetails>,
        keep: u64,
    ) -> Result<(), StoreError> {
        let after = rules::append_events(head, last, events, keep);
        for number in after.removed {
            self.remove_key(tree_keys::event(number));
        }
        for record in &after.added {
            let key = tree_keys::event(record.number);
            let bytes = codec::encode_event(&key, record)?;
            self.put_uncounted(key, bytes);
        }
        let head = codec::encode_trail_head(tree_keys::EVENTS, &after.head);
        self.put_uncounted(tree_keys::EVENTS.to_vec(), head);
        Ok(())
    }
}
