//! The logins of one form that was sent more than once, as by a second click on a slow line.
//!
//! A browser takes one of the answers. Which one nobody knows here: requests come in another order than they
//! were sent, and the handler of one goes on whose client is gone. So no such login ends another one, or
//! crowds it out. The session that is used is the one whose answer arrived: then the others end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;

/// How many sessions of a form are remembered. More crowd each other out, as those of different forms do.
const REMEMBERED: usize = 8;

/// The sessions of one form, the newest last.
#[derive(Debug, Default)]
pub(crate) struct SameForm(Mutex<Vec<FormSession>>);

#[derive(Debug)]
struct FormSession {
    id: SessionId,
    is_used: bool,
}

impl SameForm {
    /// Adds a session that replaces others. The browser had the cookies of these when it sent the form again,
    /// so they end with the answer, and their use says nothing of this one.
    pub(super) fn add(&self, id: SessionId, replaces: &[SessionId]) {
        let mut all = self.lock();
        all.retain(|other| !replaces.contains(&other.id));
        if all.len() == REMEMBERED {
            all.remove(0);
        }
        all.push(FormSession { id, is_used: false });
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.lock().iter().map(|session| session.id).collect()
    }

    /// Notes that a session was used. Returns the others that were not, or `None` if it is of another form.
    pub(crate) fn unused_beside(&self, used: SessionId) -> Option<Vec<SessionId>> {
        let mut all = self.lock();
        all.iter_mut().find(|session| session.id == used)?.is_used = true;
        Some(all.iter().filter(|session| !session.is_used).map(|session| session.id).collect())
    }

    /// Forgets a session that has ended, or is used elsewhere.
    pub(crate) fn forget(&self, id: SessionId) {
        self.lock().retain(|session| session.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<FormSession>> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-33: which sessions end when one is used.
    #[test]
    fn n_33_only_unused_sessions_of_the_same_form_end() {
        let [a, b, c, d, other] = [1, 2, 3, 4, 5].map(|id| SessionId::from_bytes([id; 16]));
        let form = SameForm::default();
        form.add(a, &[]);
        form.add(b, &[other]);
        assert_eq!(form.sessions(), [a, b], "neither replaces the other");
        assert_eq!(form.unused_beside(other), None);
        assert_eq!(form.unused_beside(b), Some(vec![a]));
        form.forget(a);
        form.add(c, &[]);
        assert_eq!(form.unused_beside(c), Some(vec![]), "b was used");
        form.add(d, &[c]);
        assert_eq!(form.sessions(), [b, d], "c ends with the answer of d");
        assert_eq!(form.unused_beside(c), None);
        for id in 10..30 {
            form.add(SessionId::from_bytes([id; 16]), &[]);
        }
        assert_eq!(form.sessions().len(), REMEMBERED);
    }
}
