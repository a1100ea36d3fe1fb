//! A copy of a data file that looks damaged or may lack a part, kept while sled opens it.
//!
//! sled cuts its log where it finds damage, and where it cannot read or write, and then what is whole behind
//! that is gone, though the store is refused. So the file is put back as it was: what a repair can save does
//! not get less with each start. Without a copy such a file is not opened.
//!
//! # Invariants
//!
//! 1. A copy is there only until it is known whether the store opens. So one that a process has left that was
//!    killed is what was there before sled cut the file, and the next opener goes on with it.
//! 2. It stands beside the data file, so that putting it back is one rename.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::moving::move_entry;
use super::{ASIDE, DATA, KEEPSAKE, KEEPSAKE_UNFINISHED};
use crate::error::StoreError;
use crate::private_file::sync_dir;

/// The copy.
#[derive(Debug)]
pub(in crate::store::sled) struct Keepsake {
    store: PathBuf,
    copy: PathBuf,
    /// Whether this process has made it.
    is_new: bool,
}

/// Returns the file that a doctor reads: the copy that a process has left, or the data file.
pub(in crate::store::sled) fn data_file(store: &Path) -> PathBuf {
    left(store).unwrap_or_else(|| store.join(DATA))
}

/// Where earlier releases have left a copy, in the directory of a store.
pub(in crate::store::sled) fn former_name() -> PathBuf {
    Path::new(ASIDE).join(KEEPSAKE)
}

fn left(store: &Path) -> Option<PathBuf> {
    [store.join(KEEPSAKE), store.join(former_name())].into_iter().find(|copy| copy.is_file())
}

impl Keepsake {
    /// Returns the copy that a process has left. One that is not whole goes.
    pub(in crate::store::sled) fn left(store: &Path) -> Option<Self> {
        let _ = fs::remove_file(store.join(KEEPSAKE_UNFINISHED));
        left(store).map(|copy| Self { store: store.into(), copy, is_new: false })
    }

    /// Makes a copy.
    pub(in crate::store::sled) fn make(store: &Path) -> Result<Self, StoreError> {
        let (data, part) = (store.join(DATA), store.join(KEEPSAKE_UNFINISHED));
        let copy = store.join(KEEPSAKE);
        // It has its name when all of it is on disk.
        let take = || -> io::Result<()> {
            // With its mode.
            fs::copy(&data, &part)?;
            // M-14: Windows syncs no file that was opened for reading.
            fs::OpenOptions::new().write(true).open(&part)?.sync_all()?;
            fs::rename(&part, &copy)?;
            sync_dir(store)
        };
        match take() {
            Ok(()) => Ok(Self { store: store.into(), copy, is_new: true }),
            Err(source) => {
                let _ = fs::remove_file(&part);
                let _ = fs::remove_file(&copy);
                let bytes = fs::metadata(&data).map_or(0, |data| data.len());
                Err(StoreError::NoCopy { path: store.into(), bytes, source })
            }
        }
    }

    /// Puts the file back as it was: the store was refused.
    pub(in crate::store::sled) fn put_back(self) {
        let put_back = || {
            move_entry(&self.copy, &self.store.join(DATA))?;
            sync_dir(&self.store)
        };
        if let Err(error) = put_back() {
            tracing::warn!(target: "jwtauth", path = ?self.copy, %error, "this copy of a damaged data file cannot be put back: keep it for a repair");
        }
        self.remove_folder();
    }

    /// Removes the copy: the store is open.
    pub(in crate::store::sled) fn discard(self) {
        if let Err(error) = fs::remove_file(&self.copy) {
            tracing::warn!(target: "jwtauth", path = ?self.copy, %error, "this copy of the data file is not needed any more and cannot be removed: remove it");
        }
        self.remove_folder();
    }

    /// Leaves the file alone, which somebody else has open. A copy of another process stays.
    pub(in crate::store::sled) fn leave(self) {
        if self.is_new {
            self.discard();
        }
    }

    /// That of an earlier release, if nothing else is in it.
    fn remove_folder(&self) {
        if !self.is_new {
            let _ = fs::remove_dir(self.store.join(ASIDE));
        }
    }
}
