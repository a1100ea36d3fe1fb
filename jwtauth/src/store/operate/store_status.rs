//! What is in a store, in numbers.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::compact_store::{Compaction, StoreSpace};
use super::super::session_store::SessionStore;
use super::super::whole_store::RecordKind;
use super::backup_time::last_backup;
use super::walk::PAGE;
use super::walk::{OperateError, Progress, each_session};

/// What is in a store. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct StoreStatus {
    /// Sessions that are neither revoked nor expired.
    pub live_sessions: u64,
    /// Sessions that are over and were not swept yet.
    pub sessions_over: u64,
    /// How many subjects have live sessions.
    pub live_subjects: u64,
    /// When the oldest live session was opened.
    pub oldest_login: Option<u64>,
    /// When a session was last opened or refreshed, live or not.
    pub last_used: Option<u64>,
    /// Accounts. `None` if the store keeps none.
    pub accounts: Option<u64>,
    /// Accounts among them that are disabled.
    pub disabled_accounts: Option<u64>,
    /// How many bytes its files have. `None` if the store does not say it.
    pub file_bytes: Option<u64>,
    /// Whether every record was read since the store was opened, and nothing is wrong. A large one is used
    /// while that goes on: see [`SledConfig::verify_first`](crate::SledConfig::verify_first). `None` if an
    /// older server has answered.
    pub verified: Option<bool>,
    /// Why it takes no changes at the moment, such as logins, if it does not. `None` if nothing is known of
    /// that.
    pub failure: Option<String>,
    /// How often a server has written it anew without its free space, since it has opened it.
    pub compactions: u64,
    /// What the last of these has done.
    pub last_compaction: Option<Compaction>,
    /// Records that are there and are not as they were written: they are not in the numbers above, and a
    /// doctor names them.
    pub unreadable: u64,
    /// When the last backup was taken, as the program `jwtauth` notes it, or an application that asks its
    /// operator to (`OperatorRequest::NoteBackup`). `None` if none was, or the store keeps no values.
    pub last_backup: Option<u64>,
}

/// Counts what is in a store at `now`, in Unix seconds. See [`each_session`] for `progress` and the errors.
///
/// # Errors
///
/// Those of [`each_session`].
pub async fn status(
    store: &Arc<dyn SessionStore>,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<StoreStatus, OperateError> {
    let mut status = StoreStatus::default();
    // Eight bytes for each subject, however long it is.
    let (hasher, mut subjects) = (RandomState::new(), HashSet::new());
    let count = |session: crate::record::Session| {
        status.last_used = status.last_used.max(Some(session.rotated_at));
        if session.is_live_at(now) {
            status.live_sessions += 1;
            subjects.insert(hasher.hash_one(&session.subject));
            let oldest = status.oldest_login.unwrap_or(u64::MAX);
            status.oldest_login = Some(oldest.min(session.created_at));
        } else {
            status.sessions_over += 1;
        }
    };
    let sessions = each_session(store, count, progress).await?;
    status.live_subjects = subjects.len() as u64;
    count_accounts(store, &mut status, sessions, progress).await?;
    status.verified = Some(store.is_verified());
    status.failure = store.failure();
    for kind in RecordKind::ALL {
        status.unreadable += count_unreadable(store, kind).await?;
    }
    status.last_backup = match last_backup(store, now).await {
        // It is counted above.
        Err(error) if error.is_of_record() => None,
        known => known?,
    };
    if let Some(files) = Arc::clone(store).compact_store() {
        let StoreSpace { bytes, compactions, last } = files.space().await?;
        (status.file_bytes, status.compactions, status.last_compaction) = (bytes, compactions, last);
    }
    Ok(status)
}

/// Counts the records of a kind that are there and are not as they were written. A store of which one damaged
/// record stops everything has none.
///
/// # Errors
///
/// [`OperateError::Store`]: the store failed.
pub async fn count_unreadable(store: &Arc<dyn SessionStore>, kind: RecordKind) -> Result<u64, OperateError> {
    match Arc::clone(store).whole_store() {
        Some(whole) => Ok(whole.unreadable(kind).await?),
        None => Ok(0),
    }
}

async fn count_accounts(
    store: &Arc<dyn SessionStore>,
    status: &mut StoreStatus,
    sessions: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<(), OperateError> {
    let Some(accounts) = Arc::clone(store).account_store() else { return Ok(()) };
    let (mut after, mut all, mut disabled) = (None, 0, 0);
    loop {
        let page = accounts.accounts(after, PAGE).await?;
        all += page.len() as u64;
        disabled += page.iter().filter(|account| !account.active).count() as u64;
        if progress(Progress::through(sessions + all)).is_break() {
            return Err(OperateError::Stopped);
        }
        if page.len() < PAGE {
            break;
        }
        after = page.last().map(|account| account.key.clone());
        tokio::task::yield_now().await;
    }
    (status.accounts, status.disabled_accounts) = (Some(all), Some(disabled));
    Ok(())
}
