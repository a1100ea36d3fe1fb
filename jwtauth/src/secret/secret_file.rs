//! A file that holds a secret or a private key: who may read and change it.
//!
//! # Invariants
//!
//! 1. What anybody can write is never taken for a secret.
//! 2. A file of our own that others can read is made private. What somebody else has mounted for us is left
//!    as it is: often nothing can be changed there.
//! 3. In a directory where anybody can put a file (without the sticky bit), only a file of our own is taken
//!    that nobody but its group could read: nobody else can know what is in it, and have put it there.
//!
//! On systems without Unix permissions every file is taken.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::private_file;

/// Why a file is not taken for a secret.
#[derive(Debug)]
pub(crate) enum Exposed {
    /// Anybody can write the file.
    File { mode: u32 },
    /// Anybody can put another file in its place.
    Directory { directory: PathBuf, mode: u32 },
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { mode } => {
                write!(f, "it has mode {mode:o}, so anybody can change it: run `chmod 600` on it")
            }
            Self::Directory { directory, mode } => write!(
                f,
                "others can read it, and it is in the directory {directory:?}, whose mode {mode:o} lets anybody put a file there: run `chmod 600` on it and `chmod o-w` on the directory"
            ),
        }
    }
}

/// A file that was opened, and what the system said of it then.
#[derive(Debug)]
pub(crate) struct SecretFile<'p> {
    path: &'p Path,
    file: File,
    metadata: Metadata,
}

impl<'p> SecretFile<'p> {
    /// Opens it for reading. An error says what to do if this user may not read it.
    pub(crate) fn open(path: &'p Path) -> io::Result<Self> {
        // A pipe without a writer would be waited for, and a directory would be taken from its other users.
        if let Ok(found) = std::fs::metadata(path)
            && !found.is_file()
        {
            let (kind, problem) = if found.is_dir() {
                (io::ErrorKind::IsADirectory, "it is a directory: name a file in it")
            } else {
                (
                    io::ErrorKind::InvalidInput,
                    "it is a pipe, a socket or a device: name a file that holds the text",
                )
            };
            return Err(io::Error::new(kind, problem));
        }
        let file = File::open(path).map_err(explain)?;
        let metadata = file.metadata()?;
        Ok(Self { path, file, metadata })
    }

    /// Reads at most so many bytes.
    pub(crate) fn read(&mut self, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        // With room for all: a vector that grows leaves copies behind.
        let len = self.metadata.len().saturating_add(1).clamp(1024, limit.min(1024 * 1024));
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(1024)));
        (&mut self.file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes the file private if others may read it, or logs that it is not. Refuses what anybody can change.
    pub(crate) fn protect(&self) -> Result<(), Exposed> {
        let mode = private_file::mode(&self.metadata);
        let is_private = mode & 0o077 == 0;
        if is_private && is_ours(&self.metadata) {
            return Ok(());
        }
        if mode & 0o002 != 0 {
            return Err(Exposed::File { mode });
        }
        if mode & 0o007 != 0 || !is_ours(&self.metadata) {
            self.check_directories()?;
        }
        if is_private {
            return Ok(());
        }
        let (path, is_mended) = (self.path, self.mend());
        let mode = format!("{mode:o}");
        if is_mended {
            tracing::warn!(target: "jwtauth", ?path, mode, "others could read this secret file; it is private now: make a new secret if somebody may have read it");
        } else {
            tracing::warn!(target: "jwtauth", ?path, mode, "this secret file is not for its owner alone, and that cannot be changed from here: let what mounts it give it to this user with mode 0400, if it can");
        }
        Ok(())
    }

    /// Makes a file of our own private. Returns whether it is now.
    fn mend(&self) -> bool {
        is_ours(&self.metadata)
            && private_file::make_private(&self.file).is_ok()
            && self.file.metadata().is_ok_and(|metadata| private_file::mode(&metadata) & 0o077 == 0)
    }

    /// Looks at the directory that the path names, and at the one where the file is. They differ where a path
    /// is a symbolic link, as in the volumes of Kubernetes. In a sticky directory on the way, such as `/tmp`,
    /// anybody can put what is theirs first.
    #[cfg(unix)]
    fn check_directories(&self) -> Result<(), Exposed> {
        use std::os::unix::fs::MetadataExt as _;

        let named = std::path::absolute(self.path).unwrap_or_else(|_| self.path.into());
        let resolved = self.path.canonicalize().unwrap_or_else(|_| named.clone());
        for path in [&named, &resolved] {
            for (place, entry) in path.ancestors().enumerate() {
                let Some(directory) = entry.parent() else { break };
                // One that cannot be looked at cannot be written either.
                let Ok(metadata) = std::fs::metadata(directory) else { continue };
                let mode = metadata.mode() & 0o7777;
                let is_sticky = mode & 0o1000 != 0;
                let is_open = if is_sticky { is_planted(entry) } else { place == 0 };
                if mode & 0o002 != 0 && is_open {
                    return Err(Exposed::Directory { directory: directory.into(), mode });
                }
            }
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_directories(&self) -> Result<(), Exposed> {
        Ok(())
    }
}

/// Tells whether somebody else may have put an entry into a directory where anybody can. A second link to a
/// file of root's can be made by anybody.
#[cfg(unix)]
fn is_planted(entry: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::symlink_metadata(entry).is_ok_and(|metadata| {
        !is_ours(&metadata) && (metadata.uid() != 0 || metadata.is_file() && metadata.nlink() > 1)
    })
}

#[cfg(unix)]
fn is_ours(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    metadata.uid() == nix::unistd::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_ours(_: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn explain(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let user = nix::unistd::geteuid();
    let advice = format!(
        "{error}: the user with the id {user}, whom this program runs as, may not read it. Run `chown {user}` and \
         `chmod 600` on it. Where it is mounted: write LoadCredential= for systemd; `uid: \"{user}\"` and `mode: 0400` \
         of the secret for Docker; `fsGroup` and `defaultMode: 0440` for Kubernetes"
    );
    io::Error::new(error.kind(), advice)
}

#[cfg(not(unix))]
fn explain(error: io::Error) -> io::Error {
    error
}
