//! The file `doubt`: what a process has found wrong in the store while it served. With it, the next start
//! reads every record before it serves, however large the store is, and removes it if nothing is wrong.
//!
//! It has no other effect: one that is left over costs the next start some seconds.

use std::fs;
use std::path::Path;

use super::{DOUBT, DOUBT_UNFINISHED};
use crate::private_file::{replace_file, sync_dir};

/// Says what was found. If that fails, the next process finds it by itself.
pub(in crate::store::sled) fn write(store: &Path, problem: &str) {
    let text = format!("{problem}\n");
    if let Err(error) = replace_file(&store.join(DOUBT), &store.join(DOUBT_UNFINISHED), text.as_bytes()) {
        tracing::warn!(target: "jwtauth", path = ?store, %error, "that the session store is damaged cannot be noted in its directory");
    }
}

/// Returns what was found.
pub(in crate::store::sled) fn read(store: &Path) -> Option<String> {
    let path = store.join(DOUBT);
    let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    // Whatever it is, it is there.
    text.ok().or_else(|| fs::symlink_metadata(&path).is_ok().then(String::new))
}

/// Every record was read, and nothing is wrong.
pub(in crate::store::sled) fn remove(store: &Path) {
    if let Err(error) = fs::remove_file(store.join(DOUBT)).and_then(|()| sync_dir(store)) {
        tracing::warn!(target: "jwtauth", path = ?store, %error, "the file `doubt` in the session store is not needed any more and cannot be removed: remove it");
    }
}
