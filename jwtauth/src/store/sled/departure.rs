//! A store whose records go into another one: it is opened as it is, and marked when they have gone.

use super::SledStore;
use super::files::{self, directory, moved};
use super::sled_config::SledConfig;
use crate::error::StoreError;

impl SledStore {
    /// Tells whether there is a store. One that is damaged is there too.
    pub(in crate::store) fn is_there(config: &SledConfig) -> Result<bool, StoreError> {
        Ok(directory::look(&config.path)?.something || files::has_swap(&config.path))
    }

    /// Opens a store that is there, also one whose records were moved before. `None` if there is none.
    pub(in crate::store) async fn open_to_leave(config: SledConfig) -> Result<Option<Self>, StoreError> {
        if !Self::is_there(&config)? {
            return Ok(None);
        }
        Self::open(SledConfig { even_if_moved: true, ..config.verify_first(u64::MAX) }).await.map(Some)
    }

    /// Returns where the records were moved to.
    pub(in crate::store) fn moved_to(&self) -> Result<Option<String>, StoreError> {
        moved::read(&self.reader.path)
    }

    /// Says where the records were moved to, or that they were not. The mark counts from the next start on.
    pub(in crate::store) fn set_moved_to(&self, to: Option<&str>) -> Result<(), StoreError> {
        moved::write(&self.reader.path, to)
    }
}
