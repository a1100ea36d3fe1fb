//! Where an audit trail is kept: [`EventStore`], by a store that keeps sessions too.
//!
//! What a record is, and how a trail is checked, is in `events`. Which events are kept is decided in
//! `session::trail`.
//!
//! # Invariants of every store
//!
//! 1. Events that are appended get the next numbers, and each has the hash of the one before it, as
//!    [`rules::append_events`](super::rules::append_events) says. Records, removals and head change in one
//!    step.
//! 2. A record is never changed or overwritten, also if the head is lost. The oldest are removed when there
//!    are more than are to be kept.

use std::fmt;

use super::requests::StoreFuture;
use crate::events::{EventDetails, EventRecord, TrailHead};

/// Keeps an audit trail, beside sessions.
pub trait EventStore: fmt::Debug + Send + Sync + 'static {
    /// Adds events at the end of the trail, in this order, and keeps the newest `keep` of all. Happens also
    /// if the future is dropped once it was polled.
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()>;

    /// Returns the records behind the one with the number `after`, in order, at most `limit` of them. All
    /// begin behind 0. Fewer than `limit` are the last ones. A record that is damaged is left out.
    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>>;

    /// Returns where the trail begins and ends. `None` if nothing was ever appended, or if that record is
    /// damaged.
    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>>;
}
