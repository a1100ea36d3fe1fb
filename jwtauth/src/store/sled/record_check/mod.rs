//! How far the records of a store were read since it was opened, while they change. `record_checker` reads
//! them, page by page, and the writer says what it changes.
//!
//! # Invariants
//!
//! 1. The tally is that of all keys in front of the cursor, as they are once the group is in the tree that
//!    the writer has begun to write. The totals are those after that group. So both belong together at any
//!    time, and if they differ when all was read, they did so before any of these changes: each change alters
//!    both by the same.
//! 2. A page counts only if none of its keys was being changed while it was read.
//! 3. A store that was opened anew is read anew.

use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::sled::IVec;
use tokio::sync::watch;

use super::super::codec::Totals;
use super::record_tally::RecordTally;
use super::tree_change::Group;
use super::tree_keys;
use crate::error::StoreError;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckStage {
    UnderWay,
    Verified,
    /// Something is wrong, or the store is being closed: it comes to no end.
    Over,
}

/// What the reading of records and the writer share.
#[derive(Debug)]
pub(super) struct RecordCheck {
    /// Whether the writer is to say what it changes.
    is_under_way: AtomicBool,
    progress: Mutex<CheckProgress>,
    /// There is something to do, or nothing ever again.
    changed: Condvar,
    stage: watch::Sender<CheckStage>,
    /// How many bytes keys and values have, from when that is known until the writer has asked for it.
    payload: AtomicU64,
}

#[derive(Debug, Default)]
struct CheckProgress {
    /// Counts how often reading has begun.
    run: u64,
    /// Of what was read before the store was opened.
    first: RecordTally,
    /// Of the keys in front of the cursor.
    rest: RecordTally,
    totals: Totals,
    cursor: Vec<u8>,
    /// Keys that have changed since the page was begun.
    noted: Vec<Vec<u8>>,
    /// Those that are being written.
    in_flight: Vec<Vec<u8>>,
    is_over: bool,
}

/// Where a page begins.
#[derive(Debug)]
pub(super) struct PageStart {
    run: u64,
    /// Where its keys are, if any are left.
    pub(super) range: Option<Range<Vec<u8>>>,
}

impl PageStart {
    /// Tells whether both are of the same tree.
    pub(super) const fn is_of(&self, other: &Self) -> bool {
        self.run == other.run
    }
}

impl RecordCheck {
    /// Begins with what was counted first, or says that all was read.
    pub(super) fn new(first: Option<RecordTally>, totals: Totals) -> Self {
        let check = Self {
            is_under_way: AtomicBool::default(),
            progress: Mutex::default(),
            changed: Condvar::new(),
            stage: watch::Sender::new(CheckStage::Verified),
            payload: AtomicU64::default(),
        };
        check.begin(first, totals);
        check
    }

    fn lock(&self) -> MutexGuard<'_, CheckProgress> {
        // A panic inside sled may leave a part of a group uncounted: then the store is opened anew.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew: the tree is another one.
    pub(super) fn begin(&self, first: Option<RecordTally>, totals: Totals) {
        let mut progress = self.lock();
        let CheckProgress { run, is_over, .. } = *progress;
        let started = CheckProgress {
            run: run + 1,
            first: first.unwrap_or_default(),
            totals,
            is_over,
            ..CheckProgress::default()
        };
        *progress = started;
        if !is_over {
            self.enter(if first.is_some() { CheckStage::UnderWay } else { CheckStage::Verified });
        }
    }

    /// Begins once more to read the rest of the same tree.
    pub(super) fn read_again(&self, start: &PageStart) {
        let mut progress = self.lock();
        if progress.run == start.run {
            (progress.rest, progress.cursor) = (RecordTally::default(), Vec::new());
        }
    }

    fn enter(&self, stage: CheckStage) {
        self.is_under_way.store(stage == CheckStage::UnderWay, Ordering::SeqCst);
        self.stage.send_replace(stage);
        self.changed.notify_all();
    }

    /// Says that it comes to no end.
    pub(super) fn end(&self) {
        let mut progress = self.lock();
        progress.is_over = true;
        if self.stage() == CheckStage::UnderWay {
            self.enter(CheckStage::Over);
        }
        self.changed.notify_all();
    }

    pub(super) fn stage(&self) -> CheckStage {
        *self.stage.borrow()
    }

    /// Waits until all was read, if it comes to that.
    pub(super) async fn wait(&self) -> Result<(), StoreError> {
        let mut stage = self.stage.subscribe();
        // The sender is here, so this is no error.
        let _ = stage.wait_for(|stage| *stage != CheckStage::UnderWay).await;
        if self.stage() == CheckStage::Over { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Returns how many bytes keys and values have, once after that was counted.
    pub(super) fn take_payload(&self) -> Option<u64> {
        if self.payload.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(self.payload.swap(0, Ordering::Relaxed)).filter(|payload| *payload > 0)
    }
}

/// What the writer says.
impl RecordCheck {
    /// A group is about to be written. `read` returns what stands in the tree under a key.
    pub(super) fn group_begins(
        &self,
        group: &Group,
        read: impl Fn(&[u8]) -> Result<Option<IVec>, StoreError>,
    ) -> Result<(), StoreError> {
        if !self.is_under_way.load(Ordering::SeqCst) {
            return Ok(());
        }
        let progress = &mut *self.lock();
        // Both or nothing: what cannot be read leaves all as it was.
        let (mut first, mut rest, mut in_flight) = (progress.first, progress.rest, Vec::new());
        for (key, value) in group.entries().filter(|(key, _)| tree_keys::is_counted(key)) {
            let tally = if tree_keys::is_read_first(key) {
                &mut first
            } else {
                // Those in front of the cursor too: all may be read once more.
                in_flight.push(key.clone());
                if key >= &progress.cursor {
                    continue;
                }
                &mut rest
            };
            if let Some(before) = read(key)? {
                tally.subtract(key, &before);
            }
            if let Some(after) = value {
                tally.add(key, after);
            }
        }
        (progress.first, progress.rest, progress.in_flight) = (first, rest, in_flight);
        progress.totals = group.totals();
        Ok(())
    }

    /// It is in the tree, or nobody knows.
    pub(super) fn group_ends(&self) {
        if self.is_under_way.load(Ordering::SeqCst) {
            let mut progress = self.lock();
            let written = mem::take(&mut progress.in_flight);
            progress.noted.extend(written);
        }
    }
}

/// What the thread asks that reads.
impl RecordCheck {
    /// Waits until there is a page to read. `None` if there is none ever again.
    pub(super) fn next_page(&self) -> Option<PageStart> {
        let mut progress = self.lock();
        loop {
            if progress.is_over {
                return None;
            }
            if self.stage() == CheckStage::UnderWay {
                progress.noted.clear();
                let range = tree_keys::unread(&progress.cursor);
                return Some(PageStart { run: progress.run, range });
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes in what was counted from the start of a page up to a key, unless some of it has changed
    /// meanwhile: then it is to be read again.
    pub(super) fn take_page(&self, start: &PageStart, end: Vec<u8>, tally: &RecordTally) -> bool {
        let mut progress = self.lock();
        let Some(range) = start.range.as_ref().filter(|_| progress.run == start.run) else { return false };
        let mut changed = progress.noted.iter().chain(&progress.in_flight);
        if changed.any(|key| (&range.start..&end).contains(&key)) {
            return false;
        }
        progress.rest.merge(tally);
        progress.cursor = end;
        true
    }

    /// All pages were read: says what is wrong, if anything is. `None` if the store was opened anew.
    pub(super) fn conclude(&self, start: &PageStart) -> Option<Result<(), String>> {
        let progress = self.lock();
        if progress.run != start.run || progress.is_over {
            return None;
        }
        let mut tally = progress.first;
        tally.merge(&progress.rest);
        Some(match tally.fault(progress.totals) {
            Some(problem) => Err(problem),
            None => {
                self.payload.store(tally.payload(), Ordering::Relaxed);
                self.enter(CheckStage::Verified);
                Ok(())
            }
        })
    }

    /// Waits for a while, or until there is nothing more to do. Returns whether there is.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let progress = self.lock();
        let is_on = |progress: &mut CheckProgress| !progress.is_over;
        let rested = self.changed.wait_timeout_while(progress, time, is_on);
        !rested.unwrap_or_else(PoisonError::into_inner).0.is_over
    }
}

#[cfg(test)]
mod tests;
