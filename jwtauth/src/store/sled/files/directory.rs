//! The directory of a store: whose it is, and what belongs to it.
//!
//! A mark in the directory says that it is ours, so that somebody else's is left alone unopened: opening a
//! database changes it. What else is in a marked directory is left alone too, and the store opens: file
//! managers, mounts and people leave things anywhere.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::{
    ASIDE, DATA, LOCK, MARK, NEW, PROBE, SWAP_UNFINISHED, is_ours, probe, refused, refused_directory,
    sync_name,
};
use crate::error::StoreError;
use crate::private_file::{create_dir, private, sync_dir};

const MARK_TEXT: &[u8] = b"session store of jwtauth, format 1\n";

/// What systems leave in directories. A directory with nothing else in it is empty.
const LEFT_BY_SYSTEMS: [&str; 17] = [
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    ".DS_Store",
    ".Spotlight-V100",
    ".TemporaryItems",
    ".Trashes",
    ".directory",
    ".fseventsd",
    ".snapshot",
    ".snapshots",
    ".zfs",
    "@eaDir",
    "System Volume Information",
    "Thumbs.db",
    "desktop.ini",
    "lost+found",
];
const STARTS_OF_THOSE: [&str; 4] = [".Trash-", ".fuse_hidden", ".nfs", "._"];

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store::sled) struct DirectoryState {
    /// Whether there was anything of a store.
    pub(in crate::store::sled) something: bool,
    /// Whether there was a data file.
    pub(in crate::store::sled) data: bool,
    /// Whether the directory has its mark.
    pub(in crate::store::sled) marked: bool,
}

/// Tells whether something has the name of the mark.
pub(in crate::store::sled) fn has_mark(path: &Path) -> bool {
    fs::symlink_metadata(path.join(MARK)).is_ok()
}

/// Looks at the directory, and changes nothing. One that is not there is empty.
pub(in crate::store::sled) fn look(path: &Path) -> Result<DirectoryState, StoreError> {
    look_for_strange(path).map(|(found, _)| found)
}

/// Likewise. Returns the names of what is no part of a store too.
fn look_for_strange(path: &Path) -> Result<(DirectoryState, Vec<String>), StoreError> {
    let mut names = names(path)?;
    names.retain(|name| name != PROBE && name != LOCK);
    let marked = is_marked(path)?;
    let (ours, strange): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_ours(name));
    let found =
        DirectoryState { something: !ours.is_empty(), data: ours.iter().any(|name| name == DATA), marked };
    if !marked {
        // The mark is there before anything else is.
        let data = found.data.then(|| format!("{DATA} without {MARK}"));
        let other = ours.into_iter().find(|name| name != MARK && name != DATA);
        let strange = strange.iter().find(|name| !is_left_by_systems(name)).cloned();
        if let Some(found) = strange.or(data).or(other) {
            return Err(StoreError::NotAStore { path: path.into(), found });
        }
    }
    Ok((found, strange))
}

/// Tells whether a directory that is to be filled holds a store, or what is left of one. Old files alone are
/// none.
pub(in crate::store::sled) fn holds_store(path: &Path) -> Result<bool, StoreError> {
    match look(path) {
        Ok(found) => Ok(found.something),
        Err(StoreError::NotAStore { .. }) if is_all_ours(path) => {
            Ok(names(path)?.iter().any(|name| name != ASIDE && name != PROBE && name != LOCK))
        }
        Err(error) => Err(error),
    }
}

/// Tells whether nothing is there but what a restore or a migration has left that was stopped, and old files.
/// The mark is there before the new files are, so it may be incomplete only while there are none.
pub(in crate::store::sled) fn is_unfinished(path: &Path) -> Result<bool, StoreError> {
    let names = names(path)?;
    let of_those = |name: &String| [ASIDE, LOCK, MARK, NEW, PROBE, SWAP_UNFINISHED].contains(&&**name);
    let mut others = names.iter().filter(|name| !of_those(name) && !is_left_by_systems(name));
    let has_new = names.iter().any(|name| name == NEW);
    Ok(others.next().is_none() && (is_marked(path)? || !has_new))
}

fn is_all_ours(path: &Path) -> bool {
    names(path).is_ok_and(|names| names.iter().all(|name| is_ours(name) || is_left_by_systems(name)))
}

fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| refused(path, "read the directory", source);
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()))
            .collect(),
    }
}

pub(super) fn is_left_by_systems(name: &str) -> bool {
    LEFT_BY_SYSTEMS.contains(&name) || STARTS_OF_THOSE.iter().any(|start| name.starts_with(start))
}

/// Makes the directory, for its owner only. If it is new, it is on disk, with those above it that are.
pub(in crate::store::sled) fn make(path: &Path) -> Result<(), StoreError> {
    let make = || {
        let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
        create_dir(path)?;
        missing.into_iter().try_for_each(sync_name)
    };
    make().map_err(|source| refused_directory(path, "create the directory", source))
}

/// Marks the directory. Nobody else may have the store open.
///
/// Changes nothing if what is there is not a store.
pub(in crate::store::sled) fn prepare(path: &Path) -> Result<DirectoryState, StoreError> {
    // Another process may have made it meanwhile.
    let (found, strange) = look_for_strange(path)?;
    probe(path, 0, 1)?;
    if !found.marked {
        mark(path)?;
    } else if !strange.is_empty() {
        tracing::warn!(target: "jwtauth", ?path, found = ?strange, "files in the directory of the session store are no part of it: they are left alone");
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

/// Marks a directory, whatever is in it, unless it is marked.
pub(in crate::store::sled) fn mark_anew(path: &Path) -> Result<(), StoreError> {
    if is_marked(path).is_ok_and(|marked| marked) { Ok(()) } else { mark(path) }
}

/// Durable before there is any data: a store that lost its mark in a power cut would be refused.
fn mark(path: &Path) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // What a link leads to is somebody's.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::fcntl::OFlag::O_NOFOLLOW.bits());
        let mut file = private(&mut options).open(path.join(MARK))?;
        file.write_all(MARK_TEXT)?;
        file.sync_all()?;
        sync_dir(path)
    };
    write().map_err(|source| refused(path, "mark the directory", source))
}
