//! Sessions in an embedded sled database. The only file that names sled.
//!
//! sled 0.34.7 needs care. Each rule here answers a failure that was provoked and counted:
//!
//! | rule | without it |
//! |---|---|
//! | one batch in one tree for each change | indexes apart from records after kill -9 in 29 of 60 runs |
//! | `flush()` **and** fsync of the data file before any answer | acknowledged logins lost after a power cut in 30 of 30 |
//! | fsync of every file beside the log before that flush | the same with records of 30 kB in 55 of 60 |
//! | fsync of every file and the directory after open | database refused after a power cut in 23 of 60 |
//! | totals in every batch, all records counted at open, a journal beside the directory | of 200 damaged files 82 opened with records silently missing |
//! | the sum of all checksums in the totals | of 600 damaged files 2 opened with a record as it was before its last change |
//! | every call under `catch_unwind` | 72 of those 200 panicked |
//! | drop and open anew after any failed write | after a full disk all writes fail until restart |
//! | 0700 for the directory, 0600 for files | world-readable |
//!
//! Reads go straight to sled from whatever thread asks: a cached one takes 2 us, handing it to another
//! thread 15 to 21 us. Changes go through the one [`Writer`] thread.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::sled::{Batch, Db};

use super::codec::{self, Totals};
use super::files::{self, Blobs, Journal};
use super::writer::{Commit, Writer};
use super::{Presented, SessionStore, StoreFuture, Swept, UserUpdate, keys};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Reason, Revocation, Rotation, Session};

/// How much of the database sled may keep in memory, in bytes.
const CACHE: u64 = 128 * 1024 * 1024;

/// How long to wait before a failed store is opened anew once more.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps sessions in a directory of its own. Durable: see [`SledStore::open`].
///
/// One process at a time may have a directory open. When the last handle is dropped, all changes
/// are on disk and the directory is free again.
pub struct SledStore {
    shared: Arc<Shared>,
    writer: Writer<Disk>,
}

impl SledStore {
    /// Opens the store in `path`, or makes a new one there.
    ///
    /// The directory is made private (0700, files 0600), whatever the umask. A file `<path>.journal`
    /// beside it holds the number of the last change, so that a store that was cut short or taken
    /// from an old backup is refused instead of believed. Every record is read once and its checksum
    /// compared; that takes some 2 us a session.
    ///
    /// A change is answered only when it would survive `kill -9` and a power cut.
    ///
    /// # Errors
    ///
    /// No session is changed when one of these is returned, and the same is returned the next time.
    ///
    /// - [`StoreError::Locked`]: another process has it open.
    /// - [`StoreError::Permission`]: the directory cannot be made, read or written.
    /// - [`StoreError::NotAStore`]: the directory holds something else; it is left as it was.
    /// - [`StoreError::Corrupt`]: files are damaged. sled may have tidied its log while it looked at
    ///   them: copy the directory before you try to save what is in it.
    /// - [`StoreError::RolledBack`]: acknowledged changes are missing. The same goes for sled's log.
    /// - [`StoreError::Io`]: the operating system refused something else, such as space.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let opening = tokio::task::spawn_blocking(move || {
            let path = std::path::absolute(&path).map_err(|source| StoreError::Io {
                path,
                action: "find the directory",
                source,
            })?;
            let opened = Opened::open(&path)?;
            let shared = Arc::new(Shared { path, tree: RwLock::new(Some(opened.tree)) });
            let disk =
                Disk { shared: Arc::clone(&shared), state: opened.state, unsaved: false, failed: None };
            let writer = Writer::start(disk).map_err(|source| StoreError::Io {
                path: shared.path.clone(),
                action: "start a thread for it",
                source,
            })?;
            Ok(Self { shared, writer })
        });
        opening.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// What readers and the writer share.
struct Shared {
    path: PathBuf,
    /// `None` only while it is being opened anew, or when that failed.
    tree: RwLock<Option<Db>>,
}

impl Shared {
    /// Reads from the tree; a panic inside sled becomes an error.
    fn read<T>(&self, read: impl FnOnce(&Db) -> ::sled::Result<T>) -> Result<T, StoreError> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref().ok_or_else(|| self.unavailable())?;
        match catch_unwind(AssertUnwindSafe(|| read(tree))) {
            Ok(result) => result.map_err(|error| explain(&self.path, "read", error)),
            Err(_) => Err(self.corrupt("reading it panicked")),
        }
    }

    fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let key = keys::session(id);
        let bytes = self.read(|tree| tree.get(&key))?;
        Ok(bytes.and_then(|bytes| {
            let session = codec::decode_session(&key, id, &bytes);
            if session.is_none() {
                // Logged out and never in: whoever it was can log in again.
                tracing::error!(target: "jwtauth", path = ?self.path, session = id.log_id(), "a session record is damaged and treated as gone");
            }
            session
        }))
    }

    fn ids(&self, prefix: &[u8]) -> Result<Vec<SessionId>, StoreError> {
        let keys = self.read(|tree| tree.scan_prefix(prefix).keys().collect::<Result<Vec<_>, _>>())?;
        Ok(keys.iter().filter_map(|key| keys::id_of(key)).collect())
    }

    fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let ids = self.ids(&keys::subject(subject))?;
        ids.into_iter().filter_map(|id| self.load(id).transpose()).collect()
    }

    fn unavailable(&self) -> StoreError {
        StoreError::Unavailable { path: self.path.clone() }
    }

    fn corrupt(&self, problem: &str) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), problem: problem.into() }
    }
}

/// What the writer keeps beside the tree; all of it is made anew when the store is opened anew.
struct DiskState {
    totals: Totals,
    data: File,
    blobs: Blobs,
    journal: Journal,
}

/// A database that was opened, counted and found whole.
struct Opened {
    tree: Db,
    state: DiskState,
}

impl Opened {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let found = files::prepare(path)?;
        // Read before sled holds its lock: a journal that is behind by then only says less.
        let mut journal = Journal::open(path)?;
        if found.something && !found.data && journal.changes() > 0 {
            return Err(damaged(path, "its data file is missing".into()));
        }
        let opening = || ::sled::Config::new().path(path).cache_capacity(CACHE).open();
        let tree = match catch_unwind(AssertUnwindSafe(opening)) {
            Ok(opened) => opened.map_err(|error| explain(path, "open", error))?,
            Err(_) => return Err(damaged(path, "opening it panicked".into())),
        };
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

/// Reads every key and compares what is there with what should be. `None` says that there is nothing at all.
fn count(path: &Path, tree: &Db) -> Result<Option<Totals>, StoreError> {
    let failed = |error| explain(path, "read", error);
    let (mut sessions, mut subjects, mut expiries, mut sum, mut totals) = (0_u64, 0_u64, 0_u64, 0_u64, None);
    for entry in tree.iter() {
        let (key, value) = entry.map_err(failed)?;
        match &key[..1] {
            keys::SESSIONS => {
                let whole = keys::id_of(&key).and_then(|id| codec::decode_session(&key, id, &value));
                if whole.is_none() {
                    return Err(damaged(path, "a session record does not match its checksum".into()));
                }
                sessions += 1;
                sum = sum.wrapping_add(codec::checksum_of(&value));
            }
            keys::SUBJECTS => subjects += 1,
            keys::EXPIRIES => expiries += 1,
            keys::TOTALS => totals = codec::decode_totals(&key, &value),
            _ => {
                return Err(StoreError::NotAStore {
                    path: path.into(),
                    found: "another sled database".into(),
                });
            }
        }
    }
    match totals {
        None if sessions + subjects + expiries == 0 => Ok(None),
        None => Err(damaged(path, "its totals are missing".into())),
        Some(totals) if [sessions, subjects, expiries] != [totals.sessions; 3] => Err(damaged(
            path,
            format!(
                "{} sessions should be there, {sessions} are, with {subjects} and {expiries} index entries",
                totals.sessions
            ),
        )),
        Some(totals) if sum != totals.sum => {
            Err(damaged(path, "all sessions are there, but some as they were before a change".into()))
        }
        Some(totals) => Ok(Some(totals)),
    }
}

/// The store as its one writer sees it.
struct Disk {
    shared: Arc<Shared>,
    state: DiskState,
    /// Whether there are changes whose callers wait for the disk.
    unsaved: bool,
    /// When a write failed, or opening anew was last tried, if the store is not to be trusted.
    failed: Option<Instant>,
}

impl Disk {
    /// Puts one change into the tree, as a whole.
    fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        self.ready()?;
        let totals = Totals {
            changes: self.state.totals.changes + 1,
            sessions: self.state.totals.sessions.saturating_add_signed(change.sessions),
            sum: self.state.totals.sum.wrapping_add(change.sum),
        };
        let mut batch = change.batch;
        batch.insert(keys::TOTALS, codec::encode_totals(keys::TOTALS, totals));
        let applied = self.shared.read(|tree| tree.apply_batch(batch));
        if applied.is_err() {
            self.failed = Some(Instant::now());
        }
        applied?;
        self.state.totals = totals;
        self.unsaved |= change.waits;
        Ok(())
    }

    /// Opens the store anew if it failed, at most once a second.
    ///
    /// sled answers every write with the same error after one has failed, so nothing else helps.
    fn ready(&mut self) -> Result<(), StoreError> {
        let Some(failed) = self.failed else { return Ok(()) };
        // With changes of this group still unsaved the coming commit must see the old handle fail:
        // after opening anew it would succeed, and the changes would be gone.
        if self.unsaved || failed.elapsed() < RETRY {
            return Err(self.shared.unavailable());
        }
        self.failed = Some(Instant::now());
        // Opening writes. As long as the disk takes nothing, the old handle still serves reads.
        files::probe_for_open(&self.shared.path)?;
        // The old one must be gone first: it holds the lock. Readers get an error meanwhile, since
        // they are on threads that other requests need.
        let old = self.shared.tree.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(old);
        files::rewrite(&self.shared.path)?;
        let opened = Opened::open(&self.shared.path)?;
        *self.shared.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.tree);
        self.state = opened.state;
        self.failed = None;
        tracing::warn!(target: "jwtauth", path = ?self.shared.path, "the session store failed and was opened anew");
        Ok(())
    }

    fn save(&mut self) -> Result<(), StoreError> {
        self.state.blobs.sync(&self.shared.path)?;
        self.shared.read(|tree| tree.flush())?;
        self.state
            .data
            .sync_data()
            .map_err(|source| files::refused(&self.shared.path, "bring its data to disk", source))?;
        self.state.journal.write(self.state.totals.changes)
    }
}

impl Commit for Disk {
    fn commit(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.unsaved) {
            return Ok(());
        }
        let saved = self.save();
        if let Err(error) = &saved {
            self.failed = Some(Instant::now());
            tracing::error!(target: "jwtauth", error = error as &dyn std::error::Error, "the session store cannot be written");
        }
        saved
    }

    fn panicked(&mut self) -> StoreError {
        self.failed = Some(Instant::now());
        self.shared.corrupt("changing it panicked")
    }

    fn retry_in(&self) -> Option<Duration> {
        self.failed.map(|failed| RETRY.saturating_sub(failed.elapsed()))
    }

    fn retry(&mut self) {
        if let Err(error) = self.ready() {
            tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store cannot be opened anew yet");
        }
    }

    fn close(mut self) {
        if self.failed.is_none()
            && let Err(error) = self.save()
        {
            tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store could not be closed in order");
        }
        self.state.journal.sync();
        let mut tree = self.shared.tree.write().unwrap_or_else(PoisonError::into_inner);
        drop(tree.take());
    }
}

/// One change: what to write, and what it does to the totals. Touches each session at most once.
struct Change {
    batch: Batch,
    sessions: i64,
    /// What is added to [`Totals::sum`], wrapping.
    sum: u64,
    /// Whether somebody waits for it to be durable.
    waits: bool,
}

impl Change {
    fn new() -> Self {
        Self { batch: Batch::default(), sessions: 0, sum: 0, waits: true }
    }

    fn add(&mut self, session: &Session) -> Result<(), StoreError> {
        self.put(session)?;
        self.batch.insert(keys::subject_entry(session), &[]);
        self.batch.insert(keys::expiry_entry(session), &[]);
        self.sessions += 1;
        Ok(())
    }

    fn put(&mut self, session: &Session) -> Result<(), StoreError> {
        let key = keys::session(session.id);
        let bytes = codec::encode_session(&key, session)?;
        self.sum = self.sum.wrapping_add(codec::checksum_of(&bytes));
        self.batch.insert(key, bytes);
        Ok(())
    }

    /// Takes a record out of the sum. What was read encodes to the bytes it was read from.
    fn subtract(&mut self, before: &Session) -> Result<(), StoreError> {
        let bytes = codec::encode_session(&keys::session(before.id), before)?;
        self.sum = self.sum.wrapping_sub(codec::checksum_of(&bytes));
        Ok(())
    }

    /// Writes a session of the same subject, which may expire at another time now.
    fn replace(&mut self, before: &Session, after: &Session) -> Result<(), StoreError> {
        self.subtract(before)?;
        self.put(after)?;
        if before.expires_at != after.expires_at {
            self.batch.remove(keys::expiry_entry(before));
            self.batch.insert(keys::expiry_entry(after), &[]);
        }
        Ok(())
    }

    /// Returns whether the session was not revoked before.
    fn revoke(&mut self, before: Session, revocation: Revocation) -> Result<bool, StoreError> {
        let mut after = before.clone();
        let revoked = after.revoke(revocation);
        if revoked {
            self.replace(&before, &after)?;
        }
        Ok(revoked)
    }

    /// Puts a session in the place of another one with the same id.
    fn overwrite(&mut self, before: &Session, after: &Session) -> Result<(), StoreError> {
        self.remove(before)?;
        self.add(after)
    }

    fn remove(&mut self, session: &Session) -> Result<(), StoreError> {
        self.subtract(session)?;
        self.batch.remove(keys::session(session.id));
        self.batch.remove(keys::subject_entry(session));
        self.batch.remove(keys::expiry_entry(session));
        self.sessions -= 1;
        Ok(())
    }
}

impl Disk {
    fn insert(&mut self, session: &Session, mut replaces: Vec<SessionId>) -> Result<(), StoreError> {
        // What is revoked below must be read from the handle that it is written to.
        self.ready()?;
        let mut change = Change::new();
        match self.shared.load(session.id)? {
            // Never with random ids; but counted twice, it would make the store look damaged for ever.
            Some(before) => change.overwrite(&before, session)?,
            None => change.add(session)?,
        }
        let revocation = Revocation { at: session.created_at, reason: Reason::Replaced };
        replaces.sort_unstable();
        replaces.dedup();
        for id in replaces.into_iter().filter(|id| *id != session.id) {
            if let Some(before) = self.shared.load(id)? {
                change.revoke(before, revocation)?;
            }
        }
        self.apply(change)
    }

    fn rotate(&mut self, presented: Presented) -> Result<Option<(Rotation, Session)>, StoreError> {
        // What was decided on a handle that failed might never have been written.
        self.ready()?;
        let Some(before) = self.shared.load(presented.session)? else { return Ok(None) };
        let mut after = before.clone();
        let rotation =
            after.rotate(presented.generation, presented.now, presented.policy, presented.successor);
        if rotation.is_change() {
            let mut change = Change::new();
            change.replace(&before, &after)?;
            self.apply(change)?;
        }
        Ok(Some((rotation, after)))
    }

    fn revoke(&mut self, id: SessionId, revocation: Revocation) -> Result<bool, StoreError> {
        self.ready()?;
        let session = self.shared.load(id)?;
        Ok(self.revoke_each(session, revocation)? > 0)
    }

    fn revoke_subject(
        &mut self,
        subject: &str,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> Result<usize, StoreError> {
        self.ready()?;
        let mut sessions = self.shared.sessions_of(subject)?;
        sessions.retain(|session| Some(session.id) != except);
        self.revoke_each(sessions, revocation)
    }

    fn revoke_each(
        &mut self,
        sessions: impl IntoIterator<Item = Session>,
        revocation: Revocation,
    ) -> Result<usize, StoreError> {
        let mut change = Change::new();
        let mut revoked = 0;
        for session in sessions {
            revoked += usize::from(change.revoke(session, revocation)?);
        }
        if revoked > 0 {
            self.apply(change)?;
        }
        Ok(revoked)
    }

    fn update_user(&mut self, subject: &str, update: &UserUpdate, now: u64) -> Result<usize, StoreError> {
        self.ready()?;
        let mut change = Change::new();
        let mut updated = 0;
        for before in self.shared.sessions_of(subject)? {
            if before.is_live_at(now) {
                let mut after = before.clone();
                update.apply(&mut after);
                change.replace(&before, &after)?;
                updated += 1;
            }
        }
        if updated > 0 {
            self.apply(change)?;
        }
        Ok(updated)
    }

    fn sweep(&mut self, now: u64, limit: usize) -> Result<Swept, StoreError> {
        self.ready()?;
        let range = keys::EXPIRIES.to_vec()..keys::expired_until(now);
        let entries = self.shared.read(|tree| {
            tree.range(range).keys().take(limit.saturating_add(1)).collect::<Result<Vec<_>, _>>()
        })?;
        let more = entries.len() > limit;
        let mut change = Change::new();
        for entry in entries.iter().take(limit) {
            let session = match keys::id_of(entry) {
                Some(id) => self.shared.load(id)?,
                None => None,
            };
            match session {
                Some(session) if session.expires_at <= now => change.remove(&session)?,
                // An entry that names no such session is only litter.
                _ => change.batch.remove(entry),
            }
        }
        let removed = usize::try_from(-change.sessions).unwrap_or(0);
        if !entries.is_empty() {
            // Nobody needs a removal to be durable: what comes back has expired all the same.
            change.waits = false;
            self.apply(change)?;
        }
        if !more {
            files::restrict(&self.shared.path)?;
            self.state.journal.sync();
        }
        Ok(Swept { removed, more })
    }
}

impl SessionStore for SledStore {
    fn insert(&self, session: Session, replaces: Vec<SessionId>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.submit(move |disk| disk.insert(&session, replaces)))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Session>> {
        Box::pin(std::future::ready(self.shared.load(id)))
    }

    fn rotate(&self, presented: Presented) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        Box::pin(self.writer.submit(move |disk| disk.rotate(presented)))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.revoke(id, revocation)))
    }

    fn revoke_subject(
        &self,
        subject: String,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> StoreFuture<'_, usize> {
        Box::pin(self.writer.submit(move |disk| disk.revoke_subject(&subject, except, revocation)))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        Box::pin(std::future::ready(self.shared.sessions_of(&subject)))
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        Box::pin(self.writer.submit(move |disk| disk.update_user(&subject, &update, now)))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(self.writer.submit(move |disk| disk.sweep(now, limit)))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.submit(|disk| {
            // A handle that failed may say that all is saved.
            disk.ready()?;
            disk.unsaved = true;
            Ok(())
        }))
    }
}

fn damaged(path: &Path, problem: String) -> StoreError {
    StoreError::Corrupt { path: path.into(), problem }
}

/// Brings sled's error into ours, so that its version stays out of our API.
fn explain(path: &Path, action: &'static str, error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(source) if source.to_string().contains("could not acquire lock") => {
            StoreError::Locked { path: path.into() }
        }
        ::sled::Error::Io(source) => files::refused(path, action, source),
        ::sled::Error::Corruption { .. } => damaged(path, "a page is broken".into()),
        other => damaged(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TokenId;

    fn session(number: u8) -> Session {
        Session {
            id: SessionId::from_bytes([number; 16]),
            subject: "1".into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            user: None,
            created_at: 100,
            auth_time: 100,
            ends_at: 5_000,
            expires_at: 1_000,
            generation: 0,
            rotated_at: 100,
            refresh_id: TokenId::from_bytes([0; 16]),
            revoked: None,
        }
    }

    fn disk(path: &Path) -> Disk {
        let Opened { tree, state } = Opened::open(path).unwrap();
        let shared = Arc::new(Shared { path: path.into(), tree: RwLock::new(Some(tree)) });
        Disk { shared, state, unsaved: false, failed: None }
    }

    fn fail_long_ago(disk: &mut Disk) {
        disk.failed = Instant::now().checked_sub(RETRY * 2);
        assert!(disk.failed.is_some());
    }

    /// in one group a change is made, a write fails, and a second later another change comes. Opened
    /// anew at that point, the commit would succeed, and the first caller would hear that all is well.
    #[test]
    fn r_1_nothing_is_opened_anew_while_a_caller_waits_for_the_old_handle() {
        let dir = Dir::new("waits");
        let mut disk = disk(&dir.0);
        disk.insert(&session(1), Vec::new()).unwrap();
        fail_long_ago(&mut disk);
        let refused = disk.insert(&session(2), Vec::new());
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        // The handle is sound after all, so this is true.
        disk.commit().unwrap();
        disk.insert(&session(2), Vec::new()).unwrap();
        assert!(disk.failed.is_none(), "the next group opens it anew");
        disk.commit().unwrap();
        assert_eq!(disk.shared.sessions_of("1").unwrap().len(), 2);
    }

    /// readers get the store back though nobody writes.
    #[tokio::test]
    async fn r_5_the_store_heals_by_itself() {
        let dir = Dir::new("heals");
        let mut disk = disk(&dir.0);
        disk.insert(&session(1), Vec::new()).unwrap();
        disk.commit().unwrap();
        fail_long_ago(&mut disk);
        drop(disk.shared.tree.write().unwrap().take());
        let shared = Arc::clone(&disk.shared);
        let writer = Writer::start(disk).unwrap();
        let start = Instant::now();
        while shared.load(session(1).id).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not heal");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(writer);
    }

    /// A directory that is removed when dropped.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("jwtauth-sled-{name}-{}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            Self(dir.join("store"))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }
}
