//! Looks at a store that may be damaged, and makes a whole one of it.

use std::ops::ControlFlow;

use super::super::sled::{Diagnosis, Repaired, SledConfig, examine, rescue};
use super::walk::{OperateError, Progress};

/// Looks at a store that nobody has open, and says whether it is whole, what is missing if it is not, and
/// what to do next. Feature `accounts`.
///
/// It reads the files of the store below its database, which refuses them when one byte is wrong. Whether the
/// store would open is tried with a copy in the directory for temporary files (`TMPDIR`), which needs as much
/// room as the store. Nothing in the store is changed, except that its lock is taken meanwhile.
///
/// While another process has the store open, only what can be seen from outside is said, and
/// [`Diagnosis::condition`] is [`Unknown`](super::Condition::Unknown).
///
/// It blocks, so call it where a thread may wait, such as in `tokio::task::spawn_blocking`. `progress` is
/// called from time to time, with numbers of keys: some three for each session. It can stop the look.
///
/// # Errors
///
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: there is no directory, or its files may not be read.
pub fn doctor(
    config: impl Into<SledConfig>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Diagnosis, OperateError> {
    let mut look = |done, of, bytes| progress(Progress { done, of, bytes });
    examine::examine(config.into(), &mut look)?.ok_or(OperateError::Stopped)
}

/// How a store is repaired. The default lets nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairOptions {
    keep_accounts: bool,
    from_aside: Option<String>,
}

impl RepairOptions {
    /// Keeps accounts as they are in their newest whole record. By default they are disabled if anything is
    /// missing.
    ///
    /// Such a record may be older than the last change: an older password is good again then, roles that were
    /// taken away are back, and so is an account that was disabled or removed. Do it if nothing of that was
    /// done lately. Sessions always end if anything is missing.
    #[must_use]
    pub const fn keep_accounts(mut self, keep: bool) -> Self {
        self.keep_accounts = keep;
        self
    }

    /// Makes the store of older files, which stand under this name in its directory `aside`: a compaction, a
    /// repair or a restore has put them there, and newer files are gone. By default the files of the store
    /// itself are repaired.
    ///
    /// Nobody knows what has changed since then, so all sessions end, and all accounts are disabled unless
    /// they are [kept](Self::keep_accounts). What is in the store's directory now goes to `aside` too.
    #[must_use]
    pub fn from_aside(mut self, name: impl Into<String>) -> Self {
        self.from_aside = Some(name.into());
        self
    }
}

/// Writes a new store from all that can be read of a damaged one, in its place. Nobody may have it open.
/// Feature `accounts`.
///
/// The old files are moved to the directory `aside` in the store's directory, and [`Repaired::aside`] says
/// which one. A store that is whole is left as it is. A kill or a power cut leaves the old files or the new
/// ones. Meanwhile the disk needs room for both.
///
/// Nobody is let in by a repair. Unless the records are exactly those that were acknowledged, all sessions
/// are revoked, values go that could log somebody in, and accounts are disabled: see
/// [`RepairOptions::keep_accounts`]. [`Repaired::in_doubt`] names those. Whoever operates the store looks
/// through them and [enables](crate::Accounts::enable) them, after a new password where that matters. A name
/// whose account is lost stays taken, by an account that is disabled.
///
/// The journal, and a [`rollback_counter`](SledConfig::rollback_counter) if one is named, are renewed so that
/// the new store opens.
///
/// It blocks, so call it where a thread may wait, such as in `tokio::task::spawn_blocking`. `progress` is
/// called from time to time, as by [`doctor`], and of the new store too. It can stop the repair, which
/// changes nothing then.
///
/// # Errors
///
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: another process has the store open, nothing in it can be read, a newer release
///   has written it, or the disk is full. The old files are as they were.
pub fn repair(
    config: impl Into<SledConfig>,
    options: RepairOptions,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Repaired, OperateError> {
    let mut look = |done, of, bytes| progress(Progress { done, of, bytes });
    rescue::repair(config.into(), options.keep_accounts, options.from_aside.as_deref(), &mut look)?
        .ok_or(OperateError::Stopped)
}
