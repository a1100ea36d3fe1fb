//! Takes the records of an export into a store. Not to be confused with `Accounts::import` of the feature
//! `import`, which takes accounts of other programs.
//!
//! # Invariants
//!
//! 1. What is in the store stays as it is. So a second import of the same lines changes nothing.
//! 2. No session comes back to life that was revoked or forgotten here: unless the caller knows better, each
//!    session comes as one that is over. With an account that is left out its sessions are too, and with one
//!    that has changed here they come as over, whatever the caller knows. So they do if the export has no
//!    line of their account, and it is here, or may have been removed here.
//! 3. Who took records in stands in the audit trail before the first one is there.
//! 4. No account comes back that was removed here: unless the caller knows better, an account is disabled if
//!    the store had accounts before.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::session_store::SessionStore;
use super::super::whole_store::CopiedRecord;
use super::import_lines::{LineReader, check};
use super::import_report::{ImportCounts, ImportOptions, SkippedRecord};
use super::import_steps::{Import, ImportedKind};
use super::walk::{OperateError, Progress};
use crate::events::EventDetails;

/// Takes the records of an [`export`](super::export) into a store, at `now`, in Unix seconds.
///
/// The whole file is read first, and nothing is changed if it is not whole. Then each record is one atomic
/// step. If the store fails in the middle, do it again. Memory: some 30 bytes a line, and 100 an account.
/// `skipped` hears of each record that is left out. The store may be in use.
///
/// # Errors
///
/// - [`OperateError::NotAnExport`]: a line is none of an export, or the end is missing.
/// - [`OperateError::Read`]: the file cannot be read.
/// - [`OperateError::Stopped`]: `progress` said so. Some records may be there.
/// - [`OperateError::Store`]: the store failed. Some records may be there.
pub async fn import<F: BufRead + Seek + Send>(
    store: &Arc<dyn SessionStore>,
    mut file: F,
    options: ImportOptions,
    now: u64,
    skipped: &mut (dyn FnMut(SkippedRecord) + Send),
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<ImportCounts, OperateError> {
    let hasher = RandomState::new();
    let last = check(&mut file, &hasher)?;
    tell(store, last.len(), options, now).await?;
    let mut import = Import::begin(store, options, now).await?;
    let mut done = 0;
    // Accounts first: what becomes of their sessions depends on them.
    for of_accounts in [true, false] {
        let mut reader = LineReader::begin(&mut file)?;
        while let Some((line, text)) = reader.next()? {
            let Some((CopiedRecord::Kept(record), key)) = reader.record(line, &text)? else { continue };
            let is_turn = (ImportedKind::of(&record) == ImportedKind::Account) == of_accounts;
            if !is_turn || last.get(&hasher.hash_one(&key)) != Some(&line) {
                continue;
            }
            import.take(line, record, skipped).await?;
            done += 1;
            if progress(Progress { done, of: Some(last.len() as u64), bytes: reader.bytes }).is_break() {
                return Err(OperateError::Stopped);
            }
        }
        import.join_all(skipped).await?;
    }
    Ok(import.counts)
}

/// Writes into the audit trail, if there is one, that records come in.
async fn tell(
    store: &Arc<dyn SessionStore>,
    records: usize,
    options: ImportOptions,
    now: u64,
) -> Result<(), OperateError> {
    let Some(trail) = Arc::clone(store).event_store() else { return Ok(()) };
    let Some(head) = trail.trail_head().await? else { return Ok(()) };
    let event = EventDetails::new("records_imported", now)
        .with("records", records)
        .with("keep_sessions", options.keep_sessions)
        .with("keep_accounts", options.keep_accounts);
    Ok(trail.append_events(vec![event], head.keep).await?)
}
