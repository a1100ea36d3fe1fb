//! The store that records come into. It is none before all of them are there and were read back.

use std::ops::ControlFlow;

#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::super::postgres::{DatabaseFill, OPERATOR, PostgresStore};
#[cfg(feature = "postgres")]
use super::super::session_store::SessionStore;
use super::super::sled::refill::Refill;
use super::super::store_place::StorePlace;
use super::super::whole_store::{CopiedRecord, CopyTotals};
use super::store_digest::StoreDigest;
use super::walk::{OperateError, Progress};
use crate::error::StoreError;

/// How many records are read before progress is reported.
const REPORT: u64 = 1_024;

/// A store that is being filled.
pub(super) enum MigrationTarget {
    Sled(Box<Refill>),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore, Box<DatabaseFill>),
}

impl MigrationTarget {
    /// Begins to fill a store that holds nothing. What is left there of one that was stopped is removed.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, unused_variables, reason = "a database is asked")
    )]
    pub(super) async fn begin(place: StorePlace, is_stopped: bool) -> Result<Self, OperateError> {
        let shown = place.to_string();
        match place {
            StorePlace::Sled(config) => match Refill::begin(config, false)? {
                Some(refill) => Ok(Self::Sled(Box::new(refill))),
                None => Err(OperateError::Occupied { place: shown }),
            },
            StorePlace::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice).into()),
            #[cfg(feature = "postgres")]
            StorePlace::Postgres(config) => {
                let store = PostgresStore::connect_anyway(config.application_name(OPERATOR)).await?;
                let Some(fill) = DatabaseFill::begin(&store).await? else {
                    return Err(OperateError::Occupied { place: shown });
                };
                // Now that nobody begins to serve the tables.
                let clients = if is_stopped { 0 } else { store.clients().await? };
                if clients > 0 {
                    // They are empty.
                    store.set_moved_to(None).await?;
                    return Err(OperateError::InUse { place: shown, clients });
                }
                Ok(Self::Postgres(store, Box::new(fill)))
            }
        }
    }

    /// Takes in what a copy says. What came before under the same key goes.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a database is asked"))]
    pub(super) async fn take(&mut self, records: Vec<CopiedRecord>) -> Result<(), StoreError> {
        match self {
            Self::Sled(refill) => records.into_iter().try_for_each(|record| match record {
                CopiedRecord::Kept(record) => refill.put(&record),
                CopiedRecord::Removed(key) => refill.remove(key),
            }),
            #[cfg(feature = "postgres")]
            Self::Postgres(_, fill) => fill.take(records).await,
        }
    }

    /// Brings everything to disk, and reads it back.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a database is asked"))]
    pub(super) async fn seal(
        &mut self,
        totals: &CopyTotals,
        of: Option<u64>,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<StoreDigest, OperateError> {
        match self {
            Self::Sled(refill) => {
                refill.seal(totals)?;
                let (mut digest, mut added) = (StoreDigest::default(), Ok(()));
                let read = refill.read_back(&mut |record| {
                    added = digest.add(record);
                    let done = digest.records();
                    if done.is_multiple_of(REPORT) {
                        progress(Progress { done, of, bytes: 0 })?;
                    }
                    if added.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
                added?;
                if read.is_break() { Err(OperateError::Stopped) } else { Ok(digest) }
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(store, fill) => {
                fill.write().await?;
                let store: Arc<dyn SessionStore> = Arc::new(store.clone());
                StoreDigest::of(&store, of, progress).await
            }
        }
    }

    /// Makes it a store.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, unused_variables, reason = "a database is asked")
    )]
    pub(super) async fn finish(self, totals: &CopyTotals) -> Result<(), StoreError> {
        match self {
            Self::Sled(refill) => refill.install("migrated").map(drop),
            #[cfg(feature = "postgres")]
            Self::Postgres(_, fill) => fill.finish(totals.latest).await,
        }
    }
}
