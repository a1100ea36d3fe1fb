//! Writes all that a store keeps into one file, while it is in use.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::session_store::SessionStore;
use super::backup_file::BackupWriter;
use super::walk::{OperateError, Progress, begin_copy};

/// What a backup holds. Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupSummary {
    /// When it was taken.
    pub taken_at: u64,
    /// Sessions, dead or alive.
    pub sessions: u64,
    /// Accounts.
    pub accounts: u64,
    /// How long the file is, in bytes.
    pub bytes: u64,
    /// How many records of the store could not be read. They are not in the backup.
    #[serde(default)]
    pub unreadable: u64,
}

/// Writes a backup of a store: one file with everything, as it was at one moment. [`restore`](super::restore)
/// makes a store of it.
///
/// Records that are damaged are left out and counted: look at [`BackupSummary::unreadable`]. Only a store in
/// a database has such records. A directory is damaged as a whole.
///
/// The store may be in use, and nobody waits for the backup, except that changes wait for its last step: less
/// than a millisecond. Everything that was answered before the call is in it. `now`, in Unix seconds, is when
/// it is taken.
///
/// It adds nothing to the store, so the audit trail does not say who has taken it. The guide
/// [`operating`](crate::guide::operating) says how it does.
///
/// The backup is as secret as the store. Writing to `sink` blocks the task, so call this on a thread that may
/// wait for a disk. Bring the sink to disk afterwards: see [`File::sync_all`](std::fs::File::sync_all).
///
/// # Errors
///
/// - [`OperateError::Stopped`]: `progress`, which is called after each page, said so.
/// - [`OperateError::NotOffered`]: the store has no [`WholeStore`](crate::store::WholeStore).
/// - [`OperateError::Write`]: the sink failed.
/// - [`OperateError::Store`]: the store failed.
///
/// What is in the sink is no backup then, and is refused by [`restore`](super::restore).
pub async fn backup(
    store: &Arc<dyn SessionStore>,
    sink: &mut (dyn Write + Send),
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<BackupSummary, OperateError> {
    let (mut copy, expected) = begin_copy(store, progress).await?;
    let mut writer = BackupWriter::begin(sink, now)?;
    let mut done = 0;
    loop {
        let page = copy.next().await?;
        done += page.records.len() as u64;
        page.records.iter().try_for_each(|record| writer.put(record))?;
        let of = Some(expected).filter(|expected| done <= *expected);
        if progress(Progress { done, of, bytes: writer.bytes }).is_break() {
            return Err(OperateError::Stopped);
        }
        if let Some(totals) = page.end {
            let bytes = writer.end(totals)?;
            let (sessions, accounts, unreadable) = (totals.sessions, totals.accounts, totals.unreadable);
            return Ok(BackupSummary { taken_at: now, sessions, accounts, bytes, unreadable });
        }
    }
}
