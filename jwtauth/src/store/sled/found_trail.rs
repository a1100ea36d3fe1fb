//! The audit trail, as far as it can be read.

use super::super::codec::{self, RecordError};
use super::tree_keys;
use crate::events::{TrailCheck, TrailFault, TrailHead};

/// How many events are kept after a repair if nobody knows any more how many it should be: all. The server
/// says anew how many.
const KEPT: u64 = 10_000_000;

/// What was read. Records come in the order of their keys, so the head first.
#[derive(Debug, Default)]
pub(super) struct FoundTrail {
    head: Option<TrailHead>,
    check: Option<TrailCheck>,
    first: Option<u64>,
    /// The number and the hash of the last event.
    last: Option<(u64, [u8; 32])>,
}

impl FoundTrail {
    /// Takes what stands under a key of the trail. Returns whether it is an event.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<bool, RecordError> {
        if key == tree_keys::EVENTS {
            self.head = Some(codec::decode_trail_head(key, value)?);
            return Ok(false);
        }
        let number = tree_keys::number_of_event(key).ok_or(RecordError::Damaged)?;
        let event = codec::decode_event(key, number, value)?;
        self.check.get_or_insert_with(|| TrailCheck::new(self.head)).take(&event);
        self.first.get_or_insert(number);
        self.last = Some((number, event.hash()));
        Ok(true)
    }

    /// Returns what is wrong with it.
    pub(super) fn faults(&self) -> Vec<TrailFault> {
        self.check.clone().unwrap_or_else(|| TrailCheck::new(self.head)).faults()
    }

    /// Returns the head that goes on from here: no number is used twice. What is missing before it stays
    /// missing, and is seen. `None` if there is no trail.
    pub(super) fn whole_head(&self) -> Option<TrailHead> {
        let (first, last) = (self.first, self.last);
        match (self.head, last) {
            (Some(head), Some((number, hash))) if number > head.last => {
                Some(TrailHead { last: number, hash, ..head })
            }
            (Some(head), _) => Some(head),
            (None, Some((number, hash))) => {
                let head = TrailHead::new(KEPT);
                Some(TrailHead { first: first.unwrap_or(number), last: number, hash, ..head })
            }
            (None, None) => None,
        }
    }
}
