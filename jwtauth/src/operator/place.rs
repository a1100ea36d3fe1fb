//! The socket in the directory of a store.
//!
//! Whoever binds it has the store open, so a socket that is there is that of a server which was killed, or
//! of another `JwtAuth` of this process on the same store.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::private_file::{parent, set_mode};

/// How long the path of a socket may be in bytes, with a zero at its end (`sun_path`).
const MAX_PATH: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// Which file it is: its device, and its number there.
type FileId = (u64, u64);

/// The sockets that this process serves.
static SERVED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

fn served() -> MutexGuard<'static, BTreeSet<FileId>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn id_of(found: &Metadata) -> FileId {
    (found.dev(), found.ino())
}

/// Another name of a socket, short enough for the system. As long as it is there.
#[derive(Debug)]
pub(super) struct ShortPath {
    pub(super) path: PathBuf,
    _directory: Option<File>,
}

impl ShortPath {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let length = path.as_os_str().len();
        if length < MAX_PATH {
            return Ok(Self { path: path.into(), _directory: None });
        }
        let too_long = || {
            let limit = MAX_PATH - 1;
            io::Error::other(format!("its path has {length} bytes, and the system takes {limit}"))
        };
        if !cfg!(target_os = "linux") {
            return Err(too_long());
        }
        let directory = File::open(parent(path))?;
        let name = path.file_name().ok_or_else(too_long)?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        if !short.exists() {
            return Err(too_long());
        }
        Ok(Self { path: short.join(name), _directory: Some(directory) })
    }
}

/// The file of a socket that is served. Removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    id: FileId,
}

impl SocketFile {
    /// Binds a socket at this path, for its owner only. `None` if this process serves one there already.
    pub(super) fn bind(path: &Path) -> io::Result<Option<(Self, UnixListener)>> {
        let mut served = served();
        match fs::symlink_metadata(path) {
            // What a file system without sockets has left.
            Ok(found) if found.is_file() && found.len() == 0 => fs::remove_file(path)?,
            Ok(found) if !found.file_type().is_socket() => {
                let text = "something else has its name: move that away, and start again";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            Ok(found) if served.contains(&id_of(&found)) => return Ok(None),
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&ShortPath::of(path)?.path).inspect_err(|_| {
            if fs::symlink_metadata(path).is_ok_and(|left| left.is_file() && left.len() == 0) {
                let _ = fs::remove_file(path);
            }
        })?;
        let file = Self { path: path.into(), id: id_of(&fs::symlink_metadata(path)?) };
        served.insert(file.id);
        // Its `Drop` takes the lock.
        drop(served);
        // The directory keeps others out, and the check of who connects does so where there are no modes.
        let _ = set_mode(path, 0o600);
        listener.set_nonblocking(true)?;
        Ok(Some((file, listener)))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let mut served = served();
        // Somebody may have put another one there.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| id_of(&found) == self.id) {
            // If it stays, the next server removes it.
            let _ = fs::remove_file(&self.path);
        }
        served.remove(&self.id);
    }
}
