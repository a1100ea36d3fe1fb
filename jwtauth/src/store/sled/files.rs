//! The directory of a store: whose it is, who may read it, and what proves that it is whole.
//!
//! Knows nothing of what is in the data file. The [`Journal`] stands *beside* the directory, so that
//! a directory restored from a backup does not bring its own proof along. A mark *in* the
//! directory says that the database is ours, so that somebody else's is left alone unopened: opening
//! one changes it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::private_file::{create_dir, mode, parent, private, set_mode};

/// The file that the store's data is in.
pub(super) const DATA: &str = "db";
/// The directory of pages that are too long for the log; sled makes it.
const BLOBS: &str = "blobs";
/// A file that is written to see whether the disk takes writes, and removed at once.
const PROBE: &str = "probe";
/// What sled may want to write at once when it opens: one segment of its log.
const PROBE_LEN: usize = 512 * 1024;

/// The file that marks the directory as ours, and what is in it.
const MARK: &str = "jwtauth";
const MARK_TEXT: &[u8] = b"session store of jwtauth, format 1\n";

/// What [`prepare`] found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Whether there was anything of a store.
    pub(super) something: bool,
    /// Whether there was a data file.
    pub(super) data: bool,
}

/// Makes the directory, readable by its owner only, or checks one that exists, and marks it.
///
/// Changes nothing if what is there is not a store.
pub(super) fn prepare(path: &Path) -> Result<Found, StoreError> {
    let mut names = Vec::new();
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dir(path).map_err(|source| refused(path, "create the directory", source))?;
        }
        Err(source) => return Err(refused(path, "read the directory", source)),
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(|source| refused(path, "read the directory", source))?.file_name();
                let name = name.to_string_lossy().into_owned();
                if ![DATA, MARK, PROBE, BLOBS, "conf"].contains(&&*name) && !name.starts_with("snap.") {
                    return Err(StoreError::NotAStore { path: path.into(), found: name });
                }
                names.push(name);
            }
        }
    }
    names.retain(|name| name != PROBE);
    let found = Found { something: !names.is_empty(), data: names.iter().any(|name| name == DATA) };
    let marked = is_marked(path)?;
    if found.data && !marked {
        return Err(StoreError::NotAStore { path: path.into(), found: format!("{DATA} without {MARK}") });
    }
    if found.something {
        warn_if_readable(path);
    }
    probe(path, 0, 1)?;
    if !marked {
        mark(path).map_err(|source| refused(path, "mark the directory", source))?;
    }
    Ok(found)
}

fn is_marked(path: &Path) -> Result<bool, StoreError> {
    match fs::read(path.join(MARK)) {
        Ok(text) if text == MARK_TEXT => Ok(true),
        // A process may have been killed while it made the store; then there is no data either.
        Ok(text) if text.len() < MARK_TEXT.len() => Ok(false),
        Ok(_) => Err(StoreError::Corrupt {
            path: path.into(),
            problem: format!("the file {MARK:?} in it is of another version, or damaged"),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(refused(path, "read its mark", source)),
    }
}

/// Durable before there is any data: a store that lost its mark in a power cut would be refused.
fn mark(path: &Path) -> io::Result<()> {
    let mut file =
        private(OpenOptions::new().write(true).create(true).truncate(true)).open(path.join(MARK))?;
    file.write_all(MARK_TEXT)?;
    file.sync_all()?;
    File::open(path)?.sync_all()
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
        let mut probe = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&file)?;
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

/// Takes from group and others what the umask gave them: the directory and each file in it.
pub(super) fn restrict(path: &Path) -> Result<(), StoreError> {
    let restrict_one = |path: &Path, wanted: u32| -> io::Result<()> {
        if mode(&fs::metadata(path)?) != wanted {
            set_mode(path, wanted)?;
        }
        Ok(())
    };
    let restrict_in = |dir: &Path| -> io::Result<()> {
        restrict_one(dir, 0o700)?;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let wanted = if entry.file_type()?.is_dir() { 0o700 } else { 0o600 };
            match restrict_one(&entry.path(), wanted) {
                // sled removes old snapshots when it likes
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    };
    let restrict_all = || {
        restrict_in(path)?;
        match restrict_in(&path.join(BLOBS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    };
    restrict_all().map_err(|source| refused(path, "restrict its permissions", source))
}

/// Makes the files, and their names, survive a power cut.
pub(super) fn sync_all(path: &Path) -> Result<(), StoreError> {
    let sync = || -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            match File::open(entry?.path()).and_then(|file| file.sync_all()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        File::open(path)?.sync_all()?;
        File::open(parent(path))?.sync_all()
    };
    sync().map_err(|source| refused(path, "bring its files to disk", source))
}

/// The files beside the log that are known to be on disk.
///
/// sled puts a page of more than 128 KiB into a file of its own, which a few users with long values
/// are enough for, and never syncs it: after a simulated power cut the log named files that were
/// not there in 55 of 60.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    synced: HashSet<OsString>,
}

impl Blobs {
    /// Brings the files that are new to disk, and makes them private. To be called before the log is flushed.
    pub(super) fn sync(&mut self, path: &Path) -> Result<(), StoreError> {
        let dir = path.join(BLOBS);
        let mut sync = || -> io::Result<()> {
            let mut synced = HashSet::new();
            let mut added = false;
            for entry in fs::read_dir(&dir)? {
                let name = entry?.file_name();
                if !self.synced.contains(&name) {
                    let file = dir.join(&name);
                    match set_mode(&file, 0o600).and_then(|()| File::open(&file)?.sync_all()) {
                        // sled removes those that nothing names any more
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        other => other?,
                    }
                    added = true;
                }
                synced.insert(name);
            }
            if added {
                File::open(&dir)?.sync_all()?;
            }
            self.synced = synced;
            Ok(())
        };
        sync().map_err(|source| refused(path, "bring its large pages to disk", source))
    }
}

/// Names the cause of an I/O error: permissions apart, because the remedy is another one.
pub(super) fn refused(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            let nearest = path.ancestors().find(|path| path.exists()).unwrap_or(path);
            StoreError::Permission { path: nearest.into(), mode: mode_of(nearest), source }
        }
        _ => StoreError::Io { path: path.into(), action, source },
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o700, |metadata| mode(&metadata))
}

fn warn_if_readable(path: &Path) {
    let mode = mode_of(path);
    if mode & 0o077 != 0 {
        tracing::warn!(target: "jwtauth", ?path, mode = format_args!("{mode:o}"), "session store could be read by others; it is made private now");
    }
}

/// The number of the last acknowledged change, in a file beside the store.
///
/// Written after each commit and never ahead of it: a store that holds fewer changes than its
/// journal has lost some. It is not synced on its own. After a power cut it may be behind, which
/// only makes it say less.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    changes: u64,
}

/// `number (8) ‖ CRC-32 of it (4)`, little endian.
const JOURNAL_LEN: usize = 12;

impl Journal {
    pub(super) fn open(store: &Path) -> Result<Self, StoreError> {
        let mut name = store.file_name().map_or_else(|| OsString::from("store"), OsString::from);
        name.push(".journal");
        let path = parent(store).join(name);
        let mut file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|source| refused(&path, "open the journal", source))?;
        let restricted = file.metadata().and_then(|metadata| match mode(&metadata) {
            0o600 => Ok(()),
            _ => set_mode(&path, 0o600),
        });
        restricted.map_err(|source| refused(&path, "restrict the journal's permissions", source))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| refused(&path, "read the journal", source))?;
        let changes = match <[u8; JOURNAL_LEN]>::try_from(bytes) {
            Ok(bytes) => Self::parse(bytes),
            Err(bytes) if bytes.is_empty() => Some(0),
            Err(_) => None,
        };
        match changes {
            Some(changes) => Ok(Self { path, file, changes }),
            None => Err(StoreError::Corrupt {
                path,
                problem: "the journal beside the store is damaged; remove it if you trust the store".into(),
            }),
        }
    }

    fn parse(bytes: [u8; JOURNAL_LEN]) -> Option<u64> {
        let (number, checksum) = bytes.split_at(8);
        if crc32fast::hash(number).to_le_bytes() != checksum {
            return None;
        }
        number.try_into().ok().map(u64::from_le_bytes)
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn write(&mut self, changes: u64) -> Result<(), StoreError> {
        let number = changes.to_le_bytes();
        let bytes = [&number[..], &crc32fast::hash(&number).to_le_bytes()].concat();
        // One write of one small block: it is there as a whole or not at all when the process is killed.
        write_at_start(&mut self.file, &bytes)
            .map_err(|source| refused(&self.path, "write the journal", source))?;
        self.changes = changes;
        Ok(())
    }

    pub(super) fn sync(&self) {
        // Nothing depends on it: see above.
        let _ = self.file.sync_data();
    }
}

#[cfg(unix)]
fn write_at_start(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at_start(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}
