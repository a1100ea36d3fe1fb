//! A file that is there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::sled::is_contended;
#[cfg(unix)]
use crate::private_file::mode;
use crate::private_file::{is_unsupported, parent, private, sync_dir};

/// How often it is tried to have the part for oneself.
const TRIES: u32 = 100;

/// A private file (0600) that is written under another name, `.<name>.jwtauth-part`, until it is whole and on
/// disk.
///
/// Dropped before that, it leaves nothing. A kill may leave the part, which the next one overwrites. As long
/// as somebody writes it, nobody else does.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    part: PathBuf,
    path: PathBuf,
    replace: bool,
    is_done: bool,
}

impl NewFile {
    /// Begins to write a file.
    ///
    /// # Errors
    ///
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists): there is one, and it is not to be replaced.
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy): it is being written already.
    /// - What the system says.
    pub fn begin(path: &Path, replace: bool) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        check(path, replace)?;
        let part = [".".as_ref(), name, ".jwtauth-part".as_ref()].into_iter().collect::<OsString>();
        let part = path.with_file_name(part);
        for _ in 0..TRIES {
            let file = match private(OpenOptions::new().write(true).create_new(true)).open(&part) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match own_part(&part) {
                    Some(file) => file,
                    // Somebody else's, or no file: what it names is left alone.
                    None => {
                        fs::remove_file(&part)?;
                        continue;
                    }
                },
                opened => opened?,
            };
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) => {}
                Err(error) if is_contended(&error) => return Err(io::ErrorKind::ResourceBusy.into()),
                // This file system has no locks.
                Err(error) if is_unsupported(&error) => {}
                Err(error) => return Err(error),
            }
            // Whoever had it may have given it another name meanwhile, or removed it.
            if is_same_file(&file, &part)? {
                file.set_len(0)?;
                return Ok(Self { file, part, path: path.into(), replace, is_done: false });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Brings the file to disk and gives it its name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::begin`]. There is no file then.
    pub fn finish(self) -> io::Result<()> {
        let path = self.path.clone();
        self.finish_as(&path)
    }

    /// The same with another name, in the same directory.
    ///
    /// # Errors
    ///
    /// Those of [`Self::begin`]. There is no file then.
    pub fn finish_as(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        check(path, self.replace)?;
        fs::rename(&self.part, path)?;
        self.is_done = true;
        sync_dir(parent(path))
    }
}

/// Opens a part that a kill has left: a private file of this user, with one name.
#[cfg(unix)]
fn own_part(path: &Path) -> Option<File> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    let flags = (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    let found = file.metadata().ok()?;
    let is_own = found.is_file() && found.nlink() == 1 && found.uid() == nix::unistd::geteuid().as_raw();
    (is_own && mode(&found) & 0o177 == 0).then_some(file)
}

#[cfg(not(unix))]
fn own_part(path: &Path) -> Option<File> {
    OpenOptions::new().write(true).open(path).ok()
}

/// Tells whether a path still names an open file.
#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino()) && found.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_same_file(_: &File, path: &Path) -> io::Result<bool> {
    Ok(path.is_file())
}

/// Something other than a file is never replaced.
fn check(path: &Path, replace: bool) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if replace && found.is_file() => Ok(()),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let mut file = NewFile::begin(&path, false).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0);

        let mut file = NewFile::begin(&path, false).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"whole".to_vec(), 1));
        #[cfg(unix)]
        assert_eq!(mode(&fs::metadata(&path).unwrap()), 0o600);

        let refused = NewFile::begin(&path, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let mut file = NewFile::begin(&path, true).unwrap();
        file.write_all(b"another").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        file.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"another".to_vec(), 1));
        assert!(NewFile::begin(folder.path(), true).is_err(), "a directory");

        // Two at a time: the second one leaves the first one alone.
        let shared = folder.path().join("shared");
        let mut file = NewFile::begin(&shared, true).unwrap();
        assert_eq!(NewFile::begin(&shared, true).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&shared).unwrap(), b"whole");
        drop(NewFile::begin(&shared, true).unwrap());
        fs::remove_file(&shared).unwrap();
        // What somebody else has called so stays.
        fs::write(folder.path().join("shared.part"), "other").unwrap();
        drop(NewFile::begin(&shared, false).unwrap());
        assert_eq!(fs::read(folder.path().join("shared.part")).unwrap(), b"other");
        fs::remove_file(folder.path().join("shared.part")).unwrap();

        // Somebody was faster.
        let late = folder.path().join("late");
        let file = NewFile::begin(&late, false).unwrap();
        fs::write(&late, "other").unwrap();
        assert!(file.finish().is_err());
        assert_eq!((fs::read(&late).unwrap(), names()), (b"other".to_vec(), 2));
    }
}

/// What stands under the name of a part may be somebody's trap.
#[cfg(all(test, unix))]
mod of_others {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_part_that_is_not_ours_alone_is_not_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let (path, part) = (folder.path().join("backup"), folder.path().join(".backup.jwtauth-part"));
        let (victim, target) = (folder.path().join("victim"), folder.path().join("target"));
        fs::write(&victim, "as it was").unwrap();
        let traps: [(&str, &dyn Fn()); 5] = [
            ("wide", &|| {
                fs::write(&part, "").unwrap();
                fs::set_permissions(&part, fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("link", &|| symlink(&target, &part).unwrap()),
            ("link to a file", &|| symlink(&victim, &part).unwrap()),
            ("hard link", &|| fs::hard_link(&victim, &part).unwrap()),
            ("pipe", &|| {
                let made = std::process::Command::new("mkfifo").arg(&part).status();
                assert!(made.is_ok_and(|status| status.success()));
            }),
        ];
        for (trap, set) in traps {
            set();
            let mut file = NewFile::begin(&path, true).unwrap();
            file.write_all(b"whole").unwrap();
            file.finish().unwrap();
            let found = fs::symlink_metadata(&path).unwrap();
            assert!(found.is_file() && mode(&found) == 0o600, "{trap}");
            assert_eq!((fs::read(&path).unwrap(), target.exists()), (b"whole".to_vec(), false), "{trap}");
            assert_eq!(fs::read(&victim).unwrap(), b"as it was", "{trap}");
        }
    }
}
