//! A session store that fails when told to, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use jwtauth::store::{EndToken, Opening, Presented, StoreFuture, Swept, UserUpdate};
use jwtauth::{MemoryStore, Revocation, Rotation, Session, SessionId, SessionStore, StoreError, TokenRecord};

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
}

const FAULTS: [Fault; 4] = [Fault::None, Fault::Error, Fault::ErrorButDone, Fault::Hang];

/// A memory store with faults to switch on, for reads and for changes. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Faulty {
    /// Where the sessions are, without faults.
    pub inner: Arc<MemoryStore>,
    reads: Arc<AtomicU8>,
    changes: Arc<AtomicU8>,
    loads: Arc<AtomicUsize>,
}

impl Faulty {
    /// Sets what reads and changes do from now on.
    pub fn set(&self, reads: Fault, changes: Fault) {
        self.reads.store(reads as u8, Ordering::SeqCst);
        self.changes.store(changes as u8, Ordering::SeqCst);
    }

    /// Returns how often a session was loaded.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn with<'a, T: Send + 'a>(
        fault: &AtomicU8,
        call: impl FnOnce() -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let failed = || Err(StoreError::Backend("on purpose".into()));
        match FAULTS[usize::from(fault.load(Ordering::SeqCst))] {
            Fault::None => call(),
            Fault::Error => Box::pin(async move { failed() }),
            Fault::ErrorButDone => {
                let done = call();
                Box::pin(async move {
                    done.await?;
                    failed()
                })
            }
            Fault::Hang => Box::pin(std::future::pending()),
        }
    }
}

impl SessionStore for Faulty {
    fn insert(&self, session: Session, opening: Opening) -> StoreFuture<'_, ()> {
        Self::with(&self.changes, || self.inner.insert(session, opening))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        Self::with(&self.reads, || self.inner.load(id))
    }

    fn rotate(&self, presented: Presented) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        Self::with(&self.changes, || self.inner.rotate(presented))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        Self::with(&self.changes, || self.inner.revoke(id, revocation))
    }

    fn revoke_subject(
        &self,
        subject: String,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> StoreFuture<'_, usize> {
        Self::with(&self.changes, || self.inner.revoke_subject(subject, except, revocation))
    }

    fn end_token(&self, end: EndToken) -> StoreFuture<'_, bool> {
        Self::with(&self.changes, || self.inner.end_token(end))
    }

    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        Self::with(&self.reads, || self.inner.tokens_of(session))
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Self::with(&self.changes, || self.inner.archive(before, limit))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        Self::with(&self.reads, || self.inner.sessions_of(subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        Self::with(&self.changes, || self.inner.update_user(subject, update, now))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Self::with(&self.changes, || self.inner.sweep(now, limit))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        Self::with(&self.changes, || self.inner.flush())
    }
}
