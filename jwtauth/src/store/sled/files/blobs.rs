//! The files beside the log, which sled puts large pages into.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::moving::move_entry;
use super::{ASIDE, BLOBS, refused};
use crate::error::StoreError;
use crate::private_file::{create_dir, set_mode};

/// The files beside the log that are known to be on disk.
///
/// sled puts a page of more than 128 KiB into a file of its own, which a few users with long values
/// are enough for, and never syncs it: after a simulated power cut the log named files that were
/// not there in 55 of 60.
#[derive(Debug)]
pub(in crate::store::sled) struct Blobs {
    path: PathBuf,
    dir: BlobDir,
    synced: HashSet<OsString>,
}

impl Blobs {
    pub(in crate::store::sled) fn open(store: &Path) -> Result<Self, StoreError> {
        let path = store.join(BLOBS);
        let dir = BlobDir::open(&path).map_err(|source| refused(&path, "open the directory", source))?;
        Ok(Self { path, dir, synced: HashSet::new() })
    }

    /// Brings the files that are new to disk, and makes them private. To be called before the log is flushed.
    ///
    /// Opens nothing if no file is new: a commit must not need a descriptor, which attackers may have taken.
    pub(in crate::store::sled) fn sync(&mut self) -> Result<(), StoreError> {
        let mut sync = || -> io::Result<()> {
            let mut synced = HashSet::new();
            let mut added = false;
            for name in self.dir.names(&self.path)? {
                if !is_page(&name) {
                    continue;
                }
                if !self.synced.contains(&name) {
                    let file = self.path.join(&name);
                    // Its directory is private in any case.
                    let _ = set_mode(&file, 0o600);
                    match OpenOptions::new().write(true).open(&file).and_then(|file| file.sync_all()) {
                        // sled removes those that nothing names any more
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        other => other?,
                    }
                    added = true;
                }
                synced.insert(name);
            }
            if added {
                self.dir.sync(&self.path)?;
            }
            self.synced = synced;
            Ok(())
        };
        sync().map_err(|source| refused(&self.path, "bring its large pages to disk", source))
    }
}

/// Moves files out of the way whose names are no text: sled panics when it sees one.
pub(in crate::store::sled) fn set_nameless_aside(store: &Path) -> Result<(), StoreError> {
    let set_aside = || -> io::Result<()> {
        let blobs = match fs::read_dir(store.join(BLOBS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            blobs => blobs?,
        };
        for entry in blobs {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some() {
                continue;
            }
            let aside = store.join(ASIDE);
            create_dir(&aside)?;
            let mut to = aside.join(&name);
            while fs::symlink_metadata(&to).is_ok() {
                to.as_mut_os_string().push(".more");
            }
            move_entry(&entry.path(), &to)?;
            tracing::warn!(target: "jwtauth", path = ?store, ?name, "a file among the large pages of the session store does not belong to it: it is kept in its directory `aside`");
        }
        Ok(())
    };
    set_aside().map_err(|source| refused(store, "set a file aside", source))
}

/// Tells the files of sled from what others leave in any directory.
pub(super) fn is_page(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The directory, kept open: listing it by name would open it each time.
#[derive(Debug)]
struct BlobDir {
    #[cfg(unix)]
    open: nix::dir::Dir,
}

impl BlobDir {
    #[cfg(unix)]
    fn open(path: &Path) -> io::Result<Self> {
        use nix::fcntl::OFlag;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { open: nix::dir::Dir::open(path, flags, nix::sys::stat::Mode::empty())? })
    }

    #[cfg(not(unix))]
    fn open(_: &Path) -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    fn names(&mut self, _: &Path) -> io::Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut names = Vec::new();
        // The end of the iteration goes back to the first entry.
        for entry in self.open.iter() {
            names.push(OsString::from_vec(entry?.file_name().to_bytes().to_vec()));
        }
        Ok(names)
    }

    #[cfg(not(unix))]
    fn names(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        let synced = nix::unistd::fsync(&self.open).map_err(io::Error::from);
        #[cfg(not(unix))]
        let synced = Ok(());
        crate::private_file::accept_refusal(path, synced)
    }
}
