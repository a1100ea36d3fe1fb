//! Makes a store of a backup.
//!
//! What happened after a backup is not in it. So nobody is let in by one unless the caller says so: each
//! session in it may have been revoked since.

use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;

use super::super::sled::SledConfig;
use super::super::sled::refill::Refill;
use super::super::whole_store::{CopiedRecord, CopyTotals};
use super::backup_file::{BackupFrame, BackupReader, damaged};
use super::backup_records::{BackupRecords, report};
use super::backups::BackupSummary;
use super::walk::{OperateError, Progress};

/// A backup that was read once, and is whole.
#[derive(Debug)]
pub struct BackupFile<F> {
    pub(super) file: F,
    summary: BackupSummary,
    pub(super) totals: CopyTotals,
    /// How many frames it has, and its checksum.
    pub(super) expected: (u64, u32),
}

impl<F: Read + Seek> BackupFile<F> {
    /// Reads a backup from its start to its end, and changes nothing.
    ///
    /// It blocks, like all that reads the backup.
    ///
    /// # Errors
    ///
    /// - [`OperateError::NotABackup`]: it is something else, or was cut, changed or put in another order.
    /// - [`OperateError::NewerBackup`]: a newer release wrote it. With a record of a newer layout it is
    ///   [`OperateError::Store`].
    /// - [`OperateError::Read`]: it cannot be read.
    /// - [`OperateError::Stopped`]: `progress` said so.
    pub fn check(
        mut file: F,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<Self, OperateError> {
        file.seek(SeekFrom::Start(0)).map_err(OperateError::Read)?;
        let mut reader = BackupReader::begin(&mut file)?;
        let (totals, whole) = loop {
            match reader.next()? {
                BackupFrame::Record(_) => report(&reader, None, progress)?,
                BackupFrame::End { totals, whole } => break (totals, whole),
            }
        };
        let CopyTotals { sessions, accounts, unreadable, .. } = totals;
        let (taken_at, bytes) = (reader.taken_at, reader.bytes);
        let summary = BackupSummary { taken_at, sessions, accounts, bytes, unreadable };
        let frames = reader.frames - 1;
        Ok(Self { file, summary, totals, expected: (frames, whole) })
    }

    /// Returns what is in it.
    #[must_use]
    pub const fn summary(&self) -> BackupSummary {
        self.summary
    }
}

/// How a backup becomes a store. The default lets nobody in, and replaces no store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    pub(super) keep_sessions: bool,
    replace: bool,
}

impl RestoreOptions {
    /// Keeps sessions as they were at the time of the backup. By default all of them end.
    ///
    /// Whoever has logged out since then, or was logged out, is logged in again: whoever holds the tokens
    /// gets in with them, though the password was changed because of that. Do it if the backup is as new as
    /// the last logout.
    #[must_use]
    pub const fn keep_sessions(mut self, keep: bool) -> Self {
        self.keep_sessions = keep;
        self
    }

    /// Puts the restored store in the place of the one that is there, whose files are kept in its directory
    /// `aside`. By default a directory that holds a store is refused.
    #[must_use]
    pub const fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }
}

/// What a restore has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Restored {
    /// What is in the store now.
    pub accounts: u64,
    /// Sessions in it, dead or alive.
    pub sessions: u64,
    /// Sessions that were alive in the backup and were ended.
    pub sessions_revoked: u64,
    /// Values that may let somebody in, such as poem's own sessions, and were ended.
    pub values_ended: u64,
    /// Where the files of the store are that was there before.
    #[serde(serialize_with = "super::super::path_text::one_or_none")]
    pub aside: Option<PathBuf>,
}

/// Makes a store of a backup, at `now`, in Unix seconds.
///
/// Nothing is changed before the new store is on disk and was counted. Then it takes the place of what is in
/// the directory. A kill or a power cut leaves one or the other.
///
/// - Accounts are as they were at the time of the backup, with the passwords of that time. Names of accounts
///   that were added since are free.
/// - Sessions end, unless [`keep_sessions`](RestoreOptions::keep_sessions) says otherwise. So do values that
///   [may let somebody in](super::super::rules::outlives_restore).
/// - What was revoked of tokens of another service ([`Compat`](crate::Compat)) stays so. What was revoked of
///   them after the backup is forgotten: they are good again until they expire.
/// - An audit trail goes on: an event `store_restored` says when the backup was taken.
/// - A [`rollback_counter`](SledConfig::rollback_counter) is renewed, so that the restored store is accepted
///   and each older copy is refused.
///
/// It blocks, so call it where a thread may wait, such as in `tokio::task::spawn_blocking`.
///
/// # Errors
///
/// - [`OperateError::Exists`]: the directory holds a store, and
///   [`replace`](RestoreOptions::replace) was not asked for.
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: somebody has the store open, the directory is somebody else's, or the disk
///   refused something.
/// - Those of [`BackupFile::check`], if the file has changed since.
///
/// Nothing was changed then.
pub fn restore<F: Read + Seek>(
    mut backup: BackupFile<F>,
    config: impl Into<SledConfig>,
    options: RestoreOptions,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Restored, OperateError> {
    let config = config.into();
    let mut refill = Refill::begin(config, options.replace)?.ok_or(OperateError::Exists)?;
    let totals = backup.totals;
    let mut records = BackupRecords::begin(&mut backup.file, backup.expected, options.keep_sessions, now)?;
    while let Some(record) = records.next()? {
        match record {
            CopiedRecord::Kept(record) => refill.put(&record)?,
            CopiedRecord::Removed(key) => refill.remove(key)?,
        }
        records.report(progress)?;
    }
    let (sessions, accounts) = refill.counted();
    if (sessions, accounts) != (totals.sessions, totals.accounts) {
        return Err(damaged("it does not hold as many sessions and accounts as it says"));
    }
    let (sessions_revoked, values_ended) = records.ended();
    let aside = refill.finish("restored", &totals)?;
    Ok(Restored { accounts, sessions, sessions_revoked, values_ended, aside })
}
