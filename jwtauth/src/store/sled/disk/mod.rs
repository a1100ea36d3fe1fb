//! The store as its one writer sees it: changes are gathered in a group, and a commit brings it to disk.
//! What the changes are is in `operations`.
//!
//! # Invariants
//!
//! 1. The writer sees the changes of its own group; readers see a group when it is in the tree.
//! 2. After a failed write nothing of the handle is trusted but what it can still read, until it was
//!    opened anew; a group that was gathered before is gone, and all who wait for it hear an error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::codec::Totals;
use super::compaction_orders::CompactionOrders;
use super::disk_record::DiskRecord;
use super::follow::Followers;
use super::growth::Growth;
use super::reader::StoreReader;
use super::record_count::Counted;
use super::startup::{DiskState, Opened, count_of, is_damage};
use super::tree_change::{Change, Group};
use super::writer::Commit;
use super::{files, salvage, tree_keys};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::notice::OnceAMinute;
use crate::record::Session;

/// How long to wait before a failed store is opened anew once more.
const RETRY: Duration = Duration::from_secs(1);

/// How old the time that is kept may become while nothing else changes, in seconds: a sweep writes it then.
const TIME_AGE: u64 = 60;

/// The store as its one writer sees it.
pub(super) struct Disk {
    pub(super) reader: Arc<StoreReader>,
    state: DiskState,
    pub(super) group: Group,
    /// Whether somebody waits for the disk.
    pub(super) awaited: bool,
    /// Whether a sweep has come to its end, so that files are looked after once the tree is written.
    pub(super) tidy: bool,
    /// How far the registry was looked through for tokens to archive.
    pub(super) archived: Option<Vec<u8>>,
    /// Sessions that are to be removed and may still be in the tree: their logins came to nothing.
    pub(super) disowned: Vec<SessionId>,
    /// Those of them whose removal is in the group.
    pub(super) removing: Vec<SessionId>,
    /// The sessions that the last commit has written, if they are alive.
    written: BTreeMap<SessionId, Arc<Session>>,
    /// Who copies the store.
    pub(super) followers: Followers,
    /// How large the data file may grow.
    pub(super) growth: Growth,
    /// What is told when it is too large.
    pub(super) compactions: Arc<CompactionOrders>,
    /// Whether a sweep has more to do.
    pub(super) is_swept: bool,
    /// Whether new files are being put in the place of the old ones.
    is_exchanging: bool,
    /// When a write failed, or opening anew was last tried, if the store is not to be trusted.
    failed: Option<Instant>,
    /// What is said of a store that stays as it is, such as on a full disk: each second would fill one.
    said: OnceAMinute,
}

impl Disk {
    pub(super) fn new(reader: Arc<StoreReader>, state: DiskState) -> Self {
        let group = Group::new(state.totals);
        reader.time.raise(state.totals.latest, state.totals.ahead);
        let growth = Growth::new(state.config.compact_from, payload_of(&state), state.totals.records());
        Self {
            reader,
            state,
            group,
            awaited: false,
            tidy: false,
            archived: None,
            disowned: Vec::new(),
            removing: Vec::new(),
            written: BTreeMap::new(),
            followers: Followers::default(),
            growth,
            compactions: Arc::default(),
            is_swept: false,
            is_exchanging: false,
            failed: None,
            said: OnceAMinute::default(),
        }
    }

    /// Puts one change into the group, for somebody who waits until it is durable.
    pub(super) fn apply(&mut self, change: Change) {
        self.group.add(change);
        self.awaited = true;
    }

    /// Opens the store anew if it failed, at most once a second.
    ///
    /// sled answers every write with the same error after one has failed, so nothing else helps.
    pub(super) fn ready(&mut self) -> Result<(), StoreError> {
        self.reader.is_trusted()?;
        let Some(failed) = self.failed else { return Ok(()) };
        // Those who wait for this group must hear that it failed, so it is not carried over.
        if !self.group.is_empty() || failed.elapsed() < RETRY {
            return Err(self.reader.unavailable());
        }
        self.failed = Some(Instant::now());
        if let Err(error) = self.open_anew() {
            self.fail(&error);
            return Err(error);
        }
        self.remove_disowned();
        tracing::warn!(target: "jwtauth", path = ?self.reader.path, "the session store failed and was opened anew");
        Ok(())
    }

    fn open_anew(&mut self) -> Result<(), StoreError> {
        if self.is_exchanging {
            // The files are where the exchange has left them, and opening goes on with it.
            return self.reopen(None, |_| Ok(()));
        }
        // What is in a file that was removed is only in the handle, and gone once that is dropped.
        self.state.data.may_open_anew()?;
        // Opening writes. As long as the disk takes nothing, the old handle still serves reads.
        files::probe_for_open(&self.reader.path)?;
        // And what cannot be read would be lost with it.
        salvage::check_readable(&self.reader.path, &self.reader.path.join(files::DATA))?;
        self.reopen(None, files::rewrite).map_err(|error| {
            self.state.data.follow();
            if is_damage(&error) { self.state.data.refuse(error) } else { error }
        })
    }

    /// Notes that the store is not to be trusted until it is opened anew, and why.
    fn fail(&mut self, error: &StoreError) {
        self.failed.get_or_insert_with(Instant::now);
        self.reader.note_failure(Some(error));
    }

    /// Closes the tree, does something with its files, and opens it. If that fails, the store has failed.
    /// `known` is what is there then, if it was read a moment ago.
    fn reopen(
        &mut self,
        known: Option<Counted>,
        between: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.failed = Some(Instant::now());
        // The old one must be gone first: it holds the lock. Readers get an error meanwhile, since
        // they are on threads that other requests need.
        let old = self.reader.tree.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(old);
        between(&self.reader.path)?;
        let opened = Opened::reopen(self.state.config.clone(), Arc::clone(&self.state.lock), known)?;
        self.reader.check.begin(opened.state.first, opened.state.totals);
        *self.reader.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.tree);
        self.reader.recent.clear();
        self.written.clear();
        self.followers.lose_all();
        self.state = opened.state;
        self.group = Group::new(self.state.totals);
        self.growth.measured(payload_of(&self.state), self.state.totals.records());
        (self.failed, self.is_exchanging) = (None, false);
        self.reader.note_failure(None);
        Ok(())
    }

    /// Returns the totals of what is in the tree.
    pub(super) const fn totals(&self) -> Totals {
        self.state.totals
    }

    /// Tells whether a write failed, and the store was not opened anew since.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes the group into the tree, as one batch. An empty one only for the time, if what is kept of it is
    /// old.
    fn write(&mut self, max_age: u64) -> Result<(), StoreError> {
        let mut group = std::mem::replace(&mut self.group, Group::new(self.state.totals));
        self.written = group.take_live();
        let age = self.reader.time.latest().saturating_sub(self.state.totals.latest);
        if group.is_empty() && age <= max_age {
            return Ok(());
        }
        let changed = group.sessions();
        let followed = if self.followers.is_empty() { Vec::new() } else { group.keys() };
        self.reader.check.group_begins(&group, |key| self.reader.read(|tree| tree.get(key)))?;
        let (batch, totals) = group.into_batch(&self.reader.time);
        self.reader.recent.begin(&changed);
        let applied = self.reader.write(|tree| tree.apply_batch(batch));
        self.reader.check.group_ends();
        // Also when it failed: nobody knows what is in the tree then, and readers read just that.
        self.reader.recent.end(&changed);
        applied?;
        self.reader.keep(self.written.values());
        self.followers.note(&followed);
        self.state.totals = totals;
        self.group = Group::new(totals);
        Ok(())
    }

    /// Shows a session to readers if `waits` returns `true`, and returns that. The last commit has written
    /// it.
    pub(super) fn reveal_if(&self, id: SessionId, waits: &dyn Fn() -> bool) -> bool {
        let waits = self.reader.reveal_if(id, waits);
        if waits {
            self.reader.keep(self.written.get(&id));
        }
        waits
    }

    /// Brings the tree to disk.
    fn save(&mut self) -> Result<(), StoreError> {
        self.state.blobs.sync()?;
        self.reader.write(|tree| tree.flush())?;
        self.state.data.sync()?;
        // sled moves pages when it likes: what it has moved since the first time is in the log by now.
        self.state.blobs.sync()?;
        self.state.data.check()?;
        self.state.data.check_cut()?;
        self.state.journals.write(count_of(self.state.totals))
    }

    fn try_commit(&mut self, awaited: bool) -> Result<(), StoreError> {
        if self.failed.is_some() {
            // Gathered before a panic, or asked of a handle that cannot be trusted to have saved.
            self.group = Group::new(self.state.totals);
            return Err(self.reader.unavailable());
        }
        self.state.data.check()?;
        self.write(TIME_AGE)?;
        if awaited {
            self.save()?;
        }
        if let Some(payload) = self.reader.check.take_payload() {
            self.growth.measured(payload, self.state.totals.records());
        }
        if !self.is_swept && self.growth.seems_due(self.state.data.len(), self.state.totals.records()) {
            self.compactions.due();
        }
        if std::mem::take(&mut self.tidy) {
            files::restrict(&self.reader.path);
            self.state.journals.sync();
        }
        Ok(())
    }
}

/// Returns how many bytes keys and values have. As long as not all of them were read, the file says how many
/// there may be.
fn payload_of(state: &DiskState) -> u64 {
    if state.first.is_some() { state.data.len() } else { state.payload }
}

impl Commit for Disk {
    fn commit(&mut self) -> Result<(), StoreError> {
        let awaited = std::mem::take(&mut self.awaited);
        if !awaited && !self.tidy && self.group.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.reader.is_trusted() {
            self.group = Group::new(self.state.totals);
            self.disowned.append(&mut self.removing);
            return Err(error);
        }
        let committed = self.try_commit(awaited);
        let removed = std::mem::take(&mut self.removing);
        match &committed {
            Ok(()) => self.reader.forget_hidden(&removed),
            Err(error) => {
                self.fail(error);
                // Otherwise nothing is opened anew until somebody writes.
                self.group = Group::new(self.state.totals);
                self.disowned.extend(removed);
                tracing::error!(target: "jwtauth", error = error as &dyn std::error::Error, "the session store cannot be written");
            }
        }
        committed
    }

    fn is_awaited(&self) -> bool {
        self.awaited
    }

    fn panicked(&mut self) -> StoreError {
        let error = self.reader.corrupt("changing it panicked");
        self.fail(&error);
        error
    }

    fn retry_in(&self) -> Option<Duration> {
        let failed = self.failed.filter(|_| self.reader.is_trusted().is_ok())?;
        Some(RETRY.saturating_sub(failed.elapsed()))
    }

    fn retry(&mut self) {
        match self.ready() {
            // It logs its own failure.
            Ok(()) => drop(self.commit()),
            Err(error) if self.said.is_due() => {
                tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store cannot be opened anew yet");
            }
            Err(_) => {}
        }
    }

    fn close(mut self) {
        if self.failed.is_none()
            && self.reader.is_trusted().is_ok()
            && let Err(error) = self.write(0).and_then(|()| self.save())
        {
            tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store could not be closed in order");
        }
        self.state.journals.sync();
        let mut tree = self.reader.tree.write().unwrap_or_else(PoisonError::into_inner);
        drop(tree.take());
    }
}

/// What the writer reads: the tree, as it will be after this group.
impl Disk {
    pub(super) fn load(&self, id: SessionId) -> Result<Option<DiskRecord<Session>>, StoreError> {
        let key = tree_keys::session(id);
        match self.group.get(&key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| DiskRecord::session(&key, id, bytes).ok())),
            None => self.reader.load(id),
        }
    }

    /// Returns the first keys of a range, in order, at most `limit`.
    pub(super) fn keys_in(&self, range: Range<Vec<u8>>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        // Of those in the tree, the group may remove as many as it decides at all.
        let enough = limit.saturating_add(self.group.range(&range).count());
        let mut keys: BTreeSet<Vec<u8>> = self.reader.read(|tree| {
            let keys = tree.range(range.clone()).keys().take(enough);
            keys.map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>()
        })?;
        for (key, is_there) in self.group.range(&range) {
            if is_there {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().take(limit).collect())
    }

    pub(super) fn sessions_of(&self, subject: &str) -> Result<Vec<DiskRecord<Session>>, StoreError> {
        let entries = self.keys_in(tree_keys::subject_range(subject), usize::MAX)?;
        entries.iter().filter_map(|key| self.load(tree_keys::id_of(key)?).transpose()).collect()
    }
}

mod exchange;
#[cfg(test)]
mod tests;
