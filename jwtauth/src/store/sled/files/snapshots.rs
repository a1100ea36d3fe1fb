//! sled's snapshots: files that make opening faster, and that it can do without.
//!
//! sled takes the `snap.*` file with the last name for its own, refuses a database for it if it is broken,
//! and removes the others. One from elsewhere may make it take live data for free space. So only a snapshot
//! that is whole, and that was there when the store was opened last, stays where sled sees it. The others are
//! set aside, in the directory `aside`: they may be somebody's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::moving::move_entry;
use super::store_lock::StoreLock;
use super::{ASIDE, refused};
use crate::error::StoreError;
use crate::private_file::create_dir;

/// What the names of sled's snapshots start with.
pub(super) const START: &str = "snap.";

/// sled writes the length of the content (8) and its CRC-32 (4) behind it.
const TAIL: usize = 12;

/// Snapshots that were moved, each with the place it came from.
#[derive(Debug, Default)]
pub(in crate::store::sled) struct SetAside(Vec<(PathBuf, PathBuf)>);

/// Leaves the one snapshot that can be trusted, and sets all others aside. To be called before sled opens.
pub(in crate::store::sled) fn keep_trusted(path: &Path, lock: &StoreLock) -> Result<(), StoreError> {
    let names = names(path)?;
    let noted = lock.noted().filter(|noted| !noted.is_empty());
    let is_trusted = |name: &str, sum: Option<u32>| match (&noted, sum) {
        (_, None) => false,
        (Some(noted), Some(sum)) => *noted == note(name, sum),
        // Its lock has no note: an earlier layout.
        (None, Some(_)) => true,
    };
    let (trusted, others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| is_trusted(name, checksum(&path.join(name))));
    // With several, nobody knows which is the right one.
    let aside = if trusted.len() > 1 { [trusted, others].concat() } else { others };
    if aside.is_empty() {
        return Ok(());
    }
    tracing::warn!(target: "jwtauth", ?path, files = ?aside, "snapshots in the session store are broken or of another store: they are kept in its directory `aside`, and it is opened without them");
    set_aside(path, &aside).map(drop)
}

/// Returns up to which position of the log the newest snapshot goes. Its name says it.
pub(in crate::store::sled) fn newest_position(path: &Path) -> io::Result<Option<u64>> {
    let names = names(path).map_err(io::Error::other)?;
    Ok(names.iter().filter_map(|name| u64::from_str_radix(name.strip_prefix(START)?, 16).ok()).max())
}

/// Sets all snapshots aside. Returns what was moved.
pub(in crate::store::sled) fn set_all_aside(path: &Path) -> Result<SetAside, StoreError> {
    let names = names(path)?;
    set_aside(path, &names)
}

/// Notes which snapshot sled made when it opened the store.
pub(in crate::store::sled) fn note_current(path: &Path, lock: &StoreLock) {
    let names = names(path).unwrap_or_default();
    let noted = names.iter().max().and_then(|name| Some(note(name, checksum(&path.join(name))?)));
    // Without it the next start takes longer.
    let _ = lock.note(noted.as_deref().unwrap_or("none\n"));
}

impl SetAside {
    pub(in crate::store::sled) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts everything back. What sled has made in the meantime of the same data goes.
    pub(in crate::store::sled) fn put_back(self, path: &Path) {
        for name in names(path).unwrap_or_default() {
            let _ = fs::remove_file(path.join(name));
        }
        for (from, to) in self.0 {
            let _ = move_entry(&to, &from);
        }
        let _ = fs::remove_dir(path.join(ASIDE));
    }
}

/// Moves files of the store into its directory `aside`.
pub(super) fn set_aside(path: &Path, names: &[String]) -> Result<SetAside, StoreError> {
    let aside = path.join(ASIDE);
    let failed = |source| refused(path, "set a file aside", source);
    let mut moved = SetAside::default();
    if !names.is_empty() {
        create_dir(&aside).map_err(failed)?;
    }
    for name in names {
        let (from, to) = (path.join(name), free_name(&aside, name).map_err(failed)?);
        move_entry(&from, &to).map_err(failed)?;
        moved.0.push((from, to));
    }
    Ok(moved)
}

/// Returns a path that nothing has: nothing is overwritten.
fn free_name(aside: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 0..u32::MAX {
        let path = aside.join(if number == 0 { name.to_owned() } else { format!("{name}.{number}") });
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Returns what sled would take for snapshots, or remove as old ones.
fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| refused(path, "read the directory", source);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with(START) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns the checksum of a whole snapshot, with a name as sled gives it.
fn checksum(file: &Path) -> Option<u32> {
    let digits = file.file_name()?.to_str()?.strip_prefix(START)?;
    if digits.len() != 16 || !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    // A pipe would be waited for.
    let bytes =
        fs::symlink_metadata(file).is_ok_and(|found| found.is_file()).then(|| fs::read(file).ok())??;
    let (content, tail) = bytes.split_at_checked(bytes.len().checked_sub(TAIL)?)?;
    let sum = crc32fast::hash(content);
    (!content.is_empty() && tail.ends_with(&sum.to_le_bytes())).then_some(sum)
}

fn note(name: &str, sum: u32) -> String {
    format!("{name} {sum:08x}\n")
}
