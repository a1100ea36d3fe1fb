//! The store that records are moved out of.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::super::postgres::{PostgresStore, SchemaMark};
use super::super::session_store::SessionStore;
use super::super::sled::SledStore;
use super::super::store_place::StorePlace;
use super::walk::OperateError;
use crate::error::StoreError;

/// A store that is opened as it is: nobody makes it, and nothing in it is changed but its mark.
pub(super) enum MigrationSource {
    Sled(SledStore),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

impl MigrationSource {
    pub(super) async fn open(place: StorePlace) -> Result<Self, OperateError> {
        let shown = place.to_string();
        match place {
            StorePlace::Sled(config) => match SledStore::open_to_leave(config).await? {
                Some(store) => Ok(Self::Sled(store)),
                None => Err(OperateError::NoStore { place: shown }),
            },
            StorePlace::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice).into()),
            #[cfg(feature = "postgres")]
            StorePlace::Postgres(config) => {
                Ok(Self::Postgres(PostgresStore::connect_anyway(config.for_operator()).await?))
            }
        }
    }

    pub(super) fn store(&self) -> Arc<dyn SessionStore> {
        match self {
            Self::Sled(store) => Arc::new(store.clone()),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    /// Tells whether another address leads to the same database and the same tables.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, unused_variables, reason = "a database is asked")
    )]
    pub(super) async fn is_also(&self, place: &StorePlace) -> bool {
        match self {
            Self::Sled(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => match place {
                StorePlace::Postgres(config) => store.is_also(config.clone()).await,
                _ => false,
            },
        }
    }

    /// Counts the servers that use it. Of an embedded store there is none, because this process has its lock.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a database is asked"))]
    pub(super) async fn clients(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sled(_) => Ok(0),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.clients().await,
        }
    }

    /// Returns where its records were moved to before.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a database is asked"))]
    pub(super) async fn moved_to(&self) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sled(store) => store.moved_to(),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => match store.mark().await? {
                Some(SchemaMark::Moved(to)) => Ok(Some(to)),
                // It is not whole itself.
                Some(mark @ SchemaMark::Filling(_)) => Err(store.refusal(&mark)),
                None => Ok(None),
            },
        }
    }

    /// Says where its records are now. It does not open any more then.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a database is asked"))]
    pub(super) async fn set_moved_to(&self, to: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::Sled(store) => store.set_moved_to(to),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.set_moved_to(to).await,
        }
    }
}
