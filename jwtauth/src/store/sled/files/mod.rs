//! The files of a store: which they are, whose, and what brings them to disk.
//!
//! Everything that belongs to a store lies in its directory, except a rollback counter that was asked for.
//! Knows nothing of what is in the data file. [`directory`] says what is ours, [`store_lock`] keeps others
//! out, [`journal`] proves that nothing is missing, [`counter_form`] knows a file that counts,
//! [`doubt_mark`] says that something is wrong, [`snapshots`] keeps sled from a wrong snapshot and
//! [`sled_settings`] from broken settings, [`modes`] keeps readers out, [`data_file`] and [`blobs`] bring
//! data to disk, [`kinds`] refuses what is no file, [`keepsake`] keeps a copy of a file that sled may cut,
//! [`swap`] puts new files in the place of old ones by way of `moving`, [`moved`] says that another store has
//! the records now.

pub(super) mod blobs;
pub(super) mod counter_form;
pub(super) mod data_file;
pub(super) mod directory;
pub(super) mod doubt_mark;
pub(super) mod journal;
pub(super) mod keepsake;
pub(super) mod kinds;
pub(super) mod modes;
pub(super) mod moved;
mod moving;
pub(super) mod sled_settings;
pub(super) mod snapshots;
pub(super) mod store_lock;
pub(super) mod swap;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::private_file::{
    is_refused, mode, nearest, of_lost_target, parent, private, remedy, remedy_of_directory, sync_dir,
};

/// The file that the store's data is in.
pub(super) const DATA: &str = "db";
/// A copy of it, as long as nobody knows whether it opens.
const KEEPSAKE: &str = "db.unopened";
/// What the copy is called until all of it is there.
pub(super) const KEEPSAKE_UNFINISHED: &str = "db.unopened.part";
/// The directory of pages that are too long for the log; sled makes it.
const BLOBS: &str = "blobs";
/// sled's settings; sled makes it.
const CONF: &str = "conf";
/// A file that is written to see whether the disk takes writes, and removed at once.
const PROBE: &str = "probe";
/// What sled may want to write at once when it opens: one segment of its log.
const PROBE_LEN: usize = 512 * 1024;

/// The file that marks the directory as ours.
const MARK: &str = "jwtauth";
/// How many changes were acknowledged.
const JOURNAL: &str = "journal";
/// Only its lock counts, and a line for the next opener.
const LOCK: &str = "lock";
/// A directory of files that are not used any more, or were not trusted.
pub(super) const ASIDE: &str = "aside";
/// A directory of files that are to take the place of those of the store.
pub(super) const NEW: &str = "new";
/// Says that they are whole.
const SWAP: &str = "swap";
const SWAP_UNFINISHED: &str = "swap.new";

/// Says that the records were moved into another store.
pub(super) const MOVED: &str = "moved";
const MOVED_UNFINISHED: &str = "moved.new";

/// Says that something was found wrong in the store.
const DOUBT: &str = "doubt";
const DOUBT_UNFINISHED: &str = "doubt.new";

/// Where a running server listens to the program `jwtauth`. No data is in it.
pub(crate) const SOCKET: &str = "socket";

/// Tells the files of a store from those of others.
fn is_ours(name: &str) -> bool {
    const UNFINISHED: &str = "journal.new";
    [DATA, MARK, PROBE, BLOBS, CONF, JOURNAL, UNFINISHED, LOCK].contains(&name)
        || [DOUBT, DOUBT_UNFINISHED, KEEPSAKE, KEEPSAKE_UNFINISHED].contains(&name)
        || [ASIDE, MOVED, MOVED_UNFINISHED, NEW, SWAP, SWAP_UNFINISHED, SOCKET].contains(&name)
        || name.starts_with(snapshots::START)
}

/// Returns the names in a directory that are those of files of a store.
pub(super) fn ours(path: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| is_ours(name)).collect())
}

/// Returns the names in a directory that are not, without those that systems leave anywhere.
pub(super) fn strange(path: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| !is_ours(name) && !directory::is_left_by_systems(name)).collect())
}

/// Tells whether there is anything of a store that is in use: more than old files, a lock and a socket.
pub(super) fn has_any(path: &Path) -> bool {
    let names = ours(path).unwrap_or_default();
    names.iter().any(|name| ![ASIDE, LOCK, PROBE, SOCKET].contains(&&**name))
}

/// Returns the names in `aside` of directories of old files that have data, the newest first.
pub(super) fn older(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.join(ASIDE)).into_iter().flatten().flatten();
    let dated = entries.filter_map(|entry| {
        let changed = fs::metadata(entry.path().join(DATA)).ok()?.modified().ok()?;
        Some((changed, entry.file_name().into_string().ok()?))
    });
    let mut dated: Vec<_> = dated.collect();
    dated.sort();
    dated.into_iter().rev().map(|(_, name)| name).collect()
}

/// Tells whether new files were made and may not be in their place yet.
pub(super) fn has_swap(path: &Path) -> bool {
    path.join(SWAP).exists()
}

/// Returns how many bytes the data of a store takes, with what sled keeps beside it.
pub(super) fn occupied(path: &Path) -> u64 {
    let lengths = |path: &Path, is_data: &dyn Fn(&str) -> bool| -> u64 {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let data = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_data));
        data.filter_map(|entry| entry.metadata().ok())
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    };
    lengths(path, &|name| name == DATA || name.starts_with(snapshots::START))
        + lengths(&path.join(BLOBS), &|name| blobs::is_page(name.as_ref()))
}

/// Returns how long the data file is.
pub(super) fn len_of_data(path: &Path) -> u64 {
    fs::metadata(path.join(DATA)).map_or(0, |metadata| metadata.len())
}

/// Finds out whether the disk takes as many bytes as opening the store may need, where they will be needed.
pub(super) fn probe_for_open(path: &Path) -> Result<(), StoreError> {
    // A limit on the size of files holds for the data file, which is longer than the probe's own bytes.
    let end = fs::metadata(path.join(DATA)).map_or(0, |metadata| metadata.len());
    probe(path, end, PROBE_LEN)
}

fn probe(path: &Path, start: u64, len: usize) -> Result<(), StoreError> {
    let file = path.join(PROBE);
    let write = || -> io::Result<()> {
        let _ = fs::remove_file(&file);
        let mut probe = private(OpenOptions::new().write(true).create_new(true)).open(&file)?;
        probe.seek(SeekFrom::Start(start))?;
        probe.write_all(&vec![0; len])?;
        probe.sync_data()
    };
    let written = write();
    let removed = match fs::remove_file(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    written.and(removed).map_err(|source| refused(path, "write into the directory", source))
}

/// Writes the data file over with its own bytes and waits until they are on disk.
///
/// After a failed fsync Linux takes the pages for clean, though they never reached the disk: another
/// fsync says that all is well. Pages that were written once more are dirty again. Nobody may have
/// the file open for writing.
pub(super) fn rewrite(path: &Path) -> Result<(), StoreError> {
    let rewrite = || -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(path.join(DATA))?;
        let mut chunk = vec![0; 1024 * 1024];
        let mut at = 0;
        loop {
            let len = file.read(&mut chunk)?;
            if len == 0 {
                return file.sync_all();
            }
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&chunk[..len])?;
            at += len as u64;
        }
    };
    rewrite().map_err(|source| refused(path, "bring its data to disk", source))
}

/// Makes the files, and their names, survive a power cut.
pub(super) fn sync_all(path: &Path) -> Result<(), StoreError> {
    let sync = || -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A socket cannot be opened like a file.
            if !is_ours(&name) || name == SOCKET || entry.file_type()?.is_dir() {
                continue;
            }
            // Some systems sync only what is open for writing. Others may own what is only read.
            let file = match OpenOptions::new().write(true).open(entry.path()) {
                Err(error) if is_refused(&error) => File::open(entry.path()),
                other => other,
            };
            match file.and_then(|file| file.sync_all()) {
                // sled removes old snapshots when it likes
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        sync_dir(path)?;
        sync_name(path)
    };
    sync().map_err(|source| refused(path, "bring its files to disk", source))
}

/// Brings the name of a directory to disk.
fn sync_name(path: &Path) -> io::Result<()> {
    match sync_dir(parent(path)) {
        // It may be somebody else's, or on a volume that is mounted for reading only.
        Err(error) if is_refused(&error) => Ok(()),
        other => other,
    }
}

/// Takes from group and others what the umask gave them, for files that sled made.
pub(super) fn restrict(path: &Path) {
    modes::restrict_all(path);
}

/// Names the cause of an I/O error: permissions apart, because the remedy is another one.
pub(super) fn refused(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    if !is_refused(&source) {
        return StoreError::Io { path: path.into(), action, source };
    }
    // sled does not say which of its files it could not open.
    let closed = closed_file(path);
    let found = nearest(closed.as_deref().unwrap_or(path));
    StoreError::Permission {
        path: found.into(),
        mode: mode_of(found),
        remedy: remedy(found, &source),
        source,
    }
}

/// Likewise of a directory that was to be made.
fn refused_directory(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    if !is_refused(&source) {
        return StoreError::Io { path: path.into(), action, source: of_lost_target(path, source) };
    }
    let (found, remedy) = (nearest(path), remedy_of_directory(path, &source));
    StoreError::Permission { path: found.into(), mode: mode_of(found), remedy, source }
}

/// Returns a file in the directory of a store that this user may not open, although it is the store's.
fn closed_file(path: &Path) -> Option<PathBuf> {
    let names = ours(path).ok()?.into_iter();
    names.map(|name| path.join(name)).find(|file| {
        let is_closed =
            || OpenOptions::new().read(true).write(true).open(file).is_err_and(|e| is_refused(&e));
        file.is_file() && is_closed()
    })
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o700, |metadata| mode(&metadata))
}
