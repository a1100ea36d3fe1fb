//! Files and directories that only their owner may read, whatever the umask.
//!
//! On systems without Unix permissions these are ordinary files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Once;

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a directory and those above it that are missing, each 0700.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    dir_builder().recursive(true).create(path)
}

/// Makes a directory, 0700, that nobody else has made.
pub(crate) fn create_new_dir(path: &Path) -> io::Result<()> {
    dir_builder().create(path)
}

fn dir_builder() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Brings the names in a directory to disk, so that a new file is found after a power cut.
///
/// Where the system or the file system cannot do that, it is left out, which is said once: what is in the
/// files is on disk all the same.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    // M-14: Windows opens no directory as a file, and needs no such call.
    if cfg!(not(unix)) {
        return Ok(());
    }
    accept_refusal(path, File::open(path).and_then(|dir| dir.sync_all()))
}

/// Takes it for done if the file system refused to sync a directory because it never does. `EIO` is a
/// failure.
pub(crate) fn accept_refusal(path: &Path, synced: io::Result<()>) -> io::Result<()> {
    static TOLD: Once = Once::new();
    match synced {
        Err(error) if never_syncs(&error) => {
            TOLD.call_once(|| {
                tracing::warn!(target: "jwtauth", ?path, %error, "this file system syncs no directories: a file that is new may be missing after a power cut");
            });
            Ok(())
        }
        other => other,
    }
}

/// `EINVAL`, `ENOSYS`, `EOPNOTSUPP`, `EISDIR`, `ENOTTY` and `EBADF` say that a call is not for this file.
fn never_syncs(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, IsADirectory, Unsupported};
    matches!(error.kind(), InvalidInput | IsADirectory | Unsupported) || is_unsupported(error) || {
        matches!(error.raw_os_error(), Some(9 | 25))
    }
}

/// Tells whether a file system has no such thing as was asked for. The standard library has no name for each
/// of these numbers.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    let numbers: &[i32] = if cfg!(target_os = "linux") {
        &[38, 95] // ENOSYS, EOPNOTSUPP
    } else if cfg!(windows) {
        &[1, 50] // ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED
    } else {
        &[45, 78, 102] // ENOTSUP, ENOSYS, EOPNOTSUPP
    };
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

/// Tells whether a disk could not give back what was written, or gave back something else: a bad sector, or a
/// checksum of the file system that does not fit.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    let numbers: &[i32] = if cfg!(target_os = "linux") {
        &[5, 61, 74, 84, 117, 121] // EIO, ENODATA, EBADMSG, EILSEQ, EUCLEAN, EREMOTEIO
    } else if cfg!(windows) {
        &[23, 27, 1117] // ERROR_CRC, ERROR_SECTOR_NOT_FOUND, ERROR_IO_DEVICE
    } else {
        &[5] // EIO
    };
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

/// Returns whose a store in a directory is: that of its data, if there is any. The directory may be a volume
/// that belongs to another user.
#[cfg(unix)]
pub(crate) fn owner_of_store(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt as _;

    let data = fs::symlink_metadata(path.join("db")).or_else(|_| fs::metadata(path))?;
    Ok(data.uid())
}

/// Tells whether the system did not let this program write, or look.
pub(crate) fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Returns the path itself, or what is there of it.
pub(crate) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| !path.as_os_str().is_empty() && path.exists()).unwrap_or(Path::new("."))
}

/// Explains why a path cannot be made whose name is taken: by a link to what is not there.
pub(crate) fn of_lost_target(path: &Path, error: io::Error) -> io::Error {
    let link = path.ancestors().find(|path| path.is_symlink() && !path.exists());
    match link.map(|link| (link, fs::read_link(link))) {
        Some((link, Ok(target))) => {
            let text = format!(
                "{link:?} is a symbolic link to {target:?}, which is not there: is its volume mounted?"
            );
            io::Error::new(error.kind(), text)
        }
        _ => error,
    }
}

/// Says what to do where the system [refused](is_refused) a file, or a directory that should be there.
pub(crate) fn remedy(path: &Path, refusal: &io::Error) -> String {
    let found = nearest(path);
    of_read_only(refusal).unwrap_or_else(|| of_what_is_there(found))
}

/// Likewise of a directory that is made if it is not there.
pub(crate) fn remedy_of_directory(path: &Path, refusal: &io::Error) -> String {
    let found = nearest(path);
    of_read_only(refusal).unwrap_or_else(|| {
        if found == path || !found.is_dir() { of_what_is_there(found) } else { of_what_is_missing(path) }
    })
}

fn of_read_only(refusal: &io::Error) -> Option<String> {
    (refusal.kind() == io::ErrorKind::ReadOnlyFilesystem).then(|| {
        "its file system is mounted for reading only. Mount a volume there that can be written (without `:ro`, \
         `readOnly: true` or `ro`), or keep data in another directory"
            .to_owned()
    })
}

/// A file is mended with all that is beside it: whoever has put one there has often put more.
#[cfg(unix)]
fn of_what_is_there(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;

    let user = nix::unistd::geteuid();
    let whole = if path.is_dir() { path } else { parent(path) };
    match fs::metadata(path) {
        Ok(found) if found.uid() == user.as_raw() && is_open_to_owner(path, whole) => format!(
            "it belongs to this user, and its mode allows it: something else forbids it. That may be SELinux or AppArmor \
             (for a volume of Docker or Podman add `:z`; the log of the system says more), `chattr +i` or `+a` (see \
             `lsattr -d {whole:?}`), or how the file system is mounted"
        ),
        Ok(found) if found.uid() == user.as_raw() => {
            format!("it belongs to this user, who took the rights away: run `chmod -R u+rwX {whole:?}`")
        }
        Ok(found) => format!(
            "it belongs to the user with the id {}, and this program runs as {user}: run `chown -R {user} {whole:?}`, \
             or start the program as the owner. For a volume in Kubernetes set `fsGroup`",
            found.uid()
        ),
        Err(_) => format!("run `chown -R {user} {whole:?}`"),
    }
}

/// Tells whether the modes let an owner do everything with what is there, and with the directory around it.
#[cfg(unix)]
fn is_open_to_owner(path: &Path, directory: &Path) -> bool {
    let has = |path: &Path, bits| fs::metadata(path).is_ok_and(|found| mode(&found) & bits == bits);
    has(path, 0o600) && has(directory, 0o700)
}

#[cfg(unix)]
fn of_what_is_missing(path: &Path) -> String {
    let user = nix::unistd::geteuid();
    format!(
        "it is not there, and the user with the id {user}, whom this program runs as, may not make it: \
         run `install -d -m 700 -o {user} {path:?}`, or mount a volume there that belongs to this user"
    )
}

#[cfg(not(unix))]
fn of_what_is_there(_: &Path) -> String {
    "let the user whom this program runs as change it".to_owned()
}

#[cfg(not(unix))]
fn of_what_is_missing(_: &Path) -> String {
    "make it, and let the user whom this program runs as change it".to_owned()
}

/// Writes a small file so that it is there as a whole or as it was before, also after a power cut.
/// `unfinished` is its name in the same directory until then.
pub(crate) fn replace_file(path: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(unfinished, path)?;
    sync_dir(parent(path))
}

/// Makes a file that is created with these options 0600.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Takes the permissions of group and others from a file that is open.
#[cfg(unix)]
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Does nothing: there are no permission bits.
#[cfg(not(unix))]
pub(crate) fn make_private(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(crate) fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

/// Returns the bits of a private file: there are none to look at.
#[cfg(not(unix))]
pub(crate) fn mode(_: &fs::Metadata) -> u32 {
    0o600
}

#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Does nothing: there are no permission bits.
#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// M-6: what the modes allow is forbidden by something else, and `chmod` does not help.
    #[test]
    fn m_6_a_refusal_that_the_modes_do_not_explain_says_so() {
        let directory = std::env::temp_dir().join(format!("jwtauth-remedy-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("db");
        fs::write(&file, "").unwrap();
        let refusal = io::Error::from(io::ErrorKind::PermissionDenied);
        for (of_directory, of_file, path, says) in [
            (0o700, 0o600, &file, "SELinux"),
            (0o700, 0o600, &directory, "SELinux"),
            (0o700, 0o400, &file, "chmod -R u+rwX"),
            (0o500, 0o600, &file, "chmod -R u+rwX"),
            (0o500, 0o600, &directory, "chmod -R u+rwX"),
        ] {
            set_mode(&file, of_file).unwrap();
            set_mode(&directory, of_directory).unwrap();
            let advice = remedy(path, &refusal);
            assert!(advice.contains(says), "{of_directory:o} {of_file:o} {path:?}: {advice}");
        }
        set_mode(&directory, 0o700).unwrap();
        fs::remove_dir_all(directory).unwrap();
    }
}
