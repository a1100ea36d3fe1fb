//! Moves files and directories of a store, also where the system renames them in parts only: a directory that
//! comes from a layer of an image (overlayfs), or one that is a mount or on another file system.
//!
//! # Invariants
//!
//! 1. A file is whole in the old place or in the new one, at any moment. One that was copied is removed only
//!    when the copy is on disk.
//! 2. What was stopped in the middle is done by the same call once more.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::private_file::{create_dir, parent, sync_dir};

/// How the name of a copy ends that is not whole.
const PART: &str = ".jwtauth-part";

/// Moves a file or a directory. Files that are there under the new name are replaced.
pub(in crate::store::sled) fn move_entry(from: &Path, to: &Path) -> io::Result<()> {
    let refusal = match fs::rename(from, to) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let is_directory = fs::symlink_metadata(from)?.is_dir();
    match refusal.kind() {
        ErrorKind::CrossesDevices | ErrorKind::ResourceBusy | ErrorKind::DirectoryNotEmpty
            if is_directory =>
        {
            move_parts(from, to)
        }
        ErrorKind::CrossesDevices => copy_over(from, to),
        _ => Err(refusal),
    }
}

/// Moves all that is in a directory into another one, which is made if it is not there. The old one is
/// removed, unless it is a mount.
fn move_parts(from: &Path, to: &Path) -> io::Result<()> {
    create_dir(to)?;
    move_contents(from, to)?;
    match fs::remove_dir(from) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(()),
        removed => removed,
    }
}

/// Moves all that is in a directory into another one.
pub(in crate::store::sled) fn move_contents(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if name.to_string_lossy().ends_with(PART) {
            // The file that it is a part of is where it was.
            fs::remove_file(from.join(&name))?;
            continue;
        }
        move_entry(&from.join(&name), &to.join(&name))?;
    }
    sync_dir(to)?;
    sync_dir(from)
}

fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let part = part_of(to);
    let copy = || -> io::Result<()> {
        // With its mode.
        fs::copy(from, &part)?;
        // M-14: Windows syncs no file that was opened for reading.
        OpenOptions::new().write(true).open(&part)?.sync_all()?;
        fs::rename(&part, to)?;
        sync_dir(parent(to))
    };
    if let Err(error) = copy() {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::remove_file(from)
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second file system, if there is one.
    fn elsewhere(here: &Path) -> Option<tempfile::TempDir> {
        let other = tempfile::tempdir_in("/dev/shm").ok()?;
        let probe = here.join("probe");
        fs::write(&probe, "").unwrap();
        let refused = fs::rename(&probe, other.path().join("probe"));
        refused.is_err_and(|error| error.kind() == ErrorKind::CrossesDevices).then_some(other)
    }

    #[test]
    fn a_directory_whose_place_is_taken_is_moved_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for directory in [&from, &to] {
            fs::create_dir(directory).unwrap();
        }
        for (file, text) in [(from.join("1"), "new"), (from.join("2"), "new"), (to.join("1"), "old")] {
            fs::write(file, text).unwrap();
        }
        fs::write(from.join(format!("3{PART}")), "half").unwrap();
        move_entry(&from, &to).unwrap();
        assert!(!from.exists());
        assert_eq!(fs::read_to_string(to.join("1")).unwrap(), "new");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
    }

    #[test]
    fn what_is_on_another_file_system_is_copied_and_may_go_on_from_any_step() {
        let folder = tempfile::tempdir().unwrap();
        let Some(other) = elsewhere(folder.path()) else {
            println!("skipped: needs a second file system in /dev/shm");
            return;
        };
        let (from, to) = (folder.path().join("blobs"), other.path().join("blobs"));
        fs::create_dir(&from).unwrap();
        for name in ["1", "2"] {
            fs::write(from.join(name), name).unwrap();
        }
        // A move that was stopped: one file is there and here, of another one a part.
        fs::create_dir(&to).unwrap();
        fs::write(to.join("1"), "1").unwrap();
        fs::write(part_of(&to.join("2")), "half").unwrap();
        move_entry(&from, &to).unwrap();
        assert!(!from.exists());
        move_entry(&to, &from).unwrap();
        assert!(!to.exists());
        for name in ["1", "2"] {
            assert_eq!(fs::read_to_string(from.join(name)).unwrap(), name);
        }
        assert_eq!(fs::read_dir(&from).unwrap().count(), 2);
    }
}
