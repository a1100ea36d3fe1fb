//! A store in memory that says that other processes use it, and counts how often a session is loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::TimeMark;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::store::{
    LoginEffects, MemoryStore, RotationRequest, SessionStore, StoreFuture, SubjectRevocation, Swept,
    TokenRevocation, UserUpdate,
};

#[derive(Debug)]
pub(super) struct SharedStore {
    inner: MemoryStore,
    time: Arc<TimeMark>,
    loads: AtomicUsize,
}

impl SharedStore {
    pub(super) fn new() -> Self {
        Self { inner: MemoryStore::new(), time: Arc::new(TimeMark::of_many()), loads: AtomicUsize::new(0) }
    }

    pub(super) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

impl SessionStore for SharedStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.inner.insert(session, effects)
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.inner.hand_out(session, effects)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.inner.rotate(request)
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        self.inner.confirm(id, generation);
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.inner.revoke(id, revocation)
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.inner.revoke_subject(subject, revocation)
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        self.inner.revoke_token(revocation)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.inner.sessions_of(subject)
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.inner.update_user(subject, update)
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.inner.sweep(now, limit)
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.inner.flush()
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.time)
    }
}
