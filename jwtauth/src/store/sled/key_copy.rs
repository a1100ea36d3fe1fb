//! Reads keys of the tree while they change: each page of them once, then those that have changed meanwhile,
//! again and again until few are left. These are read on the thread of the writer, where nothing changes.
//!
//! sled has no snapshots. What a page holds may change while the next one is read, so its key is noted by a
//! [`Follower`], and read once more.

use std::ops::Range;
use std::sync::Arc;

use super::follow::{Follower, Lost};
use super::reader::StoreReader;
use crate::error::StoreError;

/// How many keys a page has.
const PAGE: usize = 256;
/// How many changed keys are few enough to be read on the writer's thread: less than 1 ms.
const FEW: usize = 256;
/// More notes than these are taken before the copy goes on.
const MANY: usize = 16 * PAGE;
/// How often the copy waits for few changes. Under a load that never lets up the last step takes longer.
const ROUNDS: usize = 1_000;

/// Keys with what stands there.
pub(super) type TreeEntries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// How far a copy is.
pub(super) struct KeyCopy {
    follower: Arc<Follower>,
    /// What is still to be read once: ranges of keys, the last one first.
    rest: Vec<Range<Vec<u8>>>,
    rounds: usize,
}

impl KeyCopy {
    /// Begins one of some ranges of keys. The follower was there before.
    pub(super) fn new(follower: Arc<Follower>, ranges: &[Range<Vec<u8>>]) -> Self {
        Self { follower, rest: ranges.iter().rev().cloned().collect(), rounds: 0 }
    }

    pub(super) fn follower(&self) -> Arc<Follower> {
        Arc::clone(&self.follower)
    }

    /// Tells whether changes come faster than they are read.
    pub(super) fn is_behind(&self) -> bool {
        self.follower.len() > MANY
    }

    /// Begins to wait for few changes anew.
    pub(super) fn go_on(&mut self) {
        self.rounds = 0;
    }

    /// Reads some keys. `None` if only those are left that have changed last. Pages may come from the disk.
    pub(super) fn some(&mut self, reader: &StoreReader) -> Result<Option<TreeEntries>, StoreError> {
        let takes_changes = if self.rest.is_empty() {
            self.rounds += 1;
            self.follower.len() > FEW && self.rounds <= ROUNDS
        } else {
            self.is_behind()
        };
        if takes_changes {
            let keys = self.follower.take(PAGE).map_err(|lost| reader.lost(lost))?;
            return reader.entries_of(keys).map(Some);
        }
        let Some(range) = self.rest.last().cloned() else { return Ok(None) };
        let entries = reader.entries_in(range)?;
        match (entries.last(), self.rest.last_mut()) {
            (Some((key, _)), Some(range)) if entries.len() == PAGE => range.start = [&key[..], &[0]].concat(),
            _ => drop(self.rest.pop()),
        }
        Ok(Some(entries))
    }
}

impl StoreReader {
    /// Returns all that has changed and was not taken before. For the thread of the writer.
    pub(super) fn changed(&self, follower: &Follower) -> Result<TreeEntries, StoreError> {
        self.entries_of(follower.take(usize::MAX).map_err(|lost| self.lost(lost))?)
    }

    fn entries_in(&self, range: Range<Vec<u8>>) -> Result<TreeEntries, StoreError> {
        self.read(|tree| {
            let entries = tree.range(range).take(PAGE);
            entries.map(|entry| entry.map(|(key, bytes)| (key.to_vec(), Some(bytes.to_vec())))).collect()
        })
    }

    fn entries_of(&self, keys: Vec<Vec<u8>>) -> Result<TreeEntries, StoreError> {
        self.read(|tree| {
            let entries = keys.into_iter();
            entries
                .map(|key| {
                    let bytes = tree.get(&key)?;
                    Ok((key, bytes.map(|bytes| bytes.to_vec())))
                })
                .collect()
        })
    }

    fn lost(&self, lost: Lost) -> StoreError {
        match lost {
            Lost::Reopened => self.unavailable(),
            Lost::Behind => StoreError::Backend(
                "more has changed in the store than a copy can follow: what it is written to is too slow"
                    .into(),
            ),
        }
    }
}
