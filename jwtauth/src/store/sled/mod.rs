//! Sessions in an embedded sled database. The only folder that names sled.
//!
//! sled 0.34.7 needs care. Each rule here answers a failure that was provoked and counted:
//!
//! | rule | without it |
//! |---|---|
//! | one batch in one tree for all changes of a commit | indexes apart from records after kill -9 in 29 of 60 runs |
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
//! thread 15 to 21 us. Changes go through the one [`Writer`] thread, which gathers those that wait in a
//! group and writes it as one batch: sled syncs its log about twice a batch, however small, so on a slow
//! disk 50 refreshes took 1.7 s one by one. Until a change is on disk no reader sees it.
//!
//! `open` finds a database whole, `operations` decides, `change` says what is written, `disk` writes it,
//! `recent` keeps what readers ask for most, `values` are what else expires. With the
//! feature, `accounts` does for accounts what this file does for sessions.

#[cfg(feature = "accounts")]
mod accounts;
mod change;
mod disk;
mod open;
mod operations;
mod recent;
mod values;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ::sled::Db;

use self::disk::Disk;
use self::open::Opened;
use self::recent::Recent;
use super::writer::Writer;
use super::{
    LoginEffects, RotationRequest, SessionStore, StoreFuture, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate, codec, files, keys,
};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::registry::TokenRecord;

/// Keeps sessions in a directory of its own. Durable: see [`SledStore::open`].
///
/// One process at a time may have a directory open. A clone is another handle of the same store, so that one may
/// serve several parts of a program. When the last handle is dropped, all changes are on disk and the directory is
/// free again.
#[derive(Clone)]
pub struct SledStore {
    shared: Arc<Shared>,
    writer: Arc<Writer<Disk>>,
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
            let shared = Arc::new(Shared::new(path, opened.tree));
            let disk = Disk::new(Arc::clone(&shared), opened.state);
            let writer = Writer::start(disk).map_err(|source| StoreError::Io {
                path: shared.path.clone(),
                action: "start a thread for it",
                source,
            })?;
            Ok(Self { shared, writer: Arc::new(writer) })
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
    recent: Recent,
}

impl Shared {
    fn new(path: PathBuf, tree: Db) -> Self {
        Self { path, tree: RwLock::new(Some(tree)), recent: Recent::default() }
    }

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

    /// Like [`Self::load`], for a reader: what was read lately is not read again.
    fn find(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        let ticket = match self.recent.find(id) {
            Ok(session) => return Ok(Some(session)),
            Err(ticket) => ticket,
        };
        let session = self.load(id)?.map(Arc::new);
        if let Some(session) = &session {
            self.recent.remember(&ticket, session);
        }
        Ok(session)
    }

    fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let prefix = keys::subject(subject);
        let keys = self.read(|tree| tree.scan_prefix(prefix).keys().collect::<Result<Vec<_>, _>>())?;
        keys.iter().filter_map(|key| self.load(keys::id_of(key)?).transpose()).collect()
    }

    fn tokens_of(&self, session: SessionId) -> Result<Vec<TokenRecord>, StoreError> {
        let entries =
            self.read(|tree| tree.range(keys::tokens_of(session)).collect::<Result<Vec<_>, _>>())?;
        Ok(entries.iter().filter_map(|(key, bytes)| Self::decode_token(key, bytes)).collect())
    }

    fn token(&self, key: &[u8]) -> Result<Option<TokenRecord>, StoreError> {
        let bytes = self.read(|tree| tree.get(key))?;
        Ok(bytes.and_then(|bytes| Self::decode_token(key, &bytes)))
    }

    fn decode_token(key: &[u8], bytes: &[u8]) -> Option<TokenRecord> {
        let (session, kind) = keys::parts_of_token(key)?;
        codec::decode_token(key, session, kind, bytes)
    }

    fn unavailable(&self) -> StoreError {
        StoreError::Unavailable { path: self.path.clone() }
    }

    fn corrupt(&self, problem: &str) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), problem: problem.into() }
    }
}

impl SessionStore for SledStore {
    fn insert(&self, session: Session, opening: LoginEffects) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.submit(move |disk| disk.insert(&session, &opening)))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        Box::pin(std::future::ready(self.shared.find(id)))
    }

    fn rotate(&self, presented: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        Box::pin(self.writer.submit(move |disk| disk.rotate(presented)))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.revoke(id, revocation)))
    }

    fn revoke_subject(&self, subject: String, ends: SubjectRevocation) -> StoreFuture<'_, usize> {
        Box::pin(self.writer.submit(move |disk| disk.revoke_subject(&subject, ends)))
    }

    fn revoke_token(&self, end: TokenRevocation) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.submit(move |disk| disk.revoke_token(end)))
    }

    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        Box::pin(std::future::ready(self.shared.tokens_of(session)))
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(self.writer.submit(move |disk| disk.archive(before, limit)))
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
        Box::pin(self.writer.submit(Disk::flush))
    }

    #[cfg(feature = "accounts")]
    fn account_store(self: Arc<Self>) -> Option<Arc<dyn super::AccountStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn super::ValueStore>> {
        Some(self)
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
