//! A file that is there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::private_file::{parent, private, sync_dir};

/// A private file (0600) that is written under another name, `<name>.part`, until it is whole and on disk.
///
/// Dropped before that, it leaves nothing. A kill may leave the part, which the next one overwrites.
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
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is one and it is not to be replaced, and what
    /// the system says.
    pub fn begin(path: &Path, replace: bool) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        check(path, replace)?;
        let part = path.with_file_name([name, ".part".as_ref()].into_iter().collect::<OsString>());
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = private(OpenOptions::new().write(true).create_new(true)).open(&part)?;
        Ok(Self { file, part, path: path.into(), replace, is_done: false })
    }

    /// Brings the file to disk and gives it its name.
    ///
    /// # Errors
    ///
    /// Those of [`Self::begin`]. There is no file then.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        check(&self.path, self.replace)?;
        fs::rename(&self.part, &self.path)?;
        self.is_done = true;
        sync_dir(parent(&self.path))
    }
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
        assert_eq!(crate::private_file::mode(&fs::metadata(&path).unwrap()), 0o600);

        let refused = NewFile::begin(&path, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let mut file = NewFile::begin(&path, true).unwrap();
        file.write_all(b"another").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        file.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"another".to_vec(), 1));
        assert!(NewFile::begin(folder.path(), true).is_err(), "a directory");

        // Somebody was faster.
        let late = folder.path().join("late");
        let file = NewFile::begin(&late, false).unwrap();
        fs::write(&late, "other").unwrap();
        assert!(file.finish().is_err());
        assert_eq!((fs::read(&late).unwrap(), names()), (b"other".to_vec(), 2));
    }
}
