//! Looks at a store in a database as a doctor: the settings of the server, the tables, and each record in
//! them.

use std::ops::ControlFlow;
#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::super::postgres::{PostgresConfig, PostgresStore};
#[cfg(feature = "postgres")]
use super::super::session_store::SessionStore;
#[cfg(feature = "postgres")]
use super::super::sled::Condition;
use super::super::store_place::StorePlace;
#[cfg(feature = "postgres")]
use super::checked_trail::check_trail;
use super::database_diagnosis::DatabaseDiagnosis;
use super::walk::{OperateError, Progress};
use crate::error::StoreError;

/// Looks at a store in a database, and changes nothing. It may be in use meanwhile. Feature `accounts`.
///
/// Each row is read once, its checksum compared, and so are the columns beside its record.
///
/// # Errors
///
/// - [`OperateError::NoStore`]: a directory is named. For that there is [`doctor`](super::doctor).
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: it cannot be reached, or its tables are of another release.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "a database is asked"))]
pub async fn examine_database(
    place: impl Into<StorePlace>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<DatabaseDiagnosis, OperateError> {
    let place = place.into();
    let shown = place.to_string();
    match place {
        StorePlace::Sled(_) => Err(OperateError::NoStore { place: shown }),
        StorePlace::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice).into()),
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(config) => postgres(config, shown, progress).await,
    }
}

#[cfg(feature = "postgres")]
async fn postgres(
    config: PostgresConfig,
    place: String,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<DatabaseDiagnosis, OperateError> {
    let store = PostgresStore::connect_anyway(config.for_operator()).await?;
    let mut diagnosis =
        DatabaseDiagnosis { place, condition: Condition::Whole, ..DatabaseDiagnosis::default() };
    store.look_at_server(&mut diagnosis).await?;
    let mut look = |done| progress(Progress::through(done));
    if store.look_at_rows(&mut diagnosis, &mut look).await?.is_break() {
        return Err(OperateError::Stopped);
    }
    let trail: Arc<dyn SessionStore> = Arc::new(store);
    diagnosis.trail_faults = check_trail(&trail, None, progress).await?.faults;
    if diagnosis.unreadable_rows > 0 {
        diagnosis.condition = Condition::Damaged;
        diagnosis.problem.get_or_insert("rows are not as they were written".into());
        let restore = "jwtauth restore BACKUP, into an empty schema; or the newest dump, or a point in time, of the database";
        diagnosis.next = match diagnosis.newer {
            Some(_) => vec!["use the release of jwtauth that wrote it".into()],
            None => vec!["jwtauth repair, with the same --store and --schema".into(), restore.into()],
        };
    }
    Ok(diagnosis)
}
