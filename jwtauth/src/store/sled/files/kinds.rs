//! Whether what has the name of a file or a directory of the store is one, and no link, pipe or socket.
//!
//! Opening a pipe waits for ever. A link leads elsewhere when others take the place of the files, and a
//! directory in the place of a file stops that in the middle. So such a thing is refused by name before
//! anything is opened.

use std::fs::{self, FileType};
use std::io;
use std::path::Path;

use super::{ASIDE, BLOBS, NEW, SOCKET, blobs, is_ours, refused, snapshots};
use crate::error::StoreError;

/// Fails if something in the place of a file of the store is none. A directory that is not there is all
/// right.
pub(in crate::store::sled) fn check(store: &Path) -> Result<(), StoreError> {
    each(store, &|name| match name {
        BLOBS | ASIDE | NEW => Some(true),
        SOCKET => None,
        // What is no snapshot is set aside.
        _ if name.starts_with(snapshots::START) => None,
        _ => is_ours(name).then_some(false),
    })?;
    each(&store.join(BLOBS), &|name| blobs::is_page(name.as_ref()).then_some(false))
}

/// `wanted` says whether a name is that of a directory, or of a file, or does not matter.
fn each(folder: &Path, wanted: &dyn Fn(&str) -> Option<bool>) -> Result<(), StoreError> {
    let failed = |source| refused(folder, "read the directory", source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Some(is_directory) = entry.file_name().to_str().and_then(wanted) else { continue };
        let found = match entry.file_type() {
            // sled removes files when it likes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(failed)?,
        };
        let is_right = if is_directory { found.is_dir() } else { found.is_file() };
        if !is_right {
            let wanted = if is_directory { "a directory" } else { "a file" };
            return Err(StoreError::WrongKind { path: entry.path(), found: name_of(found), wanted });
        }
    }
    Ok(())
}

fn name_of(found: FileType) -> &'static str {
    if found.is_symlink() {
        "a link"
    } else if found.is_dir() {
        "a directory"
    } else if found.is_file() {
        "a file"
    } else {
        "a pipe, a socket or a device"
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// `strange` is whatever a user has put there.
    #[test]
    fn what_is_no_file_in_the_place_of_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path();
        check(&store.join("missing")).unwrap();
        for name in ["aside", "blobs", "new"] {
            fs::create_dir(store.join(name)).unwrap();
        }
        for name in ["db", "conf", "journal", "lock", "moved", "blobs/7", "snap.1"] {
            fs::write(store.join(name), "").unwrap();
        }
        fs::create_dir(store.join("strange")).unwrap();
        fs::create_dir(store.join("snap.2")).unwrap();
        check(store).unwrap();
        for name in ["aside", "blobs", "new", "db", "conf", "journal", "lock", "moved", "blobs/7", "probe"] {
            let (path, kept) = (store.join(name), store.join("kept"));
            let was_there = fs::rename(&path, &kept).is_ok();
            for (kind, said) in [("link", "a link"), ("pipe", "a pipe, a socket or a device"), ("other", "")]
            {
                match kind {
                    "link" => std::os::unix::fs::symlink("/nowhere/at/all", &path).unwrap(),
                    "pipe" => {
                        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success())
                    }
                    _ if kept.is_dir() => fs::write(&path, "").unwrap(),
                    _ => fs::create_dir(&path).unwrap(),
                }
                let error = check(store).unwrap_err();
                let StoreError::WrongKind { path: named, found, .. } = &error else { panic!("{error}") };
                assert_eq!(*named, path, "{kind}");
                assert!(kind == "other" || *found == said, "{name} {kind}: {error}");
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            }
            if was_there {
                fs::rename(&kept, &path).unwrap();
            }
        }
        check(store).unwrap();
    }
}
