//! A store that is made of a backup or of another store: whether the directory may take it, and which number
//! of changes it goes on from.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::super::codec::Totals;
use super::super::whole_store::{CopyTotals, RecordKey, StoreRecord};
use super::files::counter_form::check_counter;
use super::files::directory;
use super::files::journal::{self, Counts};
use super::files::swap::{self, OldFiles};
use super::rebuild::Rebuild;
use super::sled_config::SledConfig;
use super::startup::count_of;
use crate::error::StoreError;

/// A new store that records come into.
pub(in crate::store) struct Refill {
    rebuild: Rebuild,
    config: SledConfig,
    /// What is true of it since it was sealed.
    sealed: Option<Totals>,
}

impl Refill {
    /// Begins one. `None` if the directory holds a store, and it is not to be replaced. What is left of one
    /// that was stopped is none.
    pub(in crate::store) fn begin(config: SledConfig, replace: bool) -> Result<Option<Self>, StoreError> {
        let config = config.absolute()?;
        check_counter(&config)?;
        match directory::holds_store(&config.path) {
            Ok(true) if !replace && !directory::is_unfinished(&config.path)? => return Ok(None),
            Err(error @ StoreError::Corrupt { .. }) if !replace => return Err(error),
            // Its mark is damaged, and is made anew.
            Ok(_) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let rebuild = Rebuild::begin(config.clone())?;
        Ok(Some(Self { rebuild, config, sealed: None }))
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
        mut self,
        label: &str,
        totals: &CopyTotals,
    ) -> Result<Option<PathBuf>, StoreError> {
        self.seal(totals)?;
        self.install(label)
    }

    /// Brings the new store to disk, and reads it once more. It is none yet.
    pub(in crate::store) fn seal(&mut self, totals: &CopyTotals) -> Result<(), StoreError> {
        // A damaged one says nothing, and is replaced. The others still count.
        let known = journal::read_each(&self.config).into_iter();
        let known = known.filter_map(|(_, count)| count.ok().flatten()).map(|count| count.changes).max();
        let known = known.unwrap_or_default();
        let changes = totals.changes.max(known).saturating_add(1);
        let (latest, ahead) = (totals.latest, totals.ahead);
        self.sealed = Some(Totals { changes, latest, ahead, ..self.rebuild.counted() });
        self.rebuild.seal(|counted| Totals { changes, latest, ahead, ..counted })
    }

    /// Reads one record after the other of the new store, which is sealed. `look` may stop it.
    pub(in crate::store) fn read_back(
        &self,
        look: &mut dyn FnMut(&StoreRecord) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        self.rebuild.read_back(look)
    }

    /// Puts the new store, which is sealed, in the place of what is there.
    pub(in crate::store) fn install(self, label: &str) -> Result<Option<PathBuf>, StoreError> {
        let Self { rebuild, config, sealed } = self;
        let aside = rebuild.put_in_place(label, OldFiles::Kept)?;
        // Behind until then, the counter only says less.
        Counts::renew(&config, count_of(sealed.unwrap_or_default()))
            .map_err(|error| swap::half_replaced(&config.path, error))?;
        Ok(aside)
    }
}
