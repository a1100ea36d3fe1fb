//! The data file as we hold it: what sled writes is brought to disk through it, and its loss is noticed.
//!
//! A file that is removed while a program has it open can be written and synced as before, and is gone with
//! the program. So before and after each commit the file that we hold is compared with the one that has its
//! name. No descriptor is opened for that.
//!
//! sled makes its file shorter too, by whole segments, and a segment that it writes there again begins with a
//! head. Where somebody else has cut the file, sled goes on behind the cut, and there is a hole.
//!
//! A file that was closed and found damaged when it was opened anew is tried again when somebody has changed
//! it. What is held then is the file that has the name: a copy may have been put back in its place.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{DATA, refused};
use crate::error::{StoreError, in_one_line};

/// sled makes its file shorter by whole segments.
const SEGMENT: u64 = 512 * 1024;

/// How many bytes the head of a segment has. Its checksum and its numbers are never all zero.
const HEAD: usize = 20;

/// The data file, open.
#[derive(Debug)]
pub(in crate::store::sled) struct DataFile {
    store: PathBuf,
    path: PathBuf,
    file: File,
    /// How long it was when it was looked at last.
    len: u64,
    /// How short it has become last, until it has grown again.
    cut: Option<u64>,
    /// How somebody else has cut it, if that was seen.
    harm: Option<String>,
    /// Why it was refused when it was opened anew.
    refusal: Option<RefusedFile>,
}

/// A file that is damaged.
#[derive(Debug)]
struct RefusedFile {
    error: StoreError,
    /// What was seen of the file then, and what was seen of it last.
    then: Option<Stamp>,
    last: Option<Stamp>,
}

/// Its length, and when it was changed.
type Stamp = (u64, Option<SystemTime>);

impl DataFile {
    pub(in crate::store::sled) fn open(store: &Path) -> Result<Self, StoreError> {
        let path = store.join(DATA);
        let failed = |source| refused(&path, "open the data file", source);
        // Some systems sync only what is open for writing.
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok(Self { store: store.into(), path, file, len, cut: None, harm: None, refusal: None })
    }

    /// Waits until the data is on disk.
    pub(in crate::store::sled) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|source| refused(&self.store, "bring its data to disk", source))
    }

    /// Returns how long it was when it was looked at last.
    pub(in crate::store::sled) const fn len(&self) -> u64 {
        self.len
    }

    /// Fails if the file was removed, replaced or cut since it was opened.
    pub(in crate::store::sled) fn check(&mut self) -> Result<(), StoreError> {
        let held = self.is_in_place()?;
        let (before, len) = (self.len, held.len());
        self.len = len;
        if len < before {
            if len == 0 || !len.is_multiple_of(SEGMENT) {
                return Err(self.harmed(format!("was cut from {before} to {len} bytes")));
            }
            self.cut = Some(self.cut.map_or(len, |cut| cut.min(len)));
        }
        Ok(())
    }

    /// Fails if somebody has cut the file, and sled has written behind the cut since. Asked when all is on
    /// disk.
    pub(in crate::store::sled) fn check_cut(&mut self) -> Result<(), StoreError> {
        // sled cuts segment after segment, perhaps in another order than it wants them gone.
        let is_written = |cut: &u64| self.len >= cut + HEAD as u64 && !self.len.is_multiple_of(SEGMENT);
        let Some(cut) = self.cut.filter(is_written) else { return Ok(()) };
        let mut head = [0; HEAD];
        let failed = |source| refused(&self.path, "look at the data file", source);
        self.file.seek(SeekFrom::Start(cut)).and_then(|_| self.file.read_exact(&mut head)).map_err(failed)?;
        if head == [0; HEAD] {
            return Err(self.harmed(format!("was cut to {cut} bytes")));
        }
        self.cut = None;
        Ok(())
    }

    /// Fails if the file was removed or replaced. What is in it is then nowhere else.
    pub(in crate::store::sled) fn is_in_place(&self) -> Result<Metadata, StoreError> {
        let failed = |source| refused(&self.path, "look at the data file", source);
        let held = self.file.metadata().map_err(failed)?;
        let problem = match fs::metadata(&self.path) {
            Ok(named) if (is_unlinked(&held) && !is_unlinked(&named)) || is_another(&held, &named) => {
                "was replaced by another one"
            }
            Ok(_) => return Ok(held),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed or renamed",
            Err(source) => return Err(failed(source)),
        };
        // A file that was cut is nothing to go on with.
        let is_cut = self.harm.is_some() || held.len() < self.len;
        let rescue = if is_cut { String::new() } else { self.rescue() };
        Err(self.lost(format!("{problem}{rescue}")))
    }

    /// Fails if it is not to be closed and opened anew: what is in a file that was removed or replaced is
    /// nowhere else, and one that was refused stays so until somebody has changed it, and is done with that.
    /// To be asked once in a while.
    pub(in crate::store::sled) fn may_open_anew(&mut self) -> Result<(), StoreError> {
        let Some(refusal) = &mut self.refusal else { return self.is_in_place().map(drop) };
        let now = stamp(&self.path);
        let is_still = std::mem::replace(&mut refusal.last, now) == now;
        if now.is_some() && is_still && now != refusal.then { Ok(()) } else { Err(refusal.error.again()) }
    }

    /// Goes on with the file that has the name: this one was closed, and the store did not open.
    pub(in crate::store::sled) fn follow(&mut self) {
        if let Ok(Self { file, .. }) = Self::open(&self.store) {
            self.file = file;
        }
    }

    /// Remembers that it was found damaged when it was opened anew. Returns what is to be said of it: first
    /// what has happened to it.
    pub(in crate::store::sled) fn refuse(&mut self, error: StoreError) -> StoreError {
        let error = match &self.harm {
            Some(harm) => self.lost(format!("{harm}, and does not open as it is ({})", in_one_line(&error))),
            None => error,
        };
        let then = stamp(&self.path);
        self.refusal = Some(RefusedFile { error: error.again(), then, last: then });
        error
    }

    fn harmed(&mut self, problem: String) -> StoreError {
        self.harm = Some(problem.clone());
        self.lost(problem)
    }

    fn lost(&self, problem: String) -> StoreError {
        StoreError::Lost { path: self.path.clone(), problem }
    }

    /// Says where the data still is.
    #[cfg(target_os = "linux")]
    fn rescue(&self) -> String {
        use std::os::fd::AsRawFd as _;
        let (process, number) = (std::process::id(), self.file.as_raw_fd());
        format!("; until this process ends, its data can be copied from /proc/{process}/fd/{number}")
    }

    #[cfg(not(target_os = "linux"))]
    fn rescue(&self) -> String {
        String::new()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|found| (found.len(), found.modified().ok()))
}

/// Some file systems say so of every file.
#[cfg(unix)]
fn is_unlinked(held: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(held) == 0
}

#[cfg(not(unix))]
fn is_unlinked(_: &Metadata) -> bool {
    false
}

/// Some file systems over a network give a file a new number whenever they look, so the number alone says
/// nothing.
#[cfg(unix)]
fn is_another(held: &Metadata, named: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (held.dev(), held.ino()) != (named.dev(), named.ino())
        && (held.len(), held.mtime(), held.mtime_nsec()) != (named.len(), named.mtime(), named.mtime_nsec())
}

#[cfg(not(unix))]
fn is_another(_: &Metadata, _: &Metadata) -> bool {
    false
}
