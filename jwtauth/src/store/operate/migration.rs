//! Moves all that a store keeps into another one, of the same kind or another.
//!
//! # Invariants
//!
//! 1. The new store opens when all records are in it and were read back, and not before. A kill at any step
//!    leaves the old store, or the new one, or neither: never both. The same call goes on from there (O-13).
//! 2. Nothing is changed in the old store but its mark, which keeps it from being served beside the new one.
//! 3. Nothing is overwritten (O-14).
//! 4. Records go over as they are. Who was logged out stays so, and nobody has to log in again (O-12).

use std::ops::ControlFlow;

use serde::Serialize;

use super::super::store_place::StorePlace;
use super::migration_source::MigrationSource;
use super::migration_target::MigrationTarget;
use super::store_digest::StoreDigest;
use super::walk::{OperateError, Progress, begin_copy};

/// How a store is moved. By default the old store does not open any more afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrationOptions {
    keep_source: bool,
    is_stopped: bool,
}

impl MigrationOptions {
    /// Leaves the old store as it is, so that it can be served: for a trial, or a copy.
    ///
    /// Never serve both to the same users. Who logs out of one stays logged in with the other, and so does a
    /// thief.
    #[must_use]
    pub const fn keep_source(mut self, keep: bool) -> Self {
        self.keep_source = keep;
        self
    }

    /// Says that all servers on a database are stopped, though it has connections that look like theirs:
    /// those of a pooler, for example. By default such a database is refused.
    #[must_use]
    pub const fn is_stopped(mut self, stopped: bool) -> Self {
        self.is_stopped = stopped;
        self
    }
}

/// What a migration is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationPhase {
    /// Records are read from the old store and written into the new one.
    Copy,
    /// The new store is read back.
    ReadBack,
    /// The old store is read once more, to be compared with the new one.
    Compare,
}

/// What a migration has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Migrated {
    /// The old store. No password is in it.
    pub from: String,
    /// The new store. No password is in it.
    pub to: String,
    /// What is in both, as it was read back.
    pub records: StoreDigest,
    /// Whether the old store refuses to open from now on.
    pub is_source_closed: bool,
}

/// Moves all that a store keeps into another one: sessions, accounts, values, records of tokens, and the
/// audit trail. Tokens stay good, if the server on the new store has the same secret.
///
/// Nobody may use either store. An embedded one is locked meanwhile. A database is refused if connections of
/// servers are seen. What was changed all the same is noticed at the end, by reading both once more.
///
/// It may block the task, so call it where one may wait for a disk. `progress` is called from time to time,
/// and may stop it. If it was stopped or killed, call it again with the same stores.
///
/// # Errors
///
/// - [`OperateError::SameStore`], [`OperateError::NoStore`], [`OperateError::Occupied`],
///   [`OperateError::InUse`], [`OperateError::MovedBefore`], [`OperateError::MovedAlready`],
///   [`OperateError::Unreadable`]: nothing was
///   changed, except that servers or damaged records may have been seen when all was copied. Then the new
///   store does not open, and the call goes on later.
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Differs`]: somebody has changed one of the stores meanwhile, or a disk is broken.
/// - [`OperateError::Store`]: one of the stores failed, or is open elsewhere.
/// - [`OperateError::HalfMoved`]: it failed in its last steps, so perhaps neither of the stores opens before
///   the call is made again.
///
/// After the other errors the old store is as it was.
pub async fn migrate(
    from: impl Into<StorePlace>,
    to: impl Into<StorePlace>,
    options: MigrationOptions,
    progress: &(dyn Fn(MigrationPhase, Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Migrated, OperateError> {
    let (from_place, to_place) = (from.into().absolute()?, to.into().absolute()?);
    let (from, to) = (from_place.to_string(), to_place.to_string());
    let (plain_from, plain_to) = (from_place.plain(), to_place.plain());
    if from == to || is_one_directory(&from_place, &to_place) {
        return Err(OperateError::SameStore { from, to });
    }
    let source = MigrationSource::open(from_place).await?;
    if source.is_also(&to_place).await {
        return Err(OperateError::SameStore { from, to });
    }
    // One that was killed in its last step has marked it.
    let was_marked = match source.moved_to().await? {
        Some(before) if before != to => return Err(OperateError::MovedBefore { place: from, to: before }),
        before => before.is_some(),
    };
    let count = async || if options.is_stopped { Ok(0) } else { source.clients().await };
    let clients = count().await?;
    if clients > 0 {
        return Err(OperateError::InUse { place: from, clients });
    }
    let begun = MigrationTarget::begin(to_place, options.is_stopped).await;
    let mut target = begun.map_err(|error| match error {
        OperateError::Occupied { .. } if was_marked => {
            OperateError::MovedAlready { place: from.clone(), to: to.clone() }
        }
        error => error,
    })?;
    let store = source.store();
    let (mut copy, expected) = begin_copy(&store, &|how_far| progress(MigrationPhase::Copy, how_far)).await?;
    let mut done = 0;
    let totals = loop {
        let page = copy.next().await?;
        done += page.records.len() as u64;
        target.take(page.records).await?;
        let of = Some(expected).filter(|expected| done <= *expected);
        if progress(MigrationPhase::Copy, Progress { done, of, bytes: 0 }).is_break() {
            return Err(OperateError::Stopped);
        }
        if let Some(totals) = page.end {
            break totals;
        }
    };
    drop(copy);
    if totals.unreadable > 0 {
        return Err(OperateError::Unreadable { place: from, records: totals.unreadable });
    }
    let read_back = |how_far| progress(MigrationPhase::ReadBack, how_far);
    let records = target.seal(&totals, Some(done), &read_back).await?;
    // Nobody begins to serve the old store from here on, and nobody has begun meanwhile: what is read now is
    // what it ends with.
    let closes = !options.keep_source;
    let half = |source| OperateError::HalfMoved { from: from.clone(), to: to.clone(), source };
    if closes && !was_marked {
        source.set_moved_to(Some(&to)).await.map_err(half)?;
    }
    // If it is marked, what fails leaves it so.
    let failed = |error| if closes || was_marked { half(error) } else { error.into() };
    let clients = count().await.map_err(failed)?;
    if clients > 0 {
        if closes {
            source.set_moved_to(None).await.map_err(half)?;
        }
        return Err(OperateError::InUse { place: from, clients });
    }
    let compare = |how_far| progress(MigrationPhase::Compare, how_far);
    let same = match StoreDigest::of(&store, Some(done), &compare).await {
        Ok(before) if before == records => Ok(()),
        Ok(before) => {
            let what = format!("there: {records}; here: {before}");
            Err(OperateError::Differs { from: from.clone(), to: to.clone(), what })
        }
        Err(error) => Err(error),
    };
    if let Err(error) = same {
        if closes {
            source.set_moved_to(None).await.map_err(half)?;
        }
        return Err(error);
    }
    target.finish(&totals).await.map_err(failed)?;
    if !closes && was_marked {
        source.set_moved_to(None).await.map_err(half)?;
    }
    Ok(Migrated { from: plain_from, to: plain_to, records, is_source_closed: closes })
}

/// Tells whether both are one directory, perhaps by way of a link.
fn is_one_directory(from: &StorePlace, to: &StorePlace) -> bool {
    let real = |place: &StorePlace| match place {
        StorePlace::Sled(config) => config.path().canonicalize().ok(),
        _ => None,
    };
    real(from).is_some_and(|from| real(to) == Some(from))
}
