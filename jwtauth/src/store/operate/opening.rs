//! Opens a store for those who operate it.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::super::postgres::PostgresStore;
use super::super::session_store::SessionStore;
use super::super::sled::SledStore;
use super::super::store_place::StorePlace;
use super::walk::OperateError;
use crate::error::StoreError;

/// Opens a store that is there, and makes none. Of a database the tables stay as they are, and one is taken
/// that no server would serve from because it runs with `fsync = off`.
///
/// # Errors
///
/// - [`OperateError::NoStore`]: there is no directory with a store.
/// - [`OperateError::Store`]: what [`SledStore::open`] and `PostgresStore::connect` say.
pub async fn open(place: impl Into<StorePlace>) -> Result<Arc<dyn SessionStore>, OperateError> {
    let place = place.into();
    let shown = place.to_string();
    match place {
        StorePlace::Sled(config) if SledStore::is_there(&config)? => {
            // What an operator hears of it, or copies, is right as a whole.
            Ok(Arc::new(SledStore::open(config.verify_first(u64::MAX)).await?))
        }
        StorePlace::Sled(_) => Err(OperateError::NoStore { place: shown }),
        StorePlace::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice).into()),
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(config) => Ok(Arc::new(PostgresStore::connect(config.for_operator()).await?)),
    }
}
