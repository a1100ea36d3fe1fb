//! A store that lives and dies with its process: for tests and throwaway programs.

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Presented, SessionStore, StoreFuture, Swept, UserUpdate};
use crate::id::SessionId;
use crate::record::{Reason, Revocation, Rotation, Session};

/// Keeps sessions in memory. Nothing survives the process.
///
/// One lock over one map: each operation is atomic because it is alone. A sweep looks at every
/// session, so this is no store for many of them.
#[derive(Default)]
pub struct MemoryStore(Mutex<HashMap<SessionId, Session>>);

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        // OK because no operation leaves the map half-changed when it panics: each ends in one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.lock().len()).finish()
    }
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<'static, T> {
    Box::pin(future::ready(Ok(value)))
}

impl SessionStore for MemoryStore {
    fn insert(&self, session: Session, replaces: Vec<SessionId>) -> StoreFuture<'_, ()> {
        let mut sessions = self.lock();
        let revocation = Revocation { at: session.created_at, reason: Reason::Replaced };
        for id in replaces {
            if let Some(replaced) = sessions.get_mut(&id) {
                replaced.revoke(revocation);
            }
        }
        sessions.insert(session.id, session);
        ready(())
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        ready(self.lock().get(&id).cloned().map(Arc::new))
    }

    fn rotate(&self, presented: Presented) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        let mut sessions = self.lock();
        ready(sessions.get_mut(&presented.session).map(|session| {
            let rotation =
                session.rotate(presented.generation, presented.now, presented.policy, presented.successor);
            (rotation, session.clone())
        }))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        ready(self.lock().get_mut(&id).is_some_and(|session| session.revoke(revocation)))
    }

    fn revoke_subject(
        &self,
        subject: String,
        except: Option<SessionId>,
        revocation: Revocation,
    ) -> StoreFuture<'_, usize> {
        let mut sessions = self.lock();
        let theirs =
            sessions.values_mut().filter(|session| session.subject == subject && Some(session.id) != except);
        ready(theirs.filter_map(|session| session.revoke(revocation).then_some(())).count())
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        ready(self.lock().values().filter(|session| session.subject == subject).cloned().collect())
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        let mut sessions = self.lock();
        let theirs =
            sessions.values_mut().filter(|session| session.subject == subject && session.is_live_at(now));
        ready(theirs.map(|session| update.apply(session)).count())
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        let mut sessions = self.lock();
        let mut expired: Vec<_> =
            sessions.values().filter(|session| session.expires_at <= now).map(|s| s.id).collect();
        let more = expired.len() > limit;
        expired.truncate(limit);
        for id in &expired {
            sessions.remove(id);
        }
        ready(Swept { removed: expired.len(), more })
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        ready(())
    }
}
