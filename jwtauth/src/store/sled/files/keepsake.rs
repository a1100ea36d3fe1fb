//! A copy of a data file that looks damaged or may lack a part, kept while sled opens it.
//!
//! sled cuts its log where it finds damage, and then what is whole behind that is gone, though the store is
//! refused. So the file is put back as it was: what a repair can save does not get less with each start.
//!
//! # Invariants
//!
//! 1. A copy is there only until it is known whether the store opens. So one that a process has left that was
//!    killed is what was there before sled cut the file, and the next opener goes on with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ASIDE, DATA};
use crate::private_file::{create_dir, sync_dir};

/// Not a name that the old files of a repair have.
const NAME: &str = "db.unopened";
/// What it is called until all of it is there.
const PART: &str = "db.unopened.part";

/// The copy.
#[derive(Debug)]
pub(in crate::store::sled) struct Keepsake {
    store: PathBuf,
    copy: PathBuf,
}

/// Returns the file that a doctor reads: the copy that a process has left, or the data file.
pub(in crate::store::sled) fn data_file(store: &Path) -> PathBuf {
    let copy = store.join(ASIDE).join(NAME);
    if copy.is_file() { copy } else { store.join(DATA) }
}

/// The name of the copy in the directory of a store.
pub(in crate::store::sled) fn name() -> PathBuf {
    Path::new(ASIDE).join(NAME)
}

impl Keepsake {
    /// Returns the copy that a process has left.
    pub(in crate::store::sled) fn left(store: &Path) -> Option<Self> {
        let keepsake = Self::of(store);
        keepsake.copy.is_file().then_some(keepsake)
    }

    fn of(store: &Path) -> Self {
        Self { store: store.into(), copy: store.join(name()) }
    }

    /// Makes a copy. If that fails, the log says so: the store may open all the same.
    pub(in crate::store::sled) fn make(store: &Path) -> Option<Self> {
        let (aside, keepsake) = (store.join(ASIDE), Self::of(store));
        // It has its name when all of it is on disk.
        let part = aside.join(PART);
        let take = || -> io::Result<()> {
            create_dir(&aside)?;
            // With its mode.
            fs::copy(store.join(DATA), &part)?;
            fs::File::open(&part)?.sync_all()?;
            fs::rename(&part, &keepsake.copy)?;
            sync_dir(&aside)
        };
        match take() {
            Ok(()) => Some(keepsake),
            Err(error) => {
                tracing::warn!(target: "jwtauth", path = ?store, %error, "the data file of the session store looks damaged, or may lack a part, and no copy of it could be made before it is opened");
                let _ = fs::remove_file(&part);
                let _ = fs::remove_dir(&aside);
                None
            }
        }
    }

    /// Puts the file back as it was: the store was refused.
    pub(in crate::store::sled) fn put_back(self) {
        if let Err(error) = fs::rename(&self.copy, self.store.join(DATA)).and_then(|()| sync_dir(&self.store))
        {
            tracing::warn!(target: "jwtauth", path = ?self.copy, %error, "this copy of a damaged data file cannot be put back: keep it for a repair");
        }
        let _ = fs::remove_dir(self.store.join(ASIDE));
    }

    /// Removes the copy: the store is open.
    pub(in crate::store::sled) fn discard(self) {
        if let Err(error) = fs::remove_file(&self.copy) {
            tracing::warn!(target: "jwtauth", path = ?self.copy, %error, "this copy of the data file is not needed any more and cannot be removed: remove it");
        }
        let _ = fs::remove_dir(self.store.join(ASIDE));
    }
}
