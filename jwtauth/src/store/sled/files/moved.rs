//! The mark of a store whose records were moved into another one. Who serves both lets people in here who
//! have logged out there, so a store with this mark does not open.
//!
//! The mark goes with the files when others take their place.

use std::fs;
use std::io;
use std::path::Path;

use super::{MOVED, MOVED_UNFINISHED, refused};
use crate::error::StoreError;
use crate::private_file::{parent, replace_file, sync_dir};

/// Returns where the records were moved to. `None` if they were not.
pub(in crate::store::sled) fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read(path.join(MOVED)) {
        Ok(text) => {
            let to = String::from_utf8_lossy(&text).trim().to_owned();
            let unnamed = "another place, which its file `moved` does not name: it is empty";
            Ok(Some(if to.is_empty() { unnamed.into() } else { to }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(refused(path, "read whether it was moved", source)),
    }
}

/// Fails if the records were moved.
pub(in crate::store::sled) fn check(path: &Path) -> Result<(), StoreError> {
    match read(path)? {
        Some(to) => Err(StoreError::Moved { path: path.into(), to }),
        None => Ok(()),
    }
}

/// Says where the records were moved to, or that they were not. By one who has the lock.
pub(in crate::store::sled) fn write(path: &Path, to: Option<&str>) -> Result<(), StoreError> {
    let mark = path.join(MOVED);
    let written = match to {
        Some(to) => replace_file(&mark, &path.join(MOVED_UNFINISHED), format!("{to}\n").as_bytes()),
        None => match fs::remove_file(&mark) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync_dir(parent(&mark))),
        },
    };
    written.map_err(|source| refused(path, "write where it was moved to", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_one_that_makes_no_sense_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert_eq!(read(path).unwrap(), None);
        write(path, Some("postgres://db/app")).unwrap();
        assert_eq!(read(path).unwrap().as_deref(), Some("postgres://db/app"));
        let error = check(path).unwrap_err();
        assert!(matches!(&error, StoreError::Moved { to, .. } if to == "postgres://db/app"), "{error:?}");
        write(path, None).unwrap();
        write(path, None).unwrap();
        check(path).unwrap();
        fs::write(path.join(MOVED), [0xff, 0]).unwrap();
        check(path).unwrap_err();
    }
}
