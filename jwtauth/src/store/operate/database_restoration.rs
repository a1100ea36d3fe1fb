//! Makes a store of a backup anywhere: in a directory, or in the empty tables of a database.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use super::super::store_place::StorePlace;
use super::backup_file::damaged;
use super::backup_records::BackupRecords;
use super::migration_target::MigrationTarget;
use super::restoration::{BackupFile, RestoreOptions, Restored, restore};
use super::walk::{OperateError, Progress};

/// How many records are taken in at once.
const BATCH: usize = 1_000;

/// Makes a store of a backup, at `now`, in Unix seconds: in a directory as [`restore`] does, or in a
/// database.
///
/// A database must hold nothing, whatever [`RestoreOptions::replace`] says: name another schema, or drop the
/// old one first. It opens when all records are in it and were counted. After a kill, do it again.
///
/// It may block the task, so call it where one may wait for a disk.
///
/// # Errors
///
/// Those of [`restore`]. For a database too [`OperateError::Occupied`], if it holds something, and
/// [`OperateError::InUse`], if it has connections of servers.
pub async fn restore_into<F: Read + Seek + Send>(
    mut backup: BackupFile<F>,
    place: impl Into<StorePlace>,
    options: RestoreOptions,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Restored, OperateError> {
    let place = match place.into() {
        StorePlace::Sled(config) => return restore(backup, config, options, now, progress),
        place => place,
    };
    let mut target = MigrationTarget::begin(place, false).await?;
    let totals = backup.totals;
    let mut records = BackupRecords::begin(&mut backup.file, backup.expected, options.keep_sessions, now)?;
    let mut batch = Vec::new();
    while let Some(record) = records.next()? {
        batch.push(record);
        if batch.len() == BATCH {
            target.take(std::mem::take(&mut batch)).await?;
        }
        records.report(progress)?;
    }
    target.take(batch).await?;
    let (sessions_revoked, values_ended) = records.ended();
    let found = target.seal(&totals, Some(totals.sessions + totals.accounts), progress).await?;
    let (sessions, accounts) = (found.sessions, found.accounts);
    if (sessions, accounts) != (totals.sessions, totals.accounts) {
        return Err(damaged("it does not hold as many sessions and accounts as it says"));
    }
    target.finish(&totals).await?;
    Ok(Restored { accounts, sessions, sessions_revoked, values_ended, aside: None })
}
