//! A store that is made of a backup or of another store: whether the directory may take it, and which number
//! of changes it goes on from.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::super::codec::Totals;
use super::super::whole_store::{CopyTotals, RecordKey, StoreRecord};
use super::files::counter_form::check_counter;
use super::files::journal::{self, Counts};
use super::files::swap::{self, OldFiles};
use super::files::{directory, kinds};
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
        kinds::check(&config.path)?;
        check_counter(&config)?;
        // Nothing is made in a directory that is not to be filled.
        if !is_free(&config.path, replace)? {
            return Ok(None);
        }
        let lock = Rebuild::lock(&config)?;
        // Somebody else may have filled it meanwhile.
        if !is_free(&config.path, replace)? {
            return Ok(None);
        }
        let rebuild = Rebuild::begin_locked(config.path.clone(), lock)?;
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

/// Tells whether a directory may be filled: it holds no store, or one that is to be replaced.
fn is_free(path: &Path, replace: bool) -> Result<bool, StoreError> {
    match directory::holds_store(path) {
        Ok(true) => Ok(replace || directory::is_unfinished(path)?),
        Err(error @ StoreError::Corrupt { .. }) if !replace => Err(error),
        // Its mark is damaged, and is made anew.
        Ok(false) | Err(StoreError::Corrupt { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::super::sample;
    use super::*;

    /// The second one has seen an empty directory, and waits for the lock until the first one is done.
    #[test]
    fn of_two_that_fill_one_directory_at_once_the_second_finds_a_store() {
        let dir = tempfile::tempdir().unwrap();
        let config = SledConfig::new(dir.path().join("store"));
        let mut first = Refill::begin(config.clone(), false).unwrap().unwrap();
        let second = thread::spawn({
            let config = config.clone();
            move || Refill::begin(config, false).map(|refill| refill.is_some())
        });
        first.put(&StoreRecord::Session(Box::new(sample::session(1, "alice")))).unwrap();
        first.finish("restored", &CopyTotals::default()).unwrap();
        assert!(!second.join().unwrap().unwrap(), "it is not replaced");
    }
}
