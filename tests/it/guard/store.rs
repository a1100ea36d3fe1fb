//! A store of sessions that counts and fails.

use super::*;

/// Keeps sessions in memory and counts how often one is loaded; may be down.
#[derive(Clone, Debug, Default)]
pub(super) struct CountingStore {
    inner: Arc<MemoryStore>,
    state: Arc<(AtomicUsize, Mutex<bool>)>,
}

impl CountingStore {
    pub(super) fn loads(&self) -> usize {
        self.state.0.load(Ordering::SeqCst)
    }

    pub(super) fn set_down(&self, down: bool) {
        *self.state.1.lock().expect("nobody panics") = down;
    }

    fn unless_down<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a MemoryStore) -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        if *self.state.1.lock().expect("nobody panics") {
            return failed();
        }
        ask(&self.inner)
    }
}

fn failed<'a, T: Send + 'a>() -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>> {
    Box::pin(ready(Err(StoreError::Backend("down".into()))))
}

impl SessionStore for CountingStore {
    fn insert(&self, session: Session, replaces: Vec<SessionId>) -> StoreFuture<'_, ()> {
        self.unless_down(|store| store.insert(session, replaces))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.state.0.fetch_add(1, Ordering::SeqCst);
        self.unless_down(|store| store.load(id))
    }

    fn rotate(&self, presented: Presented) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.unless_down(|store| store.rotate(presented))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.unless_down(|store| store.revoke(id, revocation))
    }

    fn revoke_subject(
        &self,
        subject: String,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> StoreFuture<'_, usize> {
        self.unless_down(|store| store.revoke_subject(subject, except, revocation))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.unless_down(|store| store.sessions_of(subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        self.unless_down(|store| store.update_user(subject, update, now))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.unless_down(|store| store.sweep(now, limit))
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.unless_down(|store| store.flush())
    }
}
