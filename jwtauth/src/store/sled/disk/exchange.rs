//! A new database takes the place of the one that is in use. What makes it is in `compactor`.

use std::sync::Arc;

use super::super::super::codec::Totals;
use super::super::files::swap::OldFiles;
use super::super::follow::{Followed, Follower};
use super::super::key_copy::TreeEntries;
use super::super::rebuild::Rebuild;
use super::super::record_count::Counted;
use super::Disk;
use crate::error::StoreError;

impl Disk {
    /// Returns how large a new data file would be, if the one in use is too large for keys and values of so
    /// many bytes.
    pub(in crate::store::sled) fn new_size_if_due(&mut self, payload: u64) -> Option<u64> {
        self.growth.measured(payload, self.state.totals.records());
        self.growth.is_due(self.state.data.len()).then(|| self.growth.new_size(payload))
    }

    /// Begins a database that is to take the place of this one, and to follow what changes.
    pub(in crate::store::sled) fn begin_rebuild(&mut self) -> Result<(Rebuild, Arc<Follower>), StoreError> {
        self.ready()?;
        let rebuild = Rebuild::begin_locked(self.reader.path.clone(), Arc::clone(&self.state.lock))?;
        Ok((rebuild, self.followers.add(Followed::AllKeys)))
    }

    /// Returns what has changed and was not taken before, and the totals after it.
    pub(in crate::store::sled) fn changed_until_now(
        &mut self,
        follower: &Follower,
    ) -> Result<(TreeEntries, Totals), StoreError> {
        self.ready()?;
        // What is in the group is not in the tree yet, nor in these totals.
        Ok((self.reader.changed(follower)?, self.state.totals))
    }

    /// Puts a new database, with what has changed last, in the place of this one. Gives it back if others
    /// follow too: their copies are not over, and would come to nothing.
    pub(in crate::store::sled) fn exchange(
        &mut self,
        mut rebuild: Rebuild,
        follower: &Arc<Follower>,
    ) -> Result<Option<Rebuild>, StoreError> {
        self.ready()?;
        if self.followers.are_others(follower) {
            return Ok(Some(rebuild));
        }
        // Others wait for what is in the group.
        if let Err(error) = self.write(0).and_then(|()| self.save()) {
            self.fail(&error);
            return Err(error);
        }
        for (key, value) in self.reader.changed(follower)? {
            rebuild.copy(&key, value.as_deref())?;
        }
        let totals = self.state.totals;
        rebuild.seal_again(totals)?;
        let payload = rebuild.payload();
        rebuild.decide("compacted", OldFiles::Removed)?;
        self.is_exchanging = true;
        let notice = Arc::clone(&self.reader).begin_exchange();
        if let Err(error) = self.reopen(Some(Counted { totals, payload, first: None }), |_| rebuild.install())
        {
            self.fail(&error);
            return Err(error);
        }
        drop(notice);
        self.growth.rewritten(self.state.data.len(), payload, totals.records());
        Ok(None)
    }
}
