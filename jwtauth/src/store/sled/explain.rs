//! What is said of a store that fails: sled's errors, and records that cannot be read.

use std::any::Any;
use std::io;
use std::path::Path;

use super::super::codec::RecordError;
use super::files::{self, store_lock};
use super::threads;
use crate::error::StoreError;
use crate::private_file::is_unreadable;

/// What was to be done when sled's own thread failed.
const NOT_WRITTEN: &str = "bring its data to disk";

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
        ::sled::Error::Io(source) => match cause_in(&source.to_string()) {
            // Its own thread could not write, and it keeps the text for all who come later.
            Some(cause) if source.raw_os_error().is_none() => files::refused(path, NOT_WRITTEN, cause),
            _ => files::refused(path, action, source),
        },
        ::sled::Error::Corruption { .. } => damaged(path, "a page is broken".into()),
        other => damaged(path, other.to_string()),
    }
}

/// What is said of a panic of sled: where a disk fails it unwraps the error.
pub(super) fn of_panic(path: &Path, action: &'static str, panic: &(dyn Any + Send)) -> StoreError {
    let cause = panic.downcast_ref::<String>().and_then(|text| cause_in(text));
    files::refused(path, action, cause.unwrap_or_else(|| io::Error::other("its database has given up")))
}

/// What is said of a panic of sled at work on a store. Where the system is short of something, such as
/// threads or descriptors, or the disk does not answer, nothing is known of the files.
pub(super) fn of_work(path: &Path, action: &'static str, panic: &(dyn Any + Send)) -> StoreError {
    match panic.downcast_ref::<String>().and_then(|text| cause_in(text)) {
        Some(cause) if is_short(&cause) || is_unreadable(&cause) => files::refused(path, action, cause),
        _ if !threads::is_memory_left() => threads::too_few(path, io::ErrorKind::OutOfMemory.into()),
        _ => damaged(path, "its database cannot read its own files".into()),
    }
}

/// Tells whether the system, or a limit of the process, has too few of something.
pub(super) fn is_short(error: &io::Error) -> bool {
    // ENFILE and EMFILE.
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(23 | 24))
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

    /// What a thread of sled could not write is said as that, whoever hears of it first.
    #[test]
    fn what_could_not_be_written_is_not_what_cannot_be_read() {
        let number = 5;
        let cause = io::Error::from_raw_os_error(number);
        let kept = ::sled::Error::Io(io::Error::other(format!("{cause:?}")));
        for (error, said) in [(kept, NOT_WRITTEN), (::sled::Error::Io(cause), "read")] {
            let explained = explain(Path::new("a"), "read", error);
            let StoreError::Io { action, source, .. } = &explained else { panic!("{explained:?}") };
            assert_eq!((*action, source.raw_os_error()), (said, Some(number)));
        }
    }

    /// what the machine has too little of says nothing about the files.
    #[test]
    fn r_6_a_panic_for_want_of_something_is_no_damage() {
        let said = |number| -> Box<dyn Any + Send> {
            let cause = io::Error::from_raw_os_error(number);
            Box::new(format!("called `Result::unwrap()` on an `Err` value: {cause:?}"))
        };
        for number in [5, 11, 12, 23, 24] {
            let error = of_work(Path::new("a"), "read", &*said(number));
            assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
        }
        let broken: Box<dyn Any + Send> = Box::new("index out of bounds".to_owned());
        assert!(matches!(of_work(Path::new("a"), "read", &*broken), StoreError::Corrupt { .. }));
        // A file that is not there.
        assert!(matches!(of_work(Path::new("a"), "read", &*said(2)), StoreError::Corrupt { .. }));
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
