//! The lock of a store: one opener at a time, from before the first look until the last file is closed.
//!
//! sled locks its data file too, but only when it opens it. What is done before that must not meet another
//! process: marks, the probe, an upgrade of the layout, snapshots that are set aside.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{LOCK, refused};
use crate::error::StoreError;
use crate::private_file::{is_unsupported, private};
use crate::shutdown::is_asked;

/// How often a lock is tried.
const INTERVAL: Duration = Duration::from_millis(25);
/// After how long it is said that somebody else has the lock: most are free again by then.
const SILENCE: Duration = Duration::from_millis(500);
/// The file says which snapshot is the last one. No name is as long as this.
const MAX_NOTE: u64 = 256;

/// How long to wait for somebody who has the store open.
///
/// A lock is also held for a moment longer than its holder: a child process that another thread was starting
/// has it until it is a program of its own, and a process that was killed until the system has cleared it
/// away.
#[derive(Debug)]
pub(in crate::store::sled) struct Patience {
    start: Instant,
    limit: Duration,
    told: bool,
}

impl Patience {
    pub(in crate::store::sled) fn new(limit: Duration) -> Self {
        Self { start: Instant::now(), limit, told: false }
    }

    /// Waits as long as a handle of this process may need to let go of a file.
    pub(in crate::store::sled) fn usual() -> Self {
        Self::new(Duration::from_secs(5))
    }

    /// Waits a moment, unless all the time is over, or the process was told to end.
    pub(in crate::store::sled) fn wait(&mut self, path: &Path) -> bool {
        let left = self.limit.saturating_sub(self.start.elapsed());
        if left.is_zero() || is_asked() {
            return false;
        }
        if !self.told && self.start.elapsed() >= SILENCE {
            self.told = true;
            tracing::warn!(target: "jwtauth", ?path, lock_timeout = ?self.limit, "another process has the session store open: waiting until it ends");
        }
        thread::sleep(left.min(INTERVAL));
        true
    }
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(in crate::store::sled) struct StoreLock(File);

impl StoreLock {
    /// Takes the lock, and waits for it as long as there is patience.
    pub(in crate::store::sled) fn acquire(path: &Path, patience: &mut Patience) -> Result<Self, StoreError> {
        let name = path.join(LOCK);
        let file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(&name)
            .map_err(|source| refused(&name, "open its lock", source))?;
        loop {
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) => return Ok(Self(file)),
                Err(error) if is_contended(&error) => {
                    if !patience.wait(path) {
                        return Err(StoreError::Locked { path: path.into() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(not_locked(path, source)),
            }
        }
    }

    /// Returns what [`Self::note`] has written.
    pub(super) fn noted(&self) -> Option<String> {
        let mut noted = String::new();
        let mut file = &self.0;
        file.seek(SeekFrom::Start(0)).ok()?;
        file.take(MAX_NOTE).read_to_string(&mut noted).ok()?;
        Some(noted)
    }

    /// Writes a line into the file, for the next one who has the lock. Nobody depends on it.
    pub(super) fn note(&self, line: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(line.as_bytes())
    }
}

/// Tells whether somebody else has a lock. Any other error of a lock says nothing about that.
pub(in crate::store) fn is_contended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error
            .raw_os_error()
            .is_some_and(|number| fs2::lock_contended_error().raw_os_error() == Some(number))
}

/// Says that a lock could not be had, though nobody else holds it.
pub(in crate::store::sled) fn not_locked(path: &Path, source: io::Error) -> StoreError {
    // ENOLCK
    let has_no_locks = is_unsupported(&source)
        || source.raw_os_error() == Some(if cfg!(target_os = "linux") { 37 } else { 77 });
    let action = if has_no_locks {
        "lock it: its file system has no locks, so a second process could not be kept out. Put it on another one"
    } else {
        "lock it"
    };
    StoreError::Io { path: path.into(), action, source }
}
