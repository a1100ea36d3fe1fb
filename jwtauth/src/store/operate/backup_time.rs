//! Keeps in a store when the last backup of it was taken, for whoever asks whether there is a new one.
//!
//! It is a value like those of an application, under a key that no application has. It lets nobody in, so it
//! stays after a restore.

use std::sync::Arc;

use super::super::own_values::LAST_BACKUP;
use super::super::session_store::SessionStore;
use super::super::value_store::NewValue;
use crate::error::StoreError;

/// How long it is kept, in seconds: 100 years.
const KEPT: u64 = 100 * 366 * 24 * 60 * 60;

/// Notes when a backup was taken. All times are Unix seconds.
pub(crate) async fn note_backup(
    store: &Arc<dyn SessionStore>,
    taken_at: u64,
    now: u64,
) -> Result<(), StoreError> {
    let Some(values) = Arc::clone(store).value_store() else { return Ok(()) };
    let value = NewValue::new(LAST_BACKUP, taken_at.to_le_bytes().to_vec(), now, now.saturating_add(KEPT));
    values.save_value(value.keeps_out()).await.map(drop)
}

/// Returns when the last backup was taken, in Unix seconds. `None` if none was, or the store keeps no values.
pub(crate) async fn last_backup(store: &Arc<dyn SessionStore>, now: u64) -> Result<Option<u64>, StoreError> {
    let Some(values) = Arc::clone(store).value_store() else { return Ok(None) };
    let bytes = values.load_value(LAST_BACKUP, now).await?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
}
