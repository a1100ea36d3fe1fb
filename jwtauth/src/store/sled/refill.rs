//! A store that is made of a backup: whether the directory may take it, and which number of changes it goes
//! on from.

use std::path::PathBuf;

use super::super::whole_store::{CopyTotals, RecordKey, StoreRecord};
use super::files::directory;
use super::files::journal::{self, Counts};
use super::rebuild::Rebuild;
use super::sled_config::SledConfig;
use super::startup::count_of;
use crate::error::StoreError;

/// A new store that records come into.
pub(in crate::store) struct Refill {
    rebuild: Rebuild,
    config: SledConfig,
}

impl Refill {
    /// Begins one. `None` if the directory holds a store, and it is not to be replaced.
    pub(in crate::store) fn begin(config: SledConfig, replace: bool) -> Result<Option<Self>, StoreError> {
        let config = config.absolute()?;
        match directory::holds_store(&config.path) {
            Ok(true) if !replace => return Ok(None),
            Err(error @ StoreError::Corrupt { .. }) if !replace => return Err(error),
            // Its mark is damaged, and is made anew.
            Ok(_) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let rebuild = Rebuild::begin(config.clone())?;
        Ok(Some(Self { rebuild, config }))
    }

    /// Puts a record in the place of the one that came before it under the same key.
    pub(in crate::store) fn put(&mut self, record: &StoreRecord) -> Result<(), StoreError> {
        self.rebuild.put(record)
    }

    /// Takes a record out that came before.
    pub(in crate::store) fn remove(&mut self, key: RecordKey) -> Result<(), StoreError> {
        self.rebuild.remove(key)
    }

    /// Returns how many sessions and accounts have come in.
    pub(in crate::store) fn counted(&self) -> (u64, u64) {
        let totals = self.rebuild.counted();
        (totals.sessions, totals.accounts)
    }

    /// Puts the new store in the place of what is there. Returns where the old files are, if there were any.
    ///
    /// The number of changes becomes one that no journal has seen, and the one outside is renewed: so this
    /// store is taken for the newest one, and each older copy is refused.
    pub(in crate::store) fn finish(
        self,
        label: &str,
        totals: &CopyTotals,
    ) -> Result<Option<PathBuf>, StoreError> {
        let Self { rebuild, config } = self;
        // A damaged one says nothing, and is replaced. The others still count.
        let known = journal::read_each(&config).into_iter();
        let known = known.filter_map(|(_, count)| count.ok().flatten()).map(|count| count.changes).max();
        let known = known.unwrap_or_default();
        let changes = totals.changes.max(known).saturating_add(1);
        let counted = rebuild.counted();
        let aside = rebuild.replace(label, changes, totals.latest, totals.ahead)?;
        // Behind until then, the counter only says less.
        Counts::renew(&config, count_of(super::super::codec::Totals { changes, ..counted }))?;
        Ok(aside)
    }
}
