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
//! | totals in every batch, all records counted once it is open, a journal beside the data file | of 200 damaged files 82 opened with records silently missing |
//! | the sum of all checksums in the totals | of 600 damaged files 2 opened with a record as it was before its last change |
//! | every call under `catch_unwind` | 72 of those 200 panicked |
//! | drop and open anew after any failed write | after a full disk all writes fail until restart |
//! | the data file is looked for with each commit | 20 logins acknowledged in a file that was removed |
//! | snapshots that are not the last one are set aside | a stray one refused a whole store |
//! | 0700 for the directory, 0600 for files | world-readable |
//!
//! Reads go straight to sled from whatever thread asks: a cached one takes 2 us, handing it to another thread
//! 15 to 21 us. Changes go through the one [`Writer`] thread, which gathers those that wait in a group and
//! writes it as one batch: sled syncs its log about twice a batch, however small, so on a slow disk 50
//! refreshes took 1.7 s one by one. Until a change is on disk no reader sees it.
//!
//! `startup` opens a database, `store_identity` tells it from those of other stores, and `record_count` reads
//! what must be known first, or all of it. `record_checker` reads the rest while the store is used,
//! `record_check` says how far it is, and `record_tally` compares it with the totals. `reader` reads.
//! `operations`, `login_change`, `value_change`, `account_change` and `trail_change` run the rules,
//! `tree_change` says what is written, and `disk` writes it on the thread of `writer`. `recent` keeps what
//! readers ask for most, and `stamps` tells others who keep a record that it has changed. `found_trail` reads
//! the audit trail of a damaged store. `tree_copy` copies all records while they change, with the help of
//! `key_copy` and `follow`. `rebuild` makes a new database, for those who operate a store, and for
//! `compactor`, which writes a store anew while it is in use. When that is worth it says `growth`.
//! `departure` opens one whose records go elsewhere. `salvage` reads a damaged one without sled, `examine`
//! says what is damaged, and `rescue` repairs it. `tree_keys` and `files` say what stands where.

mod account_change;
mod account_lookup;
mod compaction_orders;
mod compactor;
mod departure;
mod diagnosis;
mod disk;
mod disk_record;
mod evidence;
pub(super) mod examine;
mod explain;
mod files;
mod follow;
mod found_trail;
mod growth;
mod key_copy;
mod login_change;
mod operations;
mod reader;
mod rebuild;
mod recent;
mod record_check;
mod record_checker;
mod record_count;
mod record_tally;
pub(in crate::store) mod refill;
pub(super) mod rescue;
mod salvage;
pub(super) mod shrink;
mod sled_config;
mod stamps;
mod startup;
mod store_identity;
mod surroundings;
mod threads;
mod trail_change;
mod tree_change;
mod tree_copy;
mod tree_keys;
mod trial;
mod value_change;
mod writer;
mod written_tree;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use self::compactor::Compactor;
pub use self::diagnosis::{
    AccountRef, Condition, Diagnosis, FileDamage, Finding, LostSessions, RecordCounts,
};
use self::disk::Disk;
use self::explain::of_panic;
pub(crate) use self::files::SOCKET;
pub(in crate::store) use self::files::store_lock::is_contended;
use self::login_change::{LoginChange, LookRound};
use self::reader::StoreReader;
use self::record_check::RecordCheck;
use self::record_checker::RecordChecker;
pub use self::rescue::Repaired;
pub use self::sled_config::SledConfig;
use self::startup::Opened;
use self::writer::Writer;
use super::account_store::AccountStore;
use super::compact_store::CompactStore;
use super::event_store::EventStore;
use super::requests::{
    LoginEffects, RotationRequest, StoreFuture, StoreSize, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
use super::session_pages::SessionPages;
use super::session_store::SessionStore;
use super::token_store::TokenStore;
use super::value_store::ValueStore;
use super::whole_store::WholeStore;
use crate::clock::TimeMark;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::registry::TokenRecord;

/// Keeps sessions in a directory of its own. Durable: see [`SledStore::open`].
///
/// One process at a time may have a directory open. A clone is another handle of the same store, so that one
/// may serve several parts of a program. When the last handle is dropped, all changes are on disk and the
/// directory is free again.
#[derive(Clone)]
pub struct SledStore {
    /// In front of the writer: it is dropped first.
    compactor: Arc<Compactor>,
    /// Likewise. It only has to be there.
    _checker: Arc<RecordChecker>,
    reader: Arc<StoreReader>,
    writer: Arc<Writer<Disk>>,
}

impl SledStore {
    /// Opens the store in a directory, or makes a new one there. Takes a path, or a [`SledConfig`].
    ///
    /// The directory is made private (0700, files 0600), whatever the umask. If something has widened a mode
    /// since, that is mended with a warning. Everything of the store lies in the directory. Files of others
    /// in it are left alone, with a warning.
    ///
    /// A store that was cut short, damaged, or whose data file was replaced by an older one is refused
    /// instead of believed. An older copy of the whole directory is believed, unless there is a
    /// [`rollback_counter`](SledConfig::rollback_counter). Every record is read once and its checksum
    /// compared: of a small store before this returns, and of a large one while it is used
    /// ([`verify_first`](SledConfig::verify_first)). The log is looked through before that, which takes
    /// 0.7 ms a megabyte: if something is wrong in it, or may be missing, a copy is kept until the store is
    /// open, if the disk has room for it. In a file above 256 MB, what may be free space does not count as
    /// missing.
    ///
    /// A store of an earlier layout, which has a file `<path>.journal` beside it, is taken over: the number
    /// in that file moves into the directory, and the file is removed.
    ///
    /// A change is answered only when it would survive `kill -9` and a power cut.
    ///
    /// # Errors
    ///
    /// No session is changed when one of these is returned, and the same is returned the next time.
    ///
    /// - [`StoreError::Locked`]: another process has it open, and did not end within
    ///   [`lock_timeout`](SledConfig::lock_timeout).
    /// - [`StoreError::Permission`]: the directory cannot be made, read or written.
    /// - [`StoreError::NewerLayout`]: a newer release of this crate wrote it.
    /// - [`StoreError::NotAStore`]: the directory holds something else; it is left as it was.
    /// - [`StoreError::Missing`]: a counter outside the directory says that it held accounts, and it is not
    ///   there or empty. Its volume may not be mounted. Nothing was made.
    /// - [`StoreError::Corrupt`]: files are damaged. They are as they were before.
    /// - [`StoreError::MixedFiles`]: its data file and its journal are of two stores.
    /// - [`StoreError::RolledBack`]: acknowledged changes are missing. The same goes for sled's log.
    /// - [`StoreError::Io`]: the operating system refused something else, such as space, a lock, or a thread.
    /// - [`StoreError::ToldToEnd`]: the process was told to end meanwhile.
    /// - [`StoreError::OtherAddress`]: it is the URL of a database, which is no directory. Nothing was made.
    pub async fn open(config: impl Into<SledConfig>) -> Result<Self, StoreError> {
        let config = config.into();
        let shown = config.path.clone();
        let opening = move || {
            let config = config.absolute()?;
            let path = config.path.clone();
            let opened = Opened::open(config)?;
            let check = RecordCheck::new(opened.state.first, opened.state.totals);
            let recent = opened.state.config.cache_of_records();
            let reader = Arc::new(StoreReader::new(path.clone(), opened.tree, recent, check));
            let disk = Disk::new(Arc::clone(&reader), opened.state);
            let orders = Arc::clone(&disk.compactions);
            let failed = |source| threads::too_few(&path, source);
            let writer = Writer::start(disk).map_err(failed)?;
            let compactor = Compactor::start(Arc::clone(&reader), &writer, orders).map_err(failed)?;
            let checker = RecordChecker::start(Arc::clone(&reader)).map_err(failed)?;
            let (compactor, _checker) = (Arc::new(compactor), Arc::new(checker));
            Ok(Self { compactor, _checker, reader, writer: Arc::new(writer) })
        };
        let path = shown.clone();
        // Where a disk fails, sled panics also when it is closed.
        let opening = move || {
            let opened = catch_unwind(AssertUnwindSafe(opening));
            opened.unwrap_or_else(|panic| Err(of_panic(&path, "open", &*panic)))
        };
        threads::open(&shown, opening).await
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.reader.path).finish_non_exhaustive()
    }
}

impl SessionStore for SledStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.submit_in_two(LoginChange { session, effects }))
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        Box::pin(async move {
            let look = self.reader.answer(|reader| reader.look_round(&session, &effects)).await?;
            match look {
                LookRound::Alone(own) => Ok(own),
                LookRound::Crowded => self.writer.submit(move |disk| disk.hand_out(&session, &effects)).await,
            }
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.reader.answer(move |reader| reader.find(id))
    }

    fn is_verified(&self) -> bool {
        self.reader.is_verified()
    }

    fn failure(&self) -> Option<String> {
        self.reader.failure()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn stamp(&self, id: SessionId) -> Option<u64> {
        self.reader.recent.stamp(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        Box::pin(self.writer.submit(move |disk| disk.rotate(&request)))
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        // Nobody waits, and it is done all the same.
        drop(self.writer.insist(move |disk| disk.confirm(id, generation)));
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.insist(move |disk| disk.revoke(id, revocation)))
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        Box::pin(self.writer.insist(move |disk| disk.revoke_subject(&subject, &revocation)))
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        Box::pin(self.writer.insist(move |disk| disk.revoke_token(&revocation)))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.reader.answer(move |reader| reader.sessions_of(&subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        Box::pin(self.writer.submit(move |disk| disk.update_user(&subject, &update)))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(self.writer.submit(move |disk| disk.sweep(now, limit)))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.submit(Disk::flush))
    }

    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        let totals = self.writer.submit(|disk| {
            disk.ready()?;
            Ok(disk.totals())
        });
        Box::pin(async move {
            let bytes = self.reader.answer(|reader| reader.read(|tree| tree.size_on_disk()));
            let (totals, bytes) = (totals.await?, bytes.await?);
            Ok(Some(StoreSize { bytes: Some(bytes), ..StoreSize::new(totals.sessions, totals.accounts) }))
        })
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.reader.time)
    }

    fn operator_socket(&self) -> Option<PathBuf> {
        Some(self.reader.path.join(SOCKET))
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Some(self)
    }

    fn compact_store(self: Arc<Self>) -> Option<Arc<dyn CompactStore>> {
        Some(self)
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Some(self)
    }

    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        Some(self)
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Some(self)
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Some(self)
    }
}

impl SessionPages for SledStore {
    fn sessions_after(&self, after: Option<SessionId>, limit: usize) -> StoreFuture<'_, Vec<Session>> {
        self.reader.answer(move |reader| reader.sessions_after(after, limit))
    }
}

impl TokenStore for SledStore {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        self.reader.answer(move |reader| reader.tokens_of(session))
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(self.writer.submit(move |disk| disk.archive(before, limit)))
    }
}
