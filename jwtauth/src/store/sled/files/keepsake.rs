//! A copy of a data file that looks damaged, kept while sled opens it.
//!
//! sled cuts its log where it finds damage, and then what is whole behind that is gone, though the store is
//! refused. So the file is put back as it was: what a repair can save does not get less with each start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ASIDE, DATA};
use crate::private_file::{create_dir, sync_dir};

/// Not a name that the old files of a repair have.
const NAME: &str = "db.unopened";

/// The copy.
#[derive(Debug)]
pub(in crate::store::sled) struct Keepsake {
    store: PathBuf,
    copy: PathBuf,
}

impl Keepsake {
    /// Makes the copy. If there is no room for it, the log says so: the store may open all the same.
    pub(in crate::store::sled) fn take(store: &Path) -> Option<Self> {
        let aside = store.join(ASIDE);
        let copy = aside.join(NAME);
        let take = || -> io::Result<()> {
            create_dir(&aside)?;
            // With its mode.
            fs::copy(store.join(DATA), &copy)?;
            fs::File::open(&copy)?.sync_all()
        };
        match take() {
            Ok(()) => Some(Self { store: store.into(), copy }),
            Err(error) => {
                tracing::warn!(target: "jwtauth", path = ?store, %error, "the data file of the session store looks damaged, and there is no room for a copy of it before it is opened");
                let _ = fs::remove_file(&copy);
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
        // Without harm if it stays.
        let _ = fs::remove_file(&self.copy);
        let _ = fs::remove_dir(self.store.join(ASIDE));
    }
}
