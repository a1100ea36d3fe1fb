//! The directory of a store: whose it is, who may read it, and what proves that it is whole.
//!
//! Knows nothing of what is in the files. The [`Journal`] stands *beside* the directory, so that a
//! directory restored from a backup does not bring its own proof along.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::private_file::{create_dir, mode, parent, private, set_mode};

/// The file that the store's data is in.
pub(super) const DATA: &str = "db";
/// A file that is written to see whether the disk takes writes, and removed at once.
const PROBE: &str = "probe";
/// What sled may want to write at once when it opens: one segment of its log.
const PROBE_LEN: usize = 512 * 1024;

/// Makes the directory, readable by its owner only, or checks one that exists. Returns whether it holds a store.
pub(super) fn prepare(path: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dir(path).map_err(|source| refused(path, "create the directory", source))?;
            Ok(false)
        }
        Err(source) => Err(refused(path, "read the directory", source)),
        Ok(entries) => {
            let mut holds_a_store = false;
            for entry in entries {
                let name = entry.map_err(|source| refused(path, "read the directory", source))?.file_name();
                let name = name.to_string_lossy();
                holds_a_store |= name == DATA;
                if ![DATA, PROBE, "conf", "blobs"].contains(&&*name) && !name.starts_with("snap.") {
                    return Err(StoreError::NotAStore { path: path.into(), found: name.into_owned() });
                }
            }
            warn_if_readable(path);
            probe(path, 1)?;
            Ok(holds_a_store)
        }
    }
}

/// Finds out whether the disk takes as many bytes as opening the store may need.
pub(super) fn probe_for_open(path: &Path) -> Result<(), StoreError> {
    probe(path, PROBE_LEN)
}

fn probe(path: &Path, len: usize) -> Result<(), StoreError> {
    let file = path.join(PROBE);
    let written = private(OpenOptions::new().write(true).create(true).truncate(true))
        .open(&file)
        .and_then(|mut probe| probe.write_all(&vec![0; len]).and_then(|()| probe.sync_data()));
    let removed = match fs::remove_file(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    written.and(removed).map_err(|source| refused(path, "write into the directory", source))
}

/// Takes from group and others what the umask gave them: the directory and each file in it.
pub(super) fn restrict(path: &Path) -> Result<(), StoreError> {
    let restrict_one = |path: &Path, wanted: u32| -> io::Result<()> {
        if mode(&fs::metadata(path)?) != wanted {
            set_mode(path, wanted)?;
        }
        Ok(())
    };
    let restrict_all = || -> io::Result<()> {
        restrict_one(path, 0o700)?;
        for entry in fs::read_dir(path)? {
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
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&bytes))
            .map_err(|source| refused(&self.path, "write the journal", source))?;
        self.changes = changes;
        Ok(())
    }

    pub(super) fn sync(&self) {
        // Nothing depends on it: see above.
        let _ = self.file.sync_data();
    }
}
