//! Who may read the files: their owner only, however often something else widens their modes.
//!
//! A platform changes modes under a program: Kubernetes adds `g+rw` to each file at each mount (`fsGroup`).
//! What is ours is made private again, with a warning. Nothing depends on it: where the system refuses,
//! because a directory belongs to somebody else or its file system has no modes, the store opens all the
//! same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::blobs::is_page;
use super::{BLOBS, is_ours};
use crate::private_file::{mode, set_mode};

/// Makes the directory and each of our files private. Returns what was wider, with its mode, and whether it
/// still is.
pub(super) fn restrict_all(path: &Path) -> Vec<Widened> {
    let mut widened = Vec::new();
    restrict(path, 0o700, &mut widened);
    for name in names(path) {
        if name == BLOBS {
            let blobs = path.join(BLOBS);
            restrict(&blobs, 0o700, &mut widened);
            for name in names(&blobs).into_iter().filter(|name| is_page(name.as_ref())) {
                restrict(&blobs.join(name), 0o600, &mut widened);
            }
        } else if is_ours(&name) {
            let file = path.join(name);
            let wanted = if file.is_dir() { 0o700 } else { 0o600 };
            restrict(&file, wanted, &mut widened);
        }
    }
    widened
}

/// Likewise, and says what was found.
pub(in crate::store::sled) fn mend(path: &Path) {
    tell(path, &restrict_all(path));
}

/// Makes one of our files private, and says so if it was not.
pub(super) fn mend_file(path: &Path) {
    let mut widened = Vec::new();
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        restrict(path, 0o600, &mut widened);
    }
    tell(path, &widened);
}

/// A file that others might read or write.
#[derive(Debug)]
pub(super) struct Widened {
    path: PathBuf,
    mode: u32,
    refusal: Option<io::Error>,
}

fn restrict(path: &Path, wanted: u32, widened: &mut Vec<Widened>) {
    // sled removes files when it likes, and a file that cannot be looked at is reported when it is opened.
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    let mode = mode(&metadata);
    if mode == wanted || metadata.is_symlink() {
        return;
    }
    let refusal = restricted(path, wanted).err();
    if mode & 0o077 != 0 {
        widened.push(Widened { path: path.into(), mode, refusal });
    }
}

/// Sets a mode. Some file systems take it and keep the one that they were mounted with.
fn restricted(path: &Path, wanted: u32) -> io::Result<()> {
    set_mode(path, wanted)?;
    match fs::symlink_metadata(path).map(|metadata| mode(&metadata)) {
        Ok(kept) if kept & !wanted != 0 => {
            Err(io::Error::other(format!("the file system keeps mode {kept:o}")))
        }
        _ => Ok(()),
    }
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn tell(path: &Path, widened: &[Widened]) {
    let refused = widened.iter().find(|widened| widened.refusal.is_some());
    if let Some(Widened { path: found, mode, refusal: Some(error) }) = refused {
        tracing::warn!(target: "jwtauth", ?path, ?found, mode = format_args!("{mode:o}"), %error, "others can read or write files of the session store, and its modes cannot be changed: mount it for the user of this program alone");
    } else if let Some(Widened { path: found, mode, .. }) = widened.first() {
        let files = widened.len();
        tracing::warn!(target: "jwtauth", ?path, ?found, mode = format_args!("{mode:o}"), files, "others could read or write files of the session store: it is made private now");
    }
}
