//! Reads a whole audit trail, and says whether it is as it was written.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::event_store::EventStore;
use super::super::session_store::SessionStore;
use super::walk::{OperateError, Progress};
use crate::events::{TrailCheck, TrailFault, TrailHead, TrailMark};

/// How many records are read at once.
const PAGE: usize = 256;
/// How often the check begins anew because records were removed while it read them.
const ROUNDS: usize = 10;

/// What was found of an audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckedTrail {
    /// Where it begins and ends. `None` if the store has none.
    pub head: Option<TrailHead>,
    /// How many events were read.
    pub events: u64,
    /// What is wrong, at most 100 faults.
    pub faults: Vec<TrailFault>,
    /// Whether the event of the mark has the hash that the mark says. `None` if there was no mark, or its
    /// event is not kept any more.
    pub is_as_marked: Option<bool>,
}

/// Checks the audit trail of a store that may be in use, and compares it with a mark that was kept elsewhere.
///
/// # Errors
///
/// - [`OperateError::NotOffered`]: the store keeps no trail.
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: the store failed.
pub async fn check_trail(
    store: &Arc<dyn SessionStore>,
    mark: Option<TrailMark>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<CheckedTrail, OperateError> {
    let trail = Arc::clone(store).event_store();
    let trail = trail.ok_or(OperateError::NotOffered { what: "keep an audit trail" })?;
    let mut rounds = 0;
    loop {
        rounds += 1;
        let checked = read(&trail, mark, progress).await?;
        if checked.faults.is_empty() || rounds >= ROUNDS {
            return Ok(checked);
        }
        // The oldest may have been removed before they were read.
        let first = |head: Option<TrailHead>| head.map(|head| head.first);
        if first(trail.trail_head().await?) == first(checked.head) {
            return Ok(checked);
        }
    }
}

async fn read(
    trail: &Arc<dyn EventStore>,
    mark: Option<TrailMark>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<CheckedTrail, OperateError> {
    let head = trail.trail_head().await?;
    let end = head.map_or(u64::MAX, |head| head.last);
    let mut check = TrailCheck::new(head);
    if let Some(mark) = mark {
        check = check.with_mark(mark);
    }
    let mut after = 0;
    let behind = loop {
        let page = trail.events_after(after, PAGE).await?;
        page.iter().filter(|record| record.number <= end).for_each(|record| check.take(record));
        match page.last() {
            Some(last) if page.len() == PAGE && last.number <= end => after = last.number,
            _ => break page.into_iter().find(|record| record.number > end),
        }
        if progress(Progress { done: check.records(), of: head.map(|head| head.len()), bytes: 0 }).is_break()
        {
            return Err(OperateError::Stopped);
        }
        tokio::task::yield_now().await;
    };
    let (events, is_as_marked) = (check.records(), check.is_as_marked());
    // Appended meanwhile, or left behind an end that somebody has put back.
    if let Some(behind) = behind
        && trail.trail_head().await?.is_none_or(|head| head.last < behind.number)
    {
        check.take(&behind);
    }
    Ok(CheckedTrail { head, events, faults: check.faults(), is_as_marked })
}
