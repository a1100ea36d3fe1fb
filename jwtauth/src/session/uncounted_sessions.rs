//! Sessions that do not count where sessions are limited, because the answer to their login has not left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;
use crate::record::Session;

/// The sessions of logins that are pending in this process, by their subject.
#[derive(Debug, Default)]
pub(super) struct UncountedSessions(Mutex<HashMap<String, Vec<SessionId>>>);

impl UncountedSessions {
    pub(super) fn add(self: &Arc<Self>, session: &Session) -> UncountedSession {
        let (subject, id) = (session.subject.clone(), session.id);
        self.lock().entry(subject.clone()).or_default().push(id);
        UncountedSession { all: Arc::clone(self), subject, id }
    }

    pub(super) fn of(&self, subject: &str) -> Vec<SessionId> {
        self.lock().get(subject).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<SessionId>>> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that does not count. It counts when this is dropped.
#[derive(Debug)]
pub(super) struct UncountedSession {
    all: Arc<UncountedSessions>,
    subject: String,
    id: SessionId,
}

impl Drop for UncountedSession {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let Some(theirs) = all.get_mut(&self.subject) else { return };
        theirs.retain(|id| *id != self.id);
        if theirs.is_empty() {
            all.remove(&self.subject);
        }
    }
}
