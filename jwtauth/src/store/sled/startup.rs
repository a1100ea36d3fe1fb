//! Opens a database, and counts all that is in it, before anybody may rely on it.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ::sled::Db;

use super::super::codec::{self, RecordError, Totals};
use super::explain::{damaged, explain, unreadable};
use super::files::{self, Blobs, Journal};
use super::tree_keys;
use crate::error::StoreError;

/// How much of the database sled may keep in memory, in bytes.
const CACHE: u64 = 128 * 1024 * 1024;

/// How long to wait for a lock that somebody else holds.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// What the writer keeps beside the tree; all of it is made anew when the store is opened anew.
pub(super) struct DiskState {
    pub(super) totals: Totals,
    pub(super) data: File,
    pub(super) blobs: Blobs,
    pub(super) journal: Journal,
}

/// A database that was opened, counted and found whole.
pub(super) struct Opened {
    pub(super) tree: Db,
    pub(super) state: DiskState,
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let found = files::prepare(path)?;
        // Read before sled holds its lock: a journal that is behind by then only says less.
        let mut journal = Journal::open(path)?;
        if found.something && !found.data && journal.changes() > 0 {
            return Err(damaged(path, "its data file is missing".into()));
        }
        let tree = open_tree(path)?;
        files::restrict(path)?;
        files::sync_all(path)?;
        let mut blobs = Blobs::default();
        blobs.sync(path)?;
        let data = File::open(path.join(files::DATA))
            .map_err(|source| files::refused(path, "open the data file", source))?;
        let counted = match catch_unwind(AssertUnwindSafe(|| count(path, &tree))) {
            Ok(counted) => counted?,
            Err(_) => return Err(damaged(path, "reading it panicked".into())),
        };
        let totals = match counted {
            Some(totals) if totals.changes < journal.changes() => {
                return Err(StoreError::RolledBack {
                    path: path.into(),
                    lost: journal.changes() - totals.changes,
                });
            }
            Some(totals) => totals,
            None if found.something && journal.changes() > 0 => {
                return Err(damaged(path, "it holds nothing, and it did once".into()));
            }
            None => {
                if journal.changes() > 0 {
                    tracing::warn!(target: "jwtauth", ?path, "the session store was removed; a new one is made, and all sessions have ended");
                }
                Totals { changes: journal.changes(), ..Totals::default() }
            }
        };
        journal.write(totals.changes)?;
        // Once, so that its one block is there; from then on a power cut leaves the old number or the new.
        journal.sync();
        Ok(Self { tree, state: DiskState { totals, data, blobs, journal } })
    }
}

/// Opens the tree, and waits a moment for one who is about to let it go.
///
/// A lock is held for a moment longer than its holder: a child process that another thread was starting has
/// it until it is a program of its own, and a process that was killed until the system has cleared it away.
fn open_tree(path: &Path) -> Result<Db, StoreError> {
    let start = Instant::now();
    loop {
        let opening = || ::sled::Config::new().path(path).cache_capacity(CACHE).open();
        let opened = match catch_unwind(AssertUnwindSafe(opening)) {
            Ok(opened) => opened.map_err(|error| explain(path, "open", error)),
            Err(_) => return Err(damaged(path, "opening it panicked".into())),
        };
        match opened {
            Err(StoreError::Locked { .. }) if start.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_PATIENCE / 20)
            }
            other => return other,
        }
    }
}

/// Reads every key and compares what is there with what should be. `None` says that there is nothing at all.
fn count(path: &Path, tree: &Db) -> Result<Option<Totals>, StoreError> {
    let failed = |error| explain(path, "read", error);
    let wrong = |error| unreadable(path, error);
    let (mut sessions, mut subjects, mut expiries) = (0_u64, 0_u64, 0_u64);
    let (mut accounts, mut names, mut sum, mut totals) = (0_u64, 0_u64, 0_u64, None);
    let (mut values, mut value_expiries) = (0_u64, 0_u64);
    for entry in tree.iter() {
        let (key, value) = entry.map_err(failed)?;
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
        Some(totals) if sum != totals.sum => Err(damaged(
            path,
            "every session is there, but a record is as it was before a change, or a value is missing".into(),
        )),
        Some(totals) => Ok(Some(totals)),
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
