//! A database that is being made. Where a disk fails sled panics, also when it is closed: here that is an
//! error, because a panic on the way out of another one ends the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ::sled::{Batch, Db, IVec};

use super::explain::{explain, of_panic};
use super::startup::open_new;
use crate::error::StoreError;

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
