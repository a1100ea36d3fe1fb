//! What is said of a store that fails: sled's errors, and records that cannot be read.

use std::path::Path;

use super::super::codec::RecordError;
use super::files;
use crate::error::StoreError;

pub(super) fn damaged(path: &Path, problem: String) -> StoreError {
    StoreError::Corrupt { path: path.into(), problem }
}

/// Why a record cannot be read: one of a newer layout is not damage.
pub(super) fn unreadable(path: &Path, error: RecordError) -> StoreError {
    match error {
        RecordError::Damaged => damaged(path, error.to_string()),
        RecordError::NewerLayout { found, newest } => {
            StoreError::NewerLayout { path: Some(path.into()), found, newest }
        }
    }
}

/// Brings sled's error into ours, so that its version stays out of our API.
pub(super) fn explain(path: &Path, action: &'static str, error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(source) if source.to_string().contains("could not acquire lock") => {
            StoreError::Locked { path: path.into() }
        }
        ::sled::Error::Io(source) => files::refused(path, action, source),
        ::sled::Error::Corruption { .. } => damaged(path, "a page is broken".into()),
        other => damaged(path, other.to_string()),
    }
}
