//! Opens a database, and counts all that is in it, before anybody may rely on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::sled::Db;

use super::super::codec::{self, RecordError, Totals};
use super::explain::{damaged, explain, unreadable};
use super::files::blobs::{self, Blobs};
use super::files::data_file::DataFile;
use super::files::journal::{Count, Counts, Journals};
#[cfg(feature = "accounts")]
use super::files::keepsake::Keepsake;
use super::files::store_lock::{Patience, StoreLock};
use super::files::{self, directory, modes, moved, snapshots, swap};
#[cfg(feature = "accounts")]
use super::salvage;
use super::sled_config::SledConfig;
use super::tree_keys;
use crate::error::StoreError;

/// How much of the database sled may keep in memory, in bytes.
const CACHE: u64 = 128 * 1024 * 1024;

/// Likewise, while it is made.
const CACHE_OF_NEW: u64 = 32 * 1024 * 1024;

/// How often sled looks for space to use again in a database that is being made, in milliseconds. Each time
/// it cleans one segment at most.
const CLEANED_EVERY: u64 = 5;

/// How many keys are read before it is asked once more whether to go on.
const ASKED_EACH: usize = 1_024;

/// What the writer keeps beside the tree; all of it but the lock is made anew when the store is opened anew.
pub(super) struct DiskState {
    pub(super) totals: Totals,
    /// How many bytes all keys and values had when the store was opened.
    pub(super) payload: u64,
    pub(super) data: DataFile,
    pub(super) blobs: Blobs,
    pub(super) journals: Journals,
    pub(super) config: SledConfig,
    pub(super) lock: Arc<StoreLock>,
}

/// A database that was opened, counted and found whole.
pub(super) struct Opened {
    pub(super) tree: Db,
    pub(super) state: DiskState,
}

impl Opened {
    pub(super) fn open(config: SledConfig) -> Result<Self, StoreError> {
        let mut patience = Patience::new(config.lock_timeout);
        let found = directory::look(&config.path)?;
        if !found.something
            && let Some(counter) = Counts::read(&config)?.accounts_are_gone()
        {
            return Err(StoreError::Missing { path: config.path.clone(), counter: counter.into() });
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
        let found = directory::prepare(path)?;
        modes::mend(path);
        // Read before sled holds its lock: one that is behind by then only says less.
        let counts = Counts::read(&config)?;
        // One that is being made in the place of another one may have been stopped at any step.
        let is_new = !found.something || counts.is_begun();
        if !is_new && !found.data && counts.changes() > 0 {
            return Err(StoreError::Missing { path: path.into(), counter: counts.highest(path) });
        }
        snapshots::keep_trusted(path, &lock)?;
        blobs::set_nameless_aside(path)?;
        let (changes, counter) = (counts.changes(), counts.highest(path));
        let whole = Whole { path, changes, counter: &counter, is_new };
        let opened = match known {
            Some(known) => open_known(path, known, patience),
            None => whole.open_with_keepsake(patience),
        };
        snapshots::note_current(path, &lock);
        let (tree, Counted { totals, payload }) = opened?;
        files::restrict(path);
        files::sync_all(path)?;
        let mut blobs = Blobs::open(path)?;
        blobs.sync()?;
        let data = DataFile::open(path)?;
        let journals = counts.keep(path, count_of(totals))?;
        Ok(Self { tree, state: DiskState { totals, payload, data, blobs, journals, config, lock } })
    }
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
    Count { changes: totals.changes, accounts: Some(totals.accounts) }
}

fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. } | StoreError::RolledBack { .. })
}

/// What a store must hold to be whole.
struct Whole<'a> {
    path: &'a Path,
    /// How many changes were acknowledged.
    changes: u64,
    /// The file that says it.
    counter: &'a Path,
    is_new: bool,
}

impl Whole<'_> {
    /// Opens the tree. If it is damaged, its files are as they were.
    fn open_with_keepsake(&self, patience: &mut Patience) -> Result<(Db, Counted), StoreError> {
        #[cfg(feature = "accounts")]
        let keepsake =
            Keepsake::take(self.path, || salvage::looks_damaged(self.path).is_ok_and(|damaged| damaged));
        let opened = match self.open(patience) {
            Err(error) if is_damage(&error) => self.open_without_snapshots(patience, error),
            opened => opened,
        };
        #[cfg(feature = "accounts")]
        if let Some(keepsake) = keepsake {
            // Another process may have it open and write to it: that is no damage.
            if opened.as_ref().is_err_and(is_damage) { keepsake.put_back() } else { keepsake.discard() }
        }
        opened
    }

    /// Opens the tree and counts what is in it.
    fn open(&self, patience: &mut Patience) -> Result<(Db, Counted), StoreError> {
        let Self { path, changes, counter, is_new } = *self;
        let tree = open_tree(path, patience)?;
        let counted = match catch_unwind(AssertUnwindSafe(|| count(path, &tree, &|| true))) {
            Ok(counted) => counted?,
            Err(_) => return Err(damaged(path, "its database cannot read its own files".into())),
        };
        let counted = match counted {
            Some(Counted { totals, .. }) if totals.changes < changes => {
                let lost = changes - totals.changes;
                return Err(StoreError::RolledBack { path: path.into(), lost, counter: counter.into() });
            }
            Some(counted) => counted,
            None if !is_new && changes > 0 => {
                return Err(damaged(path, "it holds nothing, and it did once".into()));
            }
            None => {
                let totals = Totals { changes, ..Totals::default() };
                if changes > 0 {
                    tracing::warn!(target: "jwtauth", ?path, "the session store was removed; a new one is made, and all sessions have ended");
                    // Before its journal says that there were changes.
                    let failed = |error| explain(path, "write", error);
                    tree.insert(tree_keys::TOTALS, codec::encode_totals(tree_keys::TOTALS, totals))
                        .map_err(failed)?;
                    tree.flush().map_err(failed)?;
                }
                Counted { totals, payload: 0 }
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
        match self.open(patience) {
            Ok(opened) => {
                tracing::warn!(target: "jwtauth", path = ?self.path, error = &error as &dyn std::error::Error, "the session store is whole without its snapshot, which is kept in its directory `aside`");
                Ok(opened)
            }
            Err(_) => {
                aside.put_back(self.path);
                Err(error)
            }
        }
    }
}

/// Opens the tree, and waits for one who is about to let it go: an earlier release has no lock but this one.
pub(super) fn open_tree(path: &Path, patience: &mut Patience) -> Result<Db, StoreError> {
    open_with(|| ::sled::Config::new().cache_capacity(CACHE), path, patience)
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
    loop {
        let opening = || config().path(path).open();
        let opened = match catch_unwind(AssertUnwindSafe(opening)) {
            Ok(opened) => opened.map_err(|error| explain(path, "open", error)),
            Err(_) => return Err(damaged(path, "its database cannot read its own files".into())),
        };
        match opened {
            Err(StoreError::Locked { .. }) if patience.wait(path) => {}
            other => return other,
        }
    }
}

/// Opens a tree that was read as a whole since it was made: only sees whether it is that one.
fn open_known(path: &Path, known: Counted, patience: &mut Patience) -> Result<(Db, Counted), StoreError> {
    let tree = open_tree(path, patience)?;
    let found = match catch_unwind(AssertUnwindSafe(|| tree.get(tree_keys::TOTALS))) {
        Ok(found) => found.map_err(|error| explain(path, "read", error))?,
        Err(_) => return Err(damaged(path, "its database cannot read its own files".into())),
    };
    if found.and_then(|bytes| codec::decode_totals(tree_keys::TOTALS, &bytes)) != Some(known.totals) {
        return Err(damaged(path, "it is not what was put in its place".into()));
    }
    Ok((tree, known))
}

/// What was found in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) totals: Totals,
    /// How many bytes all keys and values have.
    pub(super) payload: u64,
}

/// Reads every key and compares what is there with what should be. `None` says that there is nothing at all.
///
/// Fails with [`StoreError::Closed`] soon after `goes_on` has said no.
pub(super) fn count(
    path: &Path,
    tree: &Db,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Counted>, StoreError> {
    let failed = |error| explain(path, "read", error);
    let wrong = |error| unreadable(path, error);
    let (mut sessions, mut subjects, mut expiries) = (0_u64, 0_u64, 0_u64);
    let (mut accounts, mut names, mut sum, mut totals) = (0_u64, 0_u64, 0_u64, None);
    let (mut values, mut value_expiries, mut of_accounts) = (0_u64, 0_u64, 0_u64);
    let mut payload = 0;
    for (number, entry) in tree.iter().enumerate() {
        if number.is_multiple_of(ASKED_EACH) && !goes_on() {
            return Err(StoreError::Closed);
        }
        let (key, value) = entry.map_err(failed)?;
        payload += (key.len() + value.len()) as u64;
        match &key[..1] {
            tree_keys::SESSIONS => {
                let id = tree_keys::id_of(&key).ok_or(RecordError::Damaged);
                id.and_then(|id| codec::decode_session(&key, id, &value)).map_err(wrong)?;
                sessions += 1;
                sum = sum.wrapping_add(codec::checksum_of(&value));
            }
            tree_keys::TOKENS => {
                let token = tree_keys::parts_of_token(&key).ok_or(RecordError::Damaged);
                token
                    .and_then(|(session, kind)| codec::decode_token(&key, session, kind, &value))
                    .map_err(wrong)?;
            }
            // The hashes show what is wrong with it, and an event must log nobody out.
            tree_keys::EVENTS => {}
            tree_keys::SUBJECTS => subjects += 1,
            tree_keys::EXPIRIES => expiries += 1,
            tree_keys::VALUES => {
                codec::decode_value(&key, &value).map_err(wrong)?;
                values += 1;
                sum = sum.wrapping_add(codec::checksum_of(&value));
            }
            tree_keys::VALUE_EXPIRIES => value_expiries += 1,
            tree_keys::ACCOUNTS => {
                whole_account(&key, &value).map_err(wrong)?;
                accounts += 1;
                sum = sum.wrapping_add(codec::checksum_of(&value));
                of_accounts = of_accounts.wrapping_add(codec::checksum_of(&value));
            }
            tree_keys::NAMES => names += 1,
            tree_keys::TOTALS => totals = codec::decode_totals(&key, &value),
            _ => {
                return Err(StoreError::NotAStore {
                    path: path.into(),
                    found: "another sled database".into(),
                });
            }
        }
    }
    match totals {
        None if [sessions, subjects, expiries, values, value_expiries, accounts, names] == [0; 7] => Ok(None),
        None => Err(damaged(path, "its totals are missing".into())),
        Some(totals) if [sessions, subjects, expiries] != [totals.sessions; 3] => Err(damaged(
            path,
            format!(
                "{} sessions should be there, {sessions} are, with {subjects} and {expiries} index entries",
                totals.sessions
            ),
        )),
        Some(totals) if [accounts, names] != [totals.accounts; 2] => Err(damaged(
            path,
            format!(
                "{} accounts should be there, {accounts} are, with {names} names in the index",
                totals.accounts
            ),
        )),
        Some(_) if values != value_expiries => {
            Err(damaged(path, format!("it holds {values} values, with {value_expiries} index entries")))
        }
        Some(totals)
            if sum != totals.sum || totals.sum_of_accounts.is_some_and(|known| known != of_accounts) =>
        {
            Err(damaged(
                path,
                "every session is there, but a record is as it was before a change, or a value is missing"
                    .into(),
            ))
        }
        // Earlier releases did not write it, and the next change does.
        Some(totals) => {
            let totals = Totals { sum_of_accounts: Some(of_accounts), ..totals };
            Ok(Some(Counted { totals, payload }))
        }
    }
}

/// Without the feature nobody reads an account, so any layout will do.
fn whole_account(key: &[u8], bytes: &[u8]) -> Result<(), RecordError> {
    #[cfg(feature = "accounts")]
    return match tree_keys::account_of(key) {
        Some(id) => codec::decode_account(key, id, bytes).map(drop),
        None => Err(RecordError::Damaged),
    };
    #[cfg(not(feature = "accounts"))]
    codec::layout_of(key, bytes).map(drop).ok_or(RecordError::Damaged)
}
