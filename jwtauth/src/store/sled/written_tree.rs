//! A database that is being made. Where a disk fails sled panics, also when it is closed: here that is an
//! error, because a panic on the way out of another one ends the process.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::sled::{Batch, Db, IVec};

use super::explain::{explain, of_panic};
use super::files::{self, DATA};
use super::startup::open_new;
use super::tree_keys;
use crate::error::StoreError;

/// Up to this length a data file is left as it is, in bytes: two segments of sled's log.
const SMALLEST: u64 = 1024 * 1024;
/// After how many writes nothing more is expected, if sled has written nothing after any of them,
const QUIET: u32 = 8;
/// and at how many looks after each.
const STILL: u32 = 5;
/// How long to wait before each look.
const PAUSE: Duration = Duration::from_millis(10);
/// How often the tree is used before each look: of what sled has put off, each 128th use does a little.
const USED: u32 = 20_000;

/// It may be closed. Dropped, it is closed, whatever the disk says.
pub(super) struct WrittenTree {
    path: PathBuf,
    tree: Option<Db>,
}

impl WrittenTree {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.into(), tree: Some(open_new(path)?) })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.work(|tree| tree.get(key).map_err(|error| explain(&self.path, "read", error)))
    }

    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.work(|tree| tree.apply_batch(batch).map_err(|error| explain(&self.path, "write", error)))
    }

    pub(super) fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.work(|tree| tree.insert(key, value).map_err(|error| explain(&self.path, "write", error)))?;
        Ok(())
    }

    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.work(|tree| tree.flush().map(drop).map_err(|error| explain(&self.path, "write", error)))
    }

    /// Lets sled free what it can of the files, at most for so long. They are shorter when it is closed and
    /// opened again. `totals` is what stands there.
    ///
    /// What was written in one go takes two or three times the room that it needs. A thread of sled cleans up
    /// behind that. But what it has put off only goes on when the tree is used, and when something is
    /// written.
    pub(super) fn settle(&self, totals: &[u8], at_most: Duration) -> Result<(), StoreError> {
        if files::len_of_data(&self.path) <= SMALLEST {
            return Ok(());
        }
        let data = self.path.join(DATA);
        let written = || fs::metadata(&data).and_then(|found| found.modified()).ok();
        let (begun, mut quiet) = (Instant::now(), 0);
        while quiet < QUIET && begun.elapsed() < at_most {
            // What stands there already would not be written.
            self.work(|tree| {
                let removed = tree.remove(tree_keys::TOTALS).map(drop);
                removed.map_err(|error| explain(&self.path, "write", error))
            })?;
            self.insert(tree_keys::TOTALS, totals.into())?;
            self.flush()?;
            let (mut last, mut still) = (written(), 0);
            quiet += 1;
            while still < STILL && begun.elapsed() < at_most {
                self.work(|tree| {
                    let used = (0..USED).try_for_each(|_| tree.get(tree_keys::TOTALS).map(drop));
                    used.map_err(|error| explain(&self.path, "read", error))
                })?;
                thread::sleep(PAUSE);
                let now = written();
                if now == last {
                    still += 1;
                } else {
                    (last, still, quiet) = (now, 0, 0);
                }
            }
        }
        Ok(())
    }

    /// Does what may take many steps.
    pub(super) fn work<T>(&self, work: impl FnOnce(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let tree = self.tree.as_ref().ok_or(StoreError::Closed)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(tree)));
        done.unwrap_or_else(|panic| Err(of_panic(&self.path, "write", &*panic)))
    }

    /// Closes it, which brings to disk what is not there yet.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        let tree = self.tree.take();
        let closed = catch_unwind(AssertUnwindSafe(|| drop(tree)));
        closed.map_err(|panic| of_panic(&self.path, "close", &*panic))
    }
}

impl Drop for WrittenTree {
    fn drop(&mut self) {
        // It is not complete, or was read only.
        let _ = self.close();
    }
}
