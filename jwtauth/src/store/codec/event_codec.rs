//! Records of an audit trail as bytes. Layout 1 and those that follow it, each with one field more.
//!
//! The hash of a record is over what it says, and not over these bytes: a new layout changes no hash. A field
//! that is new in [`EventDetails`] must be left out of its JSON where it is empty.

use super::frame::{self, RecordError};
use crate::error::StoreError;
use crate::events::{EventDetails, EventRecord, TrailHead};

mod record {
    use super::super::field::fields;
    use crate::events::EventRecord;

    fields!(EventRecord {
        previous: 1,
        event.at: 1,
        event.event: 1,
        event.subject: 1,
        event.session: 1,
        event.token: 1,
        event.address: 1,
        event.details: 1,
    });
}

mod head {
    use super::super::field::fields;
    use crate::events::TrailHead;

    fields!(TrailHead { first: 1, last: 1, hash: 1, keep: 1 });
}

/// Returns a record of an audit trail as bytes, to be kept under `key`, which holds its number.
///
/// # Errors
///
/// [`StoreError::TooLarge`] if they are more than [`MAX_RECORD`](super::MAX_RECORD).
pub fn encode_event(key: &[u8], event: &EventRecord) -> Result<Vec<u8>, StoreError> {
    frame::fits(frame::close(record::NEWEST, key, |out| record::put(event, out)))
}

/// Returns the record of an audit trail that is kept under `key`.
///
/// # Errors
///
/// A [`RecordError`] if the bytes are no such record.
pub fn decode_event(key: &[u8], number: u64, bytes: &[u8]) -> Result<EventRecord, RecordError> {
    let (layout, body) = frame::open(record::NEWEST, key, bytes)?;
    let mut event = EventRecord::new(number, [0; 32], EventDetails::default());
    record::take(layout, body, &mut event).map(|()| event).ok_or(RecordError::Damaged)
}

/// Returns where a trail begins and ends as bytes, to be kept under `key`.
#[must_use]
pub fn encode_trail_head(key: &[u8], head: &TrailHead) -> Vec<u8> {
    frame::close(head::NEWEST, key, |out| head::put(head, out))
}

/// Returns where a trail begins and ends.
///
/// # Errors
///
/// A [`RecordError`] if the bytes do not say so.
pub fn decode_trail_head(key: &[u8], bytes: &[u8]) -> Result<TrailHead, RecordError> {
    let (layout, body) = frame::open(head::NEWEST, key, bytes)?;
    let mut head = TrailHead::new(0);
    head::take(layout, body, &mut head).ok_or(RecordError::Damaged)?;
    // No trail was ever so long.
    let is_sound = head.first > 0 && head.first <= head.last.saturating_add(1) && head.last < u64::MAX / 2;
    if is_sound { Ok(head) } else { Err(RecordError::Damaged) }
}
