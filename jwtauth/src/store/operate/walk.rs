//! Goes through all records of a store, tells how far it is, and can be stopped.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::task::yield_now;

use super::super::session_store::SessionStore;
use crate::error::StoreError;
use crate::record::Session;

/// How many records are read at once.
pub(super) const PAGE: usize = 256;

/// How far an operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many records it has gone through.
    pub done: u64,
}

/// Why an operation did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// It was told to stop. What only looks has changed nothing.
    #[error("it was stopped")]
    Stopped,
    /// The store does not offer what the operation needs.
    #[error("this store does not offer to {what}")]
    NotOffered {
        /// What is needed.
        what: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        if progress(Progress { done }).is_break() {
            return Err(OperateError::Stopped);
        }
        if is_last {
            return Ok(done);
        }
        // Reading an embedded store never waits, and a server that does this beside its requests must.
        yield_now().await;
    }
}
