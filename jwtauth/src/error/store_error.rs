//! Failures of a session store, and what its operator can do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::BoxError;

/// The session store failed. The operation may or may not have happened.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An error of a store outside this crate.
    #[error("session store failed")]
    Backend(#[source] BoxError),
    /// The store is being compacted already, and one compaction at a time goes on. Nothing has happened.
    #[error("session store {path:?} is being compacted already: wait until that is done")]
    BeingCompacted {
        /// The directory of the store.
        path: PathBuf,
    },
    /// So many changes wait for the store that it takes no more. Nothing has happened.
    #[error("session store has {waiting} changes waiting and takes no more: its disk is slow, or hangs")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// The store was closed.
    #[error("session store is closed")]
    Closed,
    /// The files are damaged. No session in them was changed.
    #[error(
        "session store {path:?} is damaged ({problem}): `jwtauth doctor --store {path:?}` says what can be saved, and `jwtauth repair --store {path:?}` saves it"
    )]
    Corrupt {
        /// The directory of the store.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// New files take the place of those of the store, after a restore, a repair or a compaction, and this
    /// was not done to its end. The new ones count from here on. The next start goes on with it.
    #[error(
        "session store {path:?} has new files, which count from here on, and not all of them are in their place: the next start goes on with that, or `jwtauth status --store {path:?}`"
    )]
    HalfReplaced {
        /// The directory of the store.
        path: PathBuf,
        /// What failed.
        source: BoxError,
    },
    /// The operating system refused a read or a write.
    #[error("session store {path:?}: cannot {action}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store is open already, in another process or by another handle in this one.
    #[error(
        "session store {path:?} is open already, in another process or in this one: stop the other one first (a deployment runs one replica, with the strategy `Recreate`), share one by `.clone()`, or take a directory of its own"
    )]
    Locked {
        /// The directory of the store.
        path: PathBuf,
    },
    /// The data file was removed, replaced or cut while the store was open. Nothing more is acknowledged.
    #[error(
        "data file {path:?} {problem}. The session store takes no changes any more: put the file back and start the program again, or see what `jwtauth doctor` says of the store"
    )]
    Lost {
        /// The data file.
        path: PathBuf,
        /// What happened to it.
        problem: String,
    },
    /// The store is gone or empty, and a counter outside it says that it held accounts. Or its data file is
    /// missing, and its journal has counted changes. Nothing was made.
    #[error(
        "session store {path:?} {}: put it back (is its volume mounted?), or restore a backup with `jwtauth restore BACKUP --store {path:?}`. To start without accounts, so that anybody may register any name, remove {counter:?}",
        gone(path, counter)
    )]
    Missing {
        /// The directory of the store.
        path: PathBuf,
        /// The file that says it.
        counter: PathBuf,
    },
    /// Files of two stores stand in the directory, so nobody knows whose sessions and accounts these are.
    /// They are as they were before.
    #[error(
        "session store {path:?} has files of two stores ({problem}): put back the one that belongs there, or restore a backup with `jwtauth restore BACKUP --store {path:?}`. To take what is there, with everybody logged out and all accounts disabled: `jwtauth repair --store {path:?}`"
    )]
    MixedFiles {
        /// The directory of the store.
        path: PathBuf,
        /// Which files they are.
        problem: String,
    },
    /// The records were moved into another store by a migration. What is ended there is not known here.
    #[error(
        "what was in session store {path:?} was moved to {to}: start the server there. It must not serve both, because who logs out there would be let in here. To serve this one all the same, and never again that one, remove {:?}",
        path.join("moved")
    )]
    Moved {
        /// The directory of the store.
        path: PathBuf,
        /// Where they are now. No password is in it.
        to: String,
    },
    /// A record was written by a newer release of this crate, in a layout that this one does not know.
    /// Nothing was changed.
    #[error(
        "{} holds records of layout {found}, written by a newer release of jwtauth, and this one reads layouts up to {newest}: start the release that wrote them, or a newer one. A backup that this release can read is restored with `jwtauth restore`",
        store(path.as_deref())
    )]
    NewerLayout {
        /// The directory of the store, if it is one.
        path: Option<PathBuf>,
        /// The layout of a record.
        found: u8,
        /// The newest layout that is read.
        newest: u8,
    },
    /// The data file looks damaged or may lack a part, and no copy of it could be made. It was not opened,
    /// and nothing in it was changed: without a copy, opening it could lose what a repair can still save.
    #[error(
        "session store {path:?} looks damaged, or may lack a part, and no copy of its data file could be made beside it, so it was not opened, and nothing in it was changed. Make room for {bytes} bytes there and do this again. `jwtauth doctor --store {path:?}` says what can be read"
    )]
    NoCopy {
        /// The directory of the store.
        path: PathBuf,
        /// How long the copy is, in bytes.
        bytes: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The directory holds foreign files, so it was left alone.
    #[error(
        "directory {path:?} holds {found:?}, which is no part of a session store: give the store a directory of its own. If a store was here, `jwtauth doctor --store {path:?}` looks at it"
    )]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// The first foreign entry.
        found: String,
    },
    /// A database is named, and this build has no feature `postgres`.
    #[error(
        "a PostgreSQL database is named, and this build lacks the feature `postgres` of jwtauth. For the program `jwtauth`: cargo install --git https://github.com/jwtauth/jwtauth jwtauth --features cli,postgres"
    )]
    NoPostgres,
    /// There is no store in the directory, and none is to be made
    /// ([`SledConfig::create_if_missing`](crate::SledConfig::create_if_missing)). Nothing was made.
    #[error(
        "there is no session store in {path:?}, and `SledConfig::create_if_missing(false)` allows no new one: is its volume mounted, and is the path right? A backup is restored with `jwtauth restore BACKUP --store {path:?}`. For a first start, allow a new one"
    )]
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// An address names the store that nothing here opens, or one that is written for another program.
    /// Nothing was made.
    #[error("`{start}` {advice}. For a directory of such a name, begin it with `./`")]
    OtherAddress {
        /// What it begins with. Of the rest nothing is shown, because a password may be in it.
        start: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// The directory, or a file in it, may not be read or written.
    #[error("session store {path:?} (mode {mode:o}) cannot be used by this user: {remedy}")]
    Permission {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do.
        remedy: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store has lost changes that it had acknowledged: an old backup, or a truncated file.
    #[error(
        "session store {path:?} has lost its last {lost} changes: {counter:?} has counted them, so it is an old backup or was cut short, and ended sessions might be alive in it. Put the newest copy back. Or take what can be read: `jwtauth doctor --store {path:?}` says what that is, and who is logged out then, and `jwtauth repair --store {path:?}{}` takes it",
        counter_argument(path, counter)
    )]
    RolledBack {
        /// The directory of the store.
        path: PathBuf,
        /// How many acknowledged changes are missing.
        lost: u64,
        /// The file that has counted them: the journal of the store, or its rollback counter.
        counter: PathBuf,
    },
    /// The store did not answer in time. A session may still be revoked. A change that was being written may
    /// happen too, except that no login does.
    #[error("session store did not answer within {after:?}")]
    TimedOut {
        /// The time limit.
        after: Duration,
    },
    /// The process was told to end while the store was being opened.
    #[error("the process was told to end before its session store was open")]
    ToldToEnd,
    /// A record is too large for the store.
    #[error("record has {got} bytes, at most {max} are kept: store less in the user value or session")]
    TooLarge {
        /// The size, in bytes.
        got: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The store is not usable for the moment: it failed before and is opened again, or a compaction ends.
    #[error(
        "session store {path:?} is not usable for the moment: {}",
        cause.as_deref().map_or("a compaction puts its new files in place".into(), |cause| format!("it is opened anew when the disk allows it, because it has failed ({cause})"))
    )]
    Unavailable {
        /// The directory of the store.
        path: PathBuf,
        /// What failed. `None` while a compaction ends.
        cause: Option<String>,
    },
    /// The disk does not give back all of the data file. It was not opened, and nothing in it was changed.
    #[error(
        "session store {path:?}: the disk cannot read all of its data file (blocks of 4 KiB that fail: {blocks}), so it was not opened, and nothing in it was changed. Copy the directory to another disk as far as it goes. `jwtauth doctor --store {path:?}` says what can be saved, and `jwtauth repair --store {path:?}` saves it"
    )]
    Unreadable {
        /// The directory of the store.
        path: PathBuf,
        /// How many blocks of 4 KiB cannot be read.
        blocks: u64,
    },
    /// A restore or a migration into the directory was stopped before it was done, so there is no store yet.
    #[error(
        "session store {path:?} is not there yet: a restore or a migration did not come to its end. Do it again: `jwtauth restore BACKUP --store {path:?}`, or `jwtauth migrate FROM {path:?}`"
    )]
    Unfinished {
        /// The directory of the store.
        path: PathBuf,
    },
    /// Something else is in the place of a file or a directory of the store: a link, a pipe or a directory.
    /// Nothing was opened, and nothing was changed.
    #[error(
        "{path:?} in the session store is {found}, and must be {wanted}: move it away, or put {wanted} in its place. `jwtauth doctor --store {:?}` says what goes on from there",
        store_of(path)
    )]
    WrongKind {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

/// The directory of the store that a path is in: the page files have a directory of their own.
fn store_of(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(path);
    if folder.ends_with("blobs") { folder.parent().unwrap_or(folder) } else { folder }
}

/// The option of a repair for a counter that is not in the store.
fn counter_argument(store: &Path, counter: &Path) -> String {
    if counter.starts_with(store) { String::new() } else { format!(" --rollback-counter {counter:?}") }
}

/// What is missing of a store, and which file says that it was there.
fn gone(store: &Path, counter: &Path) -> String {
    if counter.starts_with(store) {
        format!("is damaged: its data file is missing, though {counter:?} has counted changes")
    } else {
        format!("is not there or empty, though {counter:?} says that it may have held accounts")
    }
}

fn store(path: Option<&Path>) -> String {
    path.map_or("session store".into(), |path| format!("session store {path:?}"))
}

impl StoreError {
    /// Tells whether one record is damaged that was asked for, and nothing is known of the others.
    pub(crate) fn is_of_record(&self) -> bool {
        #[cfg(feature = "postgres")]
        if let Self::Backend(cause) = self {
            return matches!(cause.downcast_ref(), Some(super::PostgresError::DamagedRow { .. }));
        }
        false
    }

    /// The error for an address that this build does not open.
    pub(crate) fn of_address(start: String, advice: &'static str) -> Self {
        if start == "postgres://" { Self::NoPostgres } else { Self::OtherAddress { start, advice } }
    }
}

debug_with_causes!(StoreError);
