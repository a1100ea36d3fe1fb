//! What is said of a store that fails: sled's errors, and records that cannot be read.

use std::any::Any;
use std::io;
use std::path::Path;

use super::super::codec::RecordError;
use super::files::{self, store_lock};
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
            let cause = cause_in(&source.to_string()).unwrap_or(source);
            if store_lock::is_contended(&cause) {
                StoreError::Locked { path: path.into() }
            } else {
                store_lock::not_locked(path, cause)
            }
        }
        ::sled::Error::Io(source) => files::refused(path, action, source),
        ::sled::Error::Corruption { .. } => damaged(path, "a page is broken".into()),
        other => damaged(path, other.to_string()),
    }
}

/// What is said of a panic of sled: where a disk fails it unwraps the error.
pub(super) fn of_panic(path: &Path, action: &'static str, panic: &(dyn Any + Send)) -> StoreError {
    let cause = panic.downcast_ref::<String>().and_then(|text| cause_in(text));
    files::refused(path, action, cause.unwrap_or_else(|| io::Error::other("its database has given up")))
}

/// sled keeps only the text of what the system said: `Os { code: 11, kind: WouldBlock, .. }`.
fn cause_in(text: &str) -> Option<io::Error> {
    let (_, behind) = text.rsplit_once("Os { code: ")?;
    let digits = behind.split_once(',')?.0;
    digits.parse().ok().map(io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locking(source: io::Error) -> StoreError {
        let text = format!("could not acquire lock on {:?}: {source:?}", "a/db");
        explain(Path::new("a"), "open", ::sled::Error::Io(io::Error::other(text)))
    }

    /// M-10: only a lock that somebody holds means that somebody has the store open.
    #[test]
    fn m_10_a_lock_that_is_refused_is_not_one_that_is_held() {
        let held = locking(fs2::lock_contended_error());
        assert!(matches!(held, StoreError::Locked { .. }), "{held:?}");
        let (no_locks, not_supported, broken) =
            if cfg!(target_os = "linux") { (37, 95, 5) } else { (77, 45, 5) };
        for number in [no_locks, not_supported, broken] {
            let refused = locking(io::Error::from_raw_os_error(number));
            let StoreError::Io { action, source, .. } = &refused else { panic!("{number}: {refused:?}") };
            assert_eq!(source.raw_os_error(), Some(number), "{refused:?}");
            assert_eq!(action.contains("has no locks"), number != broken, "{action}");
        }
    }
}
