//! A session store that fails when told to, and counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jwtauth::clock::TimeMark;
use jwtauth::error::StoreError;
use jwtauth::store::{
    AccountStore, CompactStore, Compaction, EventDetails, EventRecord, EventStore, LoginEffects, NewValue,
    Revocation, Rotation, RotationRequest, SessionStore, StoreCopy, StoreFuture, StoreSize,
    SubjectRevocation, Swept, TokenRevocation, TokenStore, TrailHead, UserUpdate, ValueKey, ValueStore,
    WholeStore,
};
use jwtauth::{MemoryStore, Session, SessionId, TokenRecord};
use tokio::time::sleep;

/// What a call to the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// What it should.
    None,
    /// It fails and nothing happens.
    Error,
    /// It fails, and happened all the same: the worst that a network or a disk can do.
    ErrorButDone,
    /// It never answers.
    Hang,
    /// It happens [`LATE`] after it was called, even if nobody waits for it any more.
    Late,
    /// It happens at once, and the answer comes [`LATE`] after that.
    Slow,
}

const FAULTS: [Fault; 6] =
    [Fault::None, Fault::Error, Fault::ErrorButDone, Fault::Hang, Fault::Late, Fault::Slow];

/// How late a store is.
pub const LATE: Duration = Duration::from_secs(1);

/// A memory store with faults to switch on, for reads and for changes. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Faulty {
    /// Where the sessions are, without faults.
    pub inner: Arc<MemoryStore>,
    reads: Arc<AtomicU8>,
    changes: Arc<AtomicU8>,
    trail: Arc<AtomicU8>,
    hand_outs: Arc<AtomicU8>,
    loads: Arc<AtomicUsize>,
    value_loads: Arc<AtomicUsize>,
    /// How many changes of sessions have begun, if it says when a record has not changed.
    stamp: Option<Arc<AtomicU64>>,
    without_values: bool,
    without_size: bool,
    is_shared: bool,
    socket: Option<PathBuf>,
    /// Whether somebody waits for a compaction. It comes to no end.
    pub compacts: Arc<AtomicBool>,
}

impl Faulty {
    /// Sets what reads and changes do from now on.
    pub fn set(&self, reads: Fault, changes: Fault) {
        self.reads.store(reads as u8, Ordering::SeqCst);
        self.changes.store(changes as u8, Ordering::SeqCst);
    }

    /// Sets what a write of the audit trail does from now on.
    pub fn set_trail(&self, fault: Fault) {
        self.trail.store(fault as u8, Ordering::SeqCst);
    }

    /// Sets what happens from now on when the answer to a login leaves, beside what changes do.
    pub fn set_hand_outs(&self, fault: Fault) {
        self.hand_outs.store(fault as u8, Ordering::SeqCst);
    }

    /// Returns how often a session was loaded.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Makes a store that says that it keeps no values.
    #[must_use]
    pub fn without_values() -> Self {
        Self { without_values: true, ..Self::default() }
    }

    /// Makes a store that keeps accounts, and fails to count what it keeps.
    #[must_use]
    pub fn without_size() -> Self {
        Self { without_size: true, ..Self::default() }
    }

    /// Makes a store that says when no record has changed, so that what was loaded may be used again.
    #[must_use]
    pub fn with_stamps() -> Self {
        Self { stamp: Some(Arc::default()), ..Self::default() }
    }

    /// Makes a store that other processes use too.
    #[must_use]
    pub fn shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    /// Makes a store whose server listens to the program `jwtauth` at a path.
    #[must_use]
    pub fn with_socket(path: PathBuf) -> Self {
        Self { socket: Some(path), ..Self::default() }
    }

    /// Returns how often a value was loaded.
    #[must_use]
    pub fn value_loads(&self) -> usize {
        self.value_loads.load(Ordering::SeqCst)
    }

    fn count_change(&self) {
        if let Some(stamp) = &self.stamp {
            stamp.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn with<T: Send + 'static>(
        &self,
        fault: &AtomicU8,
        call: impl FnOnce(&MemoryStore) -> StoreFuture<'_, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        if std::ptr::eq(fault, &*self.changes) {
            self.count_change();
        }
        self.with_values(fault, call)
    }

    /// The same for what is no session: a server keeps its settings at any time after its start.
    fn with_values<T: Send + 'static>(
        &self,
        fault: &AtomicU8,
        call: impl FnOnce(&MemoryStore) -> StoreFuture<'_, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let failed = || Err(StoreError::Backend("on purpose".into()));
        match FAULTS[usize::from(fault.load(Ordering::SeqCst))] {
            Fault::None => call(&self.inner),
            Fault::Error => Box::pin(async move { failed() }),
            Fault::ErrorButDone => {
                let done = call(&self.inner);
                Box::pin(async move {
                    done.await?;
                    failed()
                })
            }
            Fault::Hang => Box::pin(std::future::pending()),
            Fault::Late => {
                let inner = Arc::clone(&self.inner);
                let late = tokio::spawn(async move {
                    sleep(LATE).await;
                    call(&inner).await
                });
                Box::pin(async move { late.await.expect("no store panics") })
            }
            Fault::Slow => {
                let done = call(&self.inner);
                Box::pin(async move {
                    let done = done.await;
                    sleep(LATE).await;
                    done
                })
            }
        }
    }
}

impl EventStore for Faulty {
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()> {
        self.with(&self.trail, move |store| store.append_events(events, keep))
    }

    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>> {
        self.inner.events_after(after, limit)
    }

    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>> {
        self.inner.trail_head()
    }
}

impl SessionStore for Faulty {
    fn insert(&self, session: Session, opening: LoginEffects) -> StoreFuture<'_, ()> {
        self.with(&self.changes, move |store| store.insert(session, opening))
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        let fault = if self.hand_outs.load(Ordering::SeqCst) == Fault::None as u8 {
            &self.changes
        } else {
            &self.hand_outs
        };
        self.with(fault, move |store| store.hand_out(session, effects))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.with(&self.reads, move |store| store.load(id))
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn stamp(&self, _: SessionId) -> Option<u64> {
        self.stamp.as_ref().map(|stamp| stamp.load(Ordering::SeqCst))
    }

    fn rotate(&self, presented: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.with(&self.changes, move |store| store.rotate(presented))
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        // Nobody waits for it, so it is done or not.
        let fault = FAULTS[usize::from(self.changes.load(Ordering::SeqCst))];
        if matches!(fault, Fault::None | Fault::ErrorButDone | Fault::Slow) {
            self.count_change();
            self.inner.confirm(id, generation);
        }
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.with(&self.changes, move |store| store.revoke(id, revocation))
    }

    fn revoke_subject(&self, subject: String, ends: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.with(&self.changes, move |store| store.revoke_subject(subject, ends))
    }

    fn revoke_token(&self, end: TokenRevocation) -> StoreFuture<'_, bool> {
        self.with(&self.changes, move |store| store.revoke_token(end))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.with(&self.reads, move |store| store.sessions_of(subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.with(&self.changes, move |store| store.update_user(subject, update))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.with(&self.changes, move |store| store.sweep(now, limit))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.with(&self.changes, move |store| store.flush())
    }

    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        let counted =
            if self.without_size { Err(StoreError::Backend("on purpose".into())) } else { Ok(None) };
        Box::pin(async move { counted })
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        if self.without_size { Some(Arc::clone(&self.inner) as _) } else { None }
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        SessionStore::time_mark(&*self.inner)
    }

    fn operator_socket(&self) -> Option<PathBuf> {
        self.socket.clone()
    }

    fn compact_store(self: Arc<Self>) -> Option<Arc<dyn CompactStore>> {
        Some(self)
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Some(self)
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        if self.without_values { None } else { Some(self) }
    }
}

/// Says so when nobody waits any more.
struct Waiting<'a>(&'a AtomicBool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl CompactStore for Faulty {
    fn compact(&self) -> StoreFuture<'_, Compaction> {
        self.compacts.store(true, Ordering::SeqCst);
        let waiting = Waiting(&self.compacts);
        Box::pin(async move {
            let _waiting = waiting;
            std::future::pending().await
        })
    }
}

/// A copy of it never begins.
impl WholeStore for Faulty {
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>> {
        Box::pin(std::future::pending())
    }
}

impl TokenStore for Faulty {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        self.with(&self.reads, move |store| store.tokens_of(session))
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.with(&self.changes, move |store| store.archive(before, limit))
    }
}

impl ValueStore for Faulty {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.value_loads.fetch_add(1, Ordering::SeqCst);
        self.with(&self.reads, move |store| store.load_value(key, now))
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        self.with_values(&self.changes, move |store| store.save_value(value))
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        self.with_values(&self.changes, move |store| store.remove_value(key, now))
    }

    fn insert_with_value(
        &self,
        session: Session,
        opening: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.with(&self.changes, move |store| store.insert_with_value(session, opening, value))
    }
}
