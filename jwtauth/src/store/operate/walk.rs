//! Goes through all records of a store, tells how far it is, and can be stopped.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::super::session_store::SessionStore;
use super::super::whole_store::StoreCopy;
use crate::error::StoreError;
use crate::record::Session;

/// How many records are read at once.
pub(super) const PAGE: usize = 256;

/// How often somebody may stop what waits for a store.
const LOOK: Duration = Duration::from_millis(200);

/// How far an operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many records it has gone through.
    pub done: u64,
    /// Of how many, if that is known.
    pub of: Option<u64>,
    /// How many bytes it has read from a file or written into one; 0 if there is none.
    pub bytes: u64,
}

impl Progress {
    /// Says how many records it has gone through, and no more.
    pub(super) const fn through(done: u64) -> Self {
        Self { done, of: None, bytes: 0 }
    }
}

/// Why an operation did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// It was told to stop. What only looks has changed nothing.
    #[error("the operation was stopped")]
    Stopped,
    /// The store does not offer what the operation needs.
    #[error("this store does not offer to {what}")]
    NotOffered {
        /// What is needed.
        what: &'static str,
    },
    /// The records of a store are not to be moved while others use it. Nothing was changed.
    #[error(
        "{place} has {clients} connections of servers: stop these, because what they change meanwhile would be missing"
    )]
    InUse {
        /// The store.
        place: String,
        /// How many connections were seen.
        clients: u64,
    },
    /// What was read back from the new store is not what is in the old one. Both are as they were: nobody
    /// serves the new one.
    #[error(
        "what was read back from {to} is not what is in {from} ({what}): stop all servers that use one of them, and do it again"
    )]
    Differs {
        /// The old store.
        from: String,
        /// The new one.
        to: String,
        /// How many records of which kind each has.
        what: String,
    },
    /// The records of the store were moved to another place before. Nothing was changed.
    #[error(
        "what was in {place} was moved to {to} before, and has changed there since: migrate from there. Or, if that was not finished, do that again, and write {to} exactly as it is shown"
    )]
    MovedBefore {
        /// The store.
        place: String,
        /// Where its records are.
        to: String,
    },
    /// A store was to be moved onto itself. Nothing was changed.
    #[error(
        "{from} and {to} are one and the same store, which holds something already: name another place to move it to"
    )]
    SameStore {
        /// The store.
        from: String,
        /// The same one, perhaps by another name.
        to: String,
    },
    /// A migration failed in its last steps. The old store is marked, so it does not open. The new one may
    /// not open either.
    #[error(
        "{from} does not open any more, and {to} may not open yet: do the same again. If that says that {to} holds something, {to} is complete: start the server there"
    )]
    HalfMoved {
        /// The old store.
        from: String,
        /// The new one.
        to: String,
        /// What failed.
        source: StoreError,
    },
    /// Records of the store cannot be read, so they would not be in the new one. It is as it was.
    #[error(
        "{place} has {}, which would be left behind: `jwtauth doctor` names them, and `jwtauth repair` takes them out. Then do this again", damaged_records(*.records)
    )]
    Unreadable {
        /// The store.
        place: String,
        /// How many.
        records: u64,
    },
    /// There is no store to read from. Nothing was made.
    #[error("there is no store in {place}")]
    NoStore {
        /// What was named.
        place: String,
    },
    /// The records were moved to this very place before, and that came to its end. Nothing was changed.
    #[error("what was in {place} was moved to {to} before, and is there: start the server on that")]
    MovedAlready {
        /// The store that was named.
        place: String,
        /// Where its records are.
        to: String,
    },
    /// The store that records are to come into holds something already. Nothing was changed.
    #[error(
        "{place} holds something already, and nothing is overwritten: name a place that is empty. To go back to a store that was moved, move what is left in its place away first"
    )]
    Occupied {
        /// The store.
        place: String,
    },
    /// The directory holds a store, which is not to be replaced.
    #[error("there is a store already: allow it with `RestoreOptions::replace(true)`")]
    Exists,
    /// A file is no backup, or a damaged one. Nothing was changed.
    #[error("this is not a whole backup: {problem}")]
    NotABackup {
        /// What was found.
        problem: String,
    },
    /// A file is no export, or not a whole one. Nothing was changed.
    #[error("this is not a whole export: line {line}: {problem}")]
    NotAnExport {
        /// The number of the line, from 1.
        line: u64,
        /// What was found.
        problem: String,
    },
    /// A newer release wrote the backup or export.
    #[error(
        "this file has version {found}, and this release reads version {newest}: use the release that wrote it"
    )]
    NewerBackup {
        /// The version of the backup.
        found: u32,
        /// The newest version that is read.
        newest: u32,
    },
    /// What is read failed.
    #[error("the input cannot be read")]
    Read(#[source] io::Error),
    /// What is written to failed.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn damaged_records(count: u64) -> String {
    if count == 1 { "a damaged record".into() } else { format!("{count} damaged records") }
}

/// Begins a copy of all that a store keeps. Returns it with how many sessions and accounts it will have, as
/// far as that is known. A store may read all of its records before that: `progress` may stop it meanwhile.
pub(super) async fn begin_copy(
    store: &Arc<dyn SessionStore>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<(Box<dyn StoreCopy>, u64), OperateError> {
    let whole = Arc::clone(store).whole_store();
    let whole = whole.ok_or(OperateError::NotOffered { what: "copy all that it keeps" })?;
    let mut begun = whole.copy();
    let copy = loop {
        match tokio::time::timeout(LOOK, &mut begun).await {
            Ok(copy) => break copy?,
            Err(_) if progress(Progress::default()).is_break() => return Err(OperateError::Stopped),
            Err(_) => {}
        }
    };
    let expected = copy.expected();
    Ok((copy, expected.sessions + expected.accounts))
}

/// Calls `look` with each session of a store, dead or alive, in the order of their ids. Returns how many
/// there were.
///
/// `progress` is called after each page; [`ControlFlow::Break`] stops.
///
/// # Errors
///
/// [`OperateError::Stopped`] if `progress` says so, [`OperateError::NotOffered`] if the store has no
/// [`SessionPages`](crate::store::SessionPages), [`OperateError::Store`] if it failed.
pub async fn each_session(
    store: &Arc<dyn SessionStore>,
    mut look: impl FnMut(Session) + Send,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<u64, OperateError> {
    let pages = Arc::clone(store).session_pages();
    let pages = pages.ok_or(OperateError::NotOffered { what: "list its sessions" })?;
    let (mut after, mut done) = (None, 0);
    loop {
        let page = pages.sessions_after(after, PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|session| session.id);
        done += page.len() as u64;
        page.into_iter().for_each(&mut look);
        if progress(Progress::through(done)).is_break() {
            return Err(OperateError::Stopped);
        }
        if is_last {
            return Ok(done);
        }
        // Reading an embedded store never waits, and a server that does this beside its requests must.
        yield_now().await;
    }
}
