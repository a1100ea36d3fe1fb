//! Opens a database, and sees to it that what is in it was read (`record_count`), before anybody may rely on
//! it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::sled::Db;

use super::super::codec::{self, Totals};
use super::evidence;
use super::explain::{damaged, explain, of_work};
use super::files::blobs::{self, Blobs};
use super::files::data_file::DataFile;
use super::files::journal::{Count, Counts, Journals};
use super::files::keepsake::Keepsake;
use super::files::kinds;
use super::files::store_lock::{Patience, StoreLock};
use super::files::{self, DATA, directory, doubt_mark, modes, moved, sled_settings, snapshots, swap};
use super::record_count::{Counted, count, count_first};
use super::record_tally::RecordTally;
use super::salvage::{self, LogState};
use super::sled_config::SledConfig;
use super::store_identity::new_identity;
use super::{threads, tree_keys};
use crate::clock::is_before_epoch;
use crate::error::StoreError;
use crate::shutdown::outlive_file_limits;

/// How much of a database sled may keep in memory while it is made, in bytes.
const CACHE_OF_NEW: u64 = 32 * 1024 * 1024;

/// How often sled looks for space to use again in a database that is being made, in milliseconds. Each time
/// it cleans one segment at most.
const CLEANED_EVERY: u64 = 5;

/// What the writer keeps beside the tree; all of it but the lock is made anew when the store is opened anew.
pub(super) struct DiskState {
    pub(super) totals: Totals,
    /// How many bytes all keys and values had that were read when the store was opened.
    pub(super) payload: u64,
    /// What was counted, if sessions are still to be read.
    pub(super) first: Option<RecordTally>,
    pub(super) data: DataFile,
    pub(super) blobs: Blobs,
    pub(super) journals: Journals,
    pub(super) config: SledConfig,
    pub(super) lock: Arc<StoreLock>,
}

/// A database that was opened, and found whole as far as it was read.
pub(super) struct Opened {
    pub(super) tree: Db,
    pub(super) state: DiskState,
}

impl Opened {
    pub(super) fn open(config: SledConfig) -> Result<Self, StoreError> {
        outlive_file_limits();
        // What a directory without a mark has in it is somebody else's.
        if directory::has_mark(&config.path) {
            kinds::check(&config.path)?;
        }
        let mut patience = Patience::new(config.lock_timeout);
        let found = directory::look(&config.path)?;
        if !found.marked {
            kinds::check(&config.path)?;
        }
        if !found.something
            && let Some(counter) = Counts::read(&config)?.accounts_are_gone()
        {
            return Err(StoreError::Missing { path: config.path.clone(), counter: counter.into() });
        }
        if !found.something {
            may_make(&config)?;
        }
        directory::make(&config.path)?;
        let lock = Arc::new(StoreLock::acquire(&config.path, &mut patience)?);
        Self::open_locked(config, lock, &mut patience, None)
    }

    /// Opens the store anew, for one who has its lock. `known` is what it holds, if all of that was read
    /// since it was made, a moment ago.
    pub(super) fn reopen(
        config: SledConfig,
        lock: Arc<StoreLock>,
        known: Option<Counted>,
    ) -> Result<Self, StoreError> {
        let mut patience = Patience::new(config.lock_timeout);
        Self::open_locked(config, lock, &mut patience, known)
    }

    fn open_locked(
        config: SledConfig,
        lock: Arc<StoreLock>,
        patience: &mut Patience,
        known: Option<Counted>,
    ) -> Result<Self, StoreError> {
        let path = &*config.path;
        finish_swap(path, &lock)?;
        if !config.even_if_moved {
            moved::check(path)?;
        }
        let mut found = directory::prepare(path)?;
        if !found.data
            && let Some(keepsake) = Keepsake::left(path)
        {
            keepsake.put_back();
            found.data = path.join(DATA).is_file();
        }
        modes::mend(path);
        // Read before sled holds its lock: one that is behind by then only says less.
        let counts = Counts::read(&config)?;
        // One that is being made in the place of another one may have been stopped at any step.
        let is_new = !found.something || counts.is_begun();
        if !is_new && !found.data && counts.changes() > 0 {
            return Err(StoreError::Missing { path: path.into(), counter: counts.highest(path) });
        }
        if !found.data {
            may_make(&config)?;
        }
        snapshots::keep_trusted(path, &lock)?;
        sled_settings::set_broken_aside(path)?;
        blobs::set_nameless_aside(path)?;
        let (mut changes, mut counter) = (counts.changes(), counts.highest(path));
        let mut is_new = is_new;
        if known.is_none() && !counts.is_known() && files::len_of_data(path) > 0 {
            // Nobody has counted. Then the file itself says what sled must find in it.
            if let Some(found) = evidence::changes_in(path)? {
                (changes, counter, is_new) = (changes.max(found), path.join(DATA), false);
            }
        }
        let doubt = doubt_mark::read(path);
        if let Some(problem) = &doubt {
            tracing::warn!(target: "jwtauth", ?path, problem, "the session store seemed to be damaged when it was in use last: every record is read before it is used");
        }
        let reads_all = doubt.is_some() || files::len_of_data(path) <= config.verify_first;
        let whole = Whole {
            path,
            cache: config.cache_of_pages(),
            counts: &counts,
            changes,
            counter: &counter,
            is_new,
        };
        let opened = match known {
            Some(known) => open_known(path, known, config.cache_of_pages(), patience),
            None => whole.open_with_keepsake(reads_all, patience),
        };
        snapshots::note_current(path, &lock);
        // Also what sled has made of a store that is refused.
        files::restrict(path);
        let (tree, Counted { totals, payload, first }) = opened?;
        files::sync_all(path)?;
        let mut blobs = Blobs::open(path)?;
        blobs.sync()?;
        let data = DataFile::open(path)?;
        let journals = counts.keep(path, count_of(totals))?;
        // Otherwise the log has a warning.
        if !found.data && changes == 0 {
            tracing::info!(target: "jwtauth", ?path, "a new session store was made, because none was there");
        }
        if doubt.is_some() && first.is_none() {
            doubt_mark::remove(path);
        }
        Ok(Self { tree, state: DiskState { totals, payload, first, data, blobs, journals, config, lock } })
    }
}

/// Refuses to make a store where one must be.
fn may_make(config: &SledConfig) -> Result<(), StoreError> {
    if config.create_if_missing { Ok(()) } else { Err(StoreError::NoStore { path: config.path.clone() }) }
}

/// Goes on with an exchange of files that was stopped. To be called by one who has the lock.
pub(super) fn finish_swap(path: &Path, lock: &StoreLock) -> Result<(), StoreError> {
    if swap::finish(path)? {
        snapshots::note_current(path, lock);
    }
    swap::discard(path)
}

/// What a journal says of a store.
pub(super) fn count_of(totals: Totals) -> Count {
    Count { changes: totals.changes, accounts: Some(totals.accounts), identity: totals.identity }
}

pub(super) fn is_damage(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Corrupt { .. } | StoreError::MixedFiles { .. } | StoreError::RolledBack { .. }
    )
}

/// What a store must hold to be whole.
struct Whole<'a> {
    path: &'a Path,
    /// How much memory its pages take.
    cache: u64,
    /// What its journals say.
    counts: &'a Counts,
    /// How many changes were acknowledged.
    changes: u64,
    /// The file that says it.
    counter: &'a Path,
    is_new: bool,
}

impl Whole<'_> {
    /// Opens the tree. If that fails, its files are as they were. One whose log looks damaged is read as a
    /// whole, and one that the disk does not give back is not opened.
    fn open_with_keepsake(
        &self,
        reads_all: bool,
        patience: &mut Patience,
    ) -> Result<(Db, Counted), StoreError> {
        let state = salvage::log_state(self.path)?;
        let left = Keepsake::left(self.path);
        let reads_all = reads_all || left.is_some() || state == LogState::Damaged;
        let mut keepsake = match left {
            None if state != LogState::Whole => Some(Keepsake::make(self.path)?),
            left => left,
        };
        let opened = match self.open(reads_all, patience) {
            Err(error) if is_damage(&error) => {
                // Without its snapshot sled may take what it does not know for free space.
                keepsake = keepsake.or_else(|| Keepsake::make(self.path).ok());
                match keepsake {
                    Some(_) => self.open_without_snapshots(patience, error),
                    None => Err(error),
                }
            }
            opened => opened,
        };
        if let Some(keepsake) = keepsake {
            match opened {
                Ok(_) => keepsake.discard(),
                // Another process has it open and writes to it: that is no damage, and sled has changed
                // nothing.
                Err(StoreError::Locked { .. }) => keepsake.leave(),
                // Whatever has failed, sled may have cut the file by then.
                Err(_) => keepsake.put_back(),
            }
        }
        opened
    }

    /// Opens the tree and counts what is in it: all, or what must be known first.
    fn open(&self, reads_all: bool, patience: &mut Patience) -> Result<(Db, Counted), StoreError> {
        let Self { path, cache, counts, changes, counter, is_new } = *self;
        let tree = open_tree(path, cache, patience)?;
        let count = || if reads_all { count(path, &tree, &|| true) } else { count_first(path, &tree) };
        let counted = match catch_unwind(AssertUnwindSafe(count)) {
            Ok(counted) => counted?,
            Err(panic) => return Err(of_work(path, "read", &*panic)),
        };
        if let Some(problem) = counted.and_then(|counted| counts.mixture(counted.totals.identity)) {
            return Err(StoreError::MixedFiles { path: path.into(), problem });
        }
        let identity = counts.identity().map_or_else(new_identity, Ok)?;
        let counted = match counted {
            Some(Counted { totals, .. }) if totals.changes < changes => {
                let lost = changes - totals.changes;
                return Err(StoreError::RolledBack { path: path.into(), lost, counter: counter.into() });
            }
            Some(mut counted) => {
                counted.totals.identity.get_or_insert(identity);
                keep_totals(path, &tree, &counted)?;
                counted
            }
            None if !is_new && changes > 0 => {
                return Err(damaged(path, "it holds nothing, and it did once".into()));
            }
            None => {
                let totals = Totals { changes, identity: Some(identity), ..Totals::default() };
                if changes > 0 {
                    tracing::warn!(target: "jwtauth", ?path, "the session store was removed; a new one is made, and all sessions have ended");
                    // Before its journal says that there were changes.
                    write_totals(path, &tree, totals)?;
                }
                Counted { totals, payload: 0, first: None }
            }
        };
        Ok((tree, counted))
    }

    /// Tries again without what sled can do without, before a store counts as damaged.
    fn open_without_snapshots(
        &self,
        patience: &mut Patience,
        error: StoreError,
    ) -> Result<(Db, Counted), StoreError> {
        let aside = snapshots::set_all_aside(self.path)?;
        if aside.is_empty() {
            return Err(error);
        }
        match self.open(true, patience) {
            Ok(opened) => {
                tracing::warn!(target: "jwtauth", path = ?self.path, error = &error as &dyn std::error::Error, "the session store is whole without its snapshot, which is kept in its directory `aside`");
                Ok(opened)
            }
            Err(again) => {
                aside.put_back(self.path);
                // A snapshot of one store says nothing of the data file of another.
                Err(if matches!(again, StoreError::MixedFiles { .. }) { again } else { error })
            }
        }
    }
}

/// Writes totals that an earlier release has written with less in them, so that the next start need not read
/// everything, and knows which store it is.
fn keep_totals(path: &Path, tree: &Db, counted: &Counted) -> Result<(), StoreError> {
    let there = tree.get(tree_keys::TOTALS).map_err(|error| explain(path, "read", error))?;
    let there = there.and_then(|bytes| codec::decode_totals(tree_keys::TOTALS, &bytes));
    if there == Some(counted.totals) { Ok(()) } else { write_totals(path, tree, counted.totals) }
}

fn write_totals(path: &Path, tree: &Db, totals: Totals) -> Result<(), StoreError> {
    let failed = |error| explain(path, "write", error);
    tree.insert(tree_keys::TOTALS, codec::encode_totals(tree_keys::TOTALS, totals)).map_err(failed)?;
    tree.flush().map(drop).map_err(failed)
}

/// Opens the tree, and waits for one who is about to let it go: an earlier release has no lock but this one.
pub(super) fn open_tree(path: &Path, cache: u64, patience: &mut Patience) -> Result<Db, StoreError> {
    open_with(|| ::sled::Config::new().cache_capacity(cache), path, patience)
}

/// Opens a tree that many keys are written into at once.
pub(super) fn open_new(path: &Path) -> Result<Db, StoreError> {
    let config = || ::sled::Config::new().cache_capacity(CACHE_OF_NEW).flush_every_ms(Some(CLEANED_EVERY));
    open_with(config, path, &mut Patience::usual())
}

fn open_with(
    config: impl Fn() -> ::sled::Config,
    path: &Path,
    patience: &mut Patience,
) -> Result<Db, StoreError> {
    threads::are_enough(path)?;
    if is_before_epoch() {
        let source = io::Error::other("the clock of this machine shows a time before 1970: set it first");
        return Err(StoreError::Io { path: path.into(), action: "open", source });
    }
    loop {
        let opening = || config().path(path).open();
        let opened = match catch_unwind(AssertUnwindSafe(opening)) {
            Ok(opened) => opened.map_err(|error| explain(path, "open", error)),
            Err(panic) => return Err(of_work(path, "open", &*panic)),
        };
        match opened {
            Ok(tree) => {
                threads::has_pool();
                return Ok(tree);
            }
            Err(StoreError::Locked { .. }) if patience.wait(path) => {}
            other => return other,
        }
    }
}

/// Opens a tree that was read as a whole since it was made: only sees whether it is that one.
fn open_known(
    path: &Path,
    known: Counted,
    cache: u64,
    patience: &mut Patience,
) -> Result<(Db, Counted), StoreError> {
    salvage::check_readable(path, &path.join(DATA))?;
    let tree = open_tree(path, cache, patience)?;
    let found = match catch_unwind(AssertUnwindSafe(|| tree.get(tree_keys::TOTALS))) {
        Ok(found) => found.map_err(|error| explain(path, "read", error))?,
        Err(panic) => return Err(of_work(path, "read", &*panic)),
    };
    if found.and_then(|bytes| codec::decode_totals(tree_keys::TOTALS, &bytes)) != Some(known.totals) {
        return Err(damaged(path, "it is not what was put in its place".into()));
    }
    Ok((tree, known))
}
