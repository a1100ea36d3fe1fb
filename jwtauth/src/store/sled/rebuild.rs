//! Makes a new database of records, and puts it in the place of what a store's directory holds.
//!
//! # Invariants
//!
//! 1. The old files are the store until the new ones are on disk and were counted. What happens then is in
//!    [`swap`].
//! 2. A rebuild that is dropped leaves no new files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ::sled::Db;

use super::super::codec::{self, Totals};
use super::explain::{damaged, explain};
use super::files::store_lock::{Patience, StoreLock};
use super::files::swap::{self, OldFiles};
use super::files::{self, directory, journal, snapshots};
use super::sled_config::SledConfig;
use super::startup::{count, count_of, finish_swap, open_tree};
use super::tree_change::{Change, Group};
use super::tree_keys;
use crate::clock::TimeMark;
use crate::error::StoreError;

/// How many keys are written at once.
const BATCH: usize = 4_096;

/// A database that is being made in the directory of a store.
pub(in crate::store) struct Rebuild {
    path: PathBuf,
    new: PathBuf,
    lock: Arc<StoreLock>,
    tree: Option<Db>,
    group: Group,
    totals: Totals,
    time: TimeMark,
    is_decided: bool,
}

impl Rebuild {
    /// Begins one, in a directory that may hold a store or nothing. Nobody may have it open.
    #[expect(dead_code, reason = "restore and repair")]
    pub(in crate::store) fn begin(config: SledConfig) -> Result<Self, StoreError> {
        let config = config.absolute()?;
        let mut patience = Patience::new(config.lock_timeout);
        directory::make(&config.path)?;
        let lock = Arc::new(StoreLock::acquire(&config.path, &mut patience)?);
        Self::begin_locked(config.path, lock)
    }

    /// Begins one for somebody who has the lock.
    pub(super) fn begin_locked(path: PathBuf, lock: Arc<StoreLock>) -> Result<Self, StoreError> {
        // One that was decided for is finished first: its old files are not lost then.
        if files::has_swap(&path) {
            finish_swap(&path, &lock)?;
        }
        directory::mark_anew(&path)?;
        let new = swap::new_files(&path)?;
        let tree = open_tree(&new, &mut Patience::usual())?;
        let (totals, time) = (Totals::default(), TimeMark::default());
        let group = Group::new(totals);
        Ok(Self { path, new, lock, tree: Some(tree), group, totals, time, is_decided: false })
    }

    /// Takes in a record with its index entries.
    pub(super) fn add(&mut self, change: Change) -> Result<(), StoreError> {
        self.group.add(change);
        if self.group.len() >= BATCH { self.write() } else { Ok(()) }
    }

    /// Takes in a key as it stands in another database of ours. The totals of that one go to
    /// [`Self::finish`].
    pub(super) fn copy(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key == tree_keys::TOTALS {
            return Ok(());
        }
        let mut change = Change::default();
        change.put_record(key.to_vec(), None, Some(value.to_vec()));
        self.add(change)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let group = std::mem::replace(&mut self.group, Group::new(self.totals));
        let (batch, totals) = group.into_batch(&self.time);
        self.tree()?.apply_batch(batch).map_err(|error| explain(&self.new, "write", error))?;
        self.totals = totals;
        self.group = Group::new(totals);
        Ok(())
    }

    fn tree(&self) -> Result<&Db, StoreError> {
        self.tree.as_ref().ok_or(StoreError::Closed)
    }

    /// Puts the new database in the place of the old one. Returns where the old files are, if there were any
    /// and they are kept.
    ///
    /// `totals` makes the totals of the new database of those that were counted while records came in.
    pub(super) fn finish(
        mut self,
        label: &str,
        old: OldFiles,
        totals: impl FnOnce(Totals) -> Totals,
    ) -> Result<Option<PathBuf>, StoreError> {
        self.write()?;
        let totals = totals(self.totals);
        let bytes = codec::encode_totals(tree_keys::TOTALS, totals);
        let failed = |error| explain(&self.new, "write", error);
        let tree = self.tree()?;
        tree.insert(tree_keys::TOTALS, bytes).map_err(failed)?;
        tree.flush().map_err(failed)?;
        // Another handle sees what the next start will see.
        self.tree = None;
        let tree = open_tree(&self.new, &mut Patience::usual())?;
        let counted = count(&self.new, &tree)?;
        drop(tree);
        if counted != Some(totals) {
            return Err(damaged(&self.new, "it is not what was written".into()));
        }
        journal::make_new(&self.new, count_of(totals))?;
        let aside = swap::decide(&self.path, label, old)?;
        self.is_decided = true;
        swap::finish(&self.path)?;
        snapshots::note_current(&self.path, &self.lock);
        files::restrict(&self.path);
        Ok(aside.is_dir().then_some(aside))
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.tree = None;
        if !self.is_decided {
            let _ = fs::remove_dir_all(&self.new);
        }
    }
}

/// Writes a store anew without the free space in it. Returns how many bytes its files had before and have
/// now.
///
/// `look` is called with the number of records that were copied, each time some more were. If it returns
/// `false`, nothing was changed, and neither is `Some`.
pub(in crate::store) fn compact(
    config: SledConfig,
    mut look: impl FnMut(u64) -> bool,
) -> Result<Option<(u64, u64)>, StoreError> {
    let opened = super::Opened::open(config.absolute()?)?;
    let path = opened.state.config.path.clone();
    let before = files::occupied(&path);
    let mut rebuild = Rebuild::begin_locked(path.clone(), Arc::clone(&opened.state.lock))?;
    let mut copied = 0_u64;
    for entry in opened.tree.iter() {
        let (key, value) = entry.map_err(|error| explain(&path, "read", error))?;
        rebuild.copy(&key, &value)?;
        copied += 1;
        if copied.is_multiple_of(BATCH as u64) && !look(copied) {
            return Ok(None);
        }
    }
    let totals = opened.state.totals;
    // Its files are moved, and sled must not write among the new ones.
    drop(opened);
    rebuild.finish("compacted", OldFiles::Removed, |_| totals)?;
    Ok(Some((before, files::occupied(&path))))
}
