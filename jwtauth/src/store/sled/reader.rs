//! The store as readers see it: they go straight to the tree, on whatever thread asks.

use std::collections::HashSet;
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use ::sled::Db;
use tokio::sync::watch;

use super::super::codec;
use super::super::requests::StoreFuture;
use super::disk_record::DiskRecord;
use super::explain::{damaged, explain, of_work};
use super::recent::Recent;
use super::record_check::RecordCheck;
use super::tree_keys;
use crate::clock::TimeMark;
use crate::error::{StoreError, in_one_line};
use crate::id::SessionId;
use crate::record::Session;
use crate::registry::TokenRecord;

/// What readers and the writer share.
pub(super) struct StoreReader {
    pub(super) path: PathBuf,
    /// `None` only while it is being opened anew, or when that failed.
    pub(super) tree: RwLock<Option<Db>>,
    pub(super) recent: Recent,
    /// Whether new files are being put in the place of the old ones.
    exchanging: watch::Sender<bool>,
    /// What failed last, as long as the store is not opened anew.
    failure: Mutex<Option<String>>,
    /// Sessions in the tree that nobody is to see: their logins are not over, or came to nothing.
    hidden: Mutex<HashSet<SessionId>>,
    /// Written with each commit.
    pub(super) time: Arc<TimeMark>,
    /// How far the records were read since the store was opened.
    pub(super) check: RecordCheck,
    /// What was found to be wrong since then. With that, nothing in it is believed.
    doubt: OnceLock<String>,
}

/// As long as this is there, answers wait. A panic drops it too.
#[must_use]
pub(super) struct ExchangeNotice(Arc<StoreReader>);

impl Drop for ExchangeNotice {
    fn drop(&mut self) {
        self.0.exchanging.send_replace(false);
    }
}

impl StoreReader {
    /// Serves a tree. Records that are asked for take `recent` bytes of memory at most.
    pub(super) fn new(path: PathBuf, tree: Db, recent: u64, check: RecordCheck) -> Self {
        Self {
            path,
            tree: RwLock::new(Some(tree)),
            recent: Recent::new(recent),
            check,
            doubt: OnceLock::new(),
            exchanging: watch::Sender::new(false),
            failure: Mutex::default(),
            hidden: Mutex::default(),
            time: Arc::default(),
        }
    }

    /// Reads from the tree; a panic inside sled becomes an error.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Db) -> ::sled::Result<T>) -> Result<T, StoreError> {
        self.work("read", read)
    }

    /// Changes the tree, or brings it to disk; a panic inside sled becomes an error.
    pub(super) fn write<T>(&self, write: impl FnOnce(&Db) -> ::sled::Result<T>) -> Result<T, StoreError> {
        self.work("write", write)
    }

    fn work<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Db) -> ::sled::Result<T>,
    ) -> Result<T, StoreError> {
        self.is_trusted()?;
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref().ok_or_else(|| self.unavailable())?;
        match catch_unwind(AssertUnwindSafe(|| work(tree))) {
            Ok(result) => result.map_err(|error| explain(&self.path, action, error)),
            Err(panic) => Err(of_work(&self.path, action, &*panic)),
        }
    }

    /// Answers with what is read. While new files are being put in the place of the old ones, the answer
    /// waits for that.
    pub(super) fn answer<'a, T: Send + 'a>(
        &'a self,
        read: impl Fn(&Self) -> Result<T, StoreError> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        match read(self) {
            Err(StoreError::Unavailable { .. }) => {
                let mut exchanging = self.exchanging.subscribe();
                Box::pin(async move {
                    // The sender is here, so this is no error.
                    let _ = exchanging.wait_for(|is_exchanging| !is_exchanging).await;
                    read(self)
                })
            }
            answer => Box::pin(future::ready(answer)),
        }
    }

    /// Says that new files are being put in the place of the old ones, until what it returns is dropped.
    pub(super) fn begin_exchange(self: Arc<Self>) -> ExchangeNotice {
        self.exchanging.send_replace(true);
        ExchangeNotice(self)
    }

    pub(super) fn load(&self, id: SessionId) -> Result<Option<DiskRecord<Session>>, StoreError> {
        let key = tree_keys::session(id);
        let bytes = self.read(|tree| tree.get(&key))?;
        Ok(bytes.and_then(|bytes| {
            DiskRecord::session(&key, id, &bytes)
                .inspect_err(|error| {
                    // Logged out and never in: whoever it was can log in again.
                    tracing::error!(target: "jwtauth", path = ?self.path, session = id.log_id(), %error, "a session record cannot be read and is treated as gone");
                })
                .ok()
        }))
    }

    /// Like [`Self::load`], for a reader: what was read lately is not read again.
    pub(super) fn find(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        let ticket = match self.recent.find(id) {
            Ok(session) => return Ok(Some(session)),
            Err(ticket) => ticket,
        };
        // In this order: a session that is revealed meanwhile is one that was there.
        let session = self.load(id)?.map(|found| Arc::new(found.record));
        if session.is_some() && self.lock_hidden().contains(&id) {
            return Ok(None);
        }
        if let Some(session) = &session {
            self.recent.remember(&ticket, session);
        }
        Ok(session)
    }

    /// Tells whether a subject has no more sessions than this, dead or alive.
    pub(super) fn has_at_most(&self, subject: &str, max: usize) -> Result<bool, StoreError> {
        let prefix = tree_keys::subject(subject);
        self.read(|tree| {
            let keys = tree.scan_prefix(prefix).keys().take(max.saturating_add(1));
            Ok(keys.collect::<Result<Vec<_>, _>>()?.len() <= max)
        })
    }

    pub(super) fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let prefix = tree_keys::subject(subject);
        let keys = self.read(|tree| tree.scan_prefix(prefix).keys().collect::<Result<Vec<_>, _>>())?;
        let mut ids: Vec<_> = keys.iter().filter_map(|key| tree_keys::id_of(key)).collect();
        self.keep_visible(&mut ids, |id| *id);
        ids.into_iter().filter_map(|id| self.load(id).map(|found| Some(found?.record)).transpose()).collect()
    }

    /// Returns the sessions behind an id, in the order of ids. One that cannot be read is left out: `load`
    /// says so in the log.
    pub(super) fn sessions_after(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        let mut start = after;
        let mut page = Vec::new();
        while page.len() < limit {
            let wanted = limit - page.len();
            let keys = self.read(|tree| {
                let keys = tree.range(tree_keys::sessions_after(start)).keys().take(wanted);
                keys.collect::<Result<Vec<_>, _>>()
            })?;
            let mut ids: Vec<_> = keys.iter().filter_map(|key| tree_keys::id_of(key)).collect();
            let (is_last, last) = (keys.len() < wanted, ids.last().copied());
            self.keep_visible(&mut ids, |id| *id);
            for id in ids {
                page.extend(self.load(id)?.map(|found| found.record));
            }
            if is_last || last.is_none() {
                break;
            }
            start = last;
        }
        Ok(page)
    }

    pub(super) fn tokens_of(&self, session: SessionId) -> Result<Vec<TokenRecord>, StoreError> {
        let entries =
            self.read(|tree| tree.range(tree_keys::tokens_of(session)).collect::<Result<Vec<_>, _>>())?;
        Ok(entries.iter().filter_map(|(key, bytes)| token(key, bytes)).collect())
    }

    /// Keeps a session from readers that is about to be in the tree.
    pub(super) fn hide(&self, id: SessionId) {
        self.lock_hidden().insert(id);
    }

    /// Shows a session to readers if `waits` returns `true`, and returns that. A caller that gives up and
    /// then asks for the session finds it exactly if this has returned `true`.
    pub(super) fn reveal_if(&self, id: SessionId, waits: &dyn Fn() -> bool) -> bool {
        let mut hidden = self.lock_hidden();
        let waits = waits();
        if waits {
            hidden.remove(&id);
        }
        waits
    }

    /// Keeps records that the writer has just written, so that the first to ask for them reads no page.
    /// Called by the writer alone, so that nothing changes meanwhile.
    pub(super) fn keep<'a>(&self, written: impl IntoIterator<Item = &'a Arc<Session>>) {
        for session in written {
            if let Err(ticket) = self.recent.find(session.id)
                && !self.lock_hidden().contains(&session.id)
            {
                self.recent.remember(&ticket, session);
            }
        }
    }

    /// Leaves out sessions that are hidden.
    pub(super) fn keep_visible<T>(&self, sessions: &mut Vec<T>, id_of: impl Fn(&T) -> SessionId) {
        let hidden = self.lock_hidden();
        sessions.retain(|session| !hidden.contains(&id_of(session)));
    }

    /// Forgets sessions that were hidden and are not in the tree any more.
    pub(super) fn forget_hidden(&self, ids: &[SessionId]) {
        let mut hidden = self.lock_hidden();
        for id in ids {
            hidden.remove(id);
        }
    }

    fn lock_hidden(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        // OK because every change under the lock is one call.
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is wrong with the store: from now on it answers nothing but this.
    pub(super) fn refuse(&self, problem: String) {
        // First nobody is known any more: who asks the store then hears of the doubt.
        self.recent.close();
        if self.doubt.set(problem).is_ok() {
            self.check.end();
        }
    }

    /// Fails if something is wrong with the store.
    pub(super) fn is_trusted(&self) -> Result<(), StoreError> {
        self.doubt.get().map_or(Ok(()), |problem| Err(self.corrupt(problem)))
    }

    pub(super) fn unavailable(&self) -> StoreError {
        StoreError::Unavailable { path: self.path.clone(), cause: self.failure() }
    }

    /// Says why the store cannot be used, if it cannot.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says why the store cannot be used, to those who ask from now on; `None` if it can be used again. That
    /// it cannot be used is no reason.
    pub(super) fn note_failure(&self, error: Option<&StoreError>) {
        if !matches!(error, Some(StoreError::Unavailable { .. })) {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = error.map(|e| in_one_line(e));
        }
    }

    pub(super) fn corrupt(&self, problem: &str) -> StoreError {
        damaged(&self.path, problem.into())
    }
}

/// Reads the record of a token.
pub(super) fn token(key: &[u8], bytes: &[u8]) -> Option<TokenRecord> {
    let (session, kind) = tree_keys::parts_of_token(key)?;
    codec::decode_token(key, session, kind, bytes).ok()
}
