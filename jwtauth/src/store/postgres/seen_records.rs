//! Records that a request has read and still holds: what its change is decided by, without another look.
//!
//! Mostly a change follows a read of the same record, in the same request, and nothing has happened in
//! between. The change is written if the record stands as it was read (`replace_session`), and decided anew
//! if not.
//!
//! # Invariants
//!
//! 1. Nothing is let in or refused by what is here. What was decided by it counts when the database has found
//!    the very same record.
//! 2. Memory is bounded. A record goes with the last request that holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::freshness::number;
use crate::id::SessionId;
use crate::record::Session;

/// How many there are. Of two that meet in one place, the one that was read last stays.
const PLACES: usize = 1_024;

pub(super) struct SeenRecords(Box<[Mutex<Weak<Session>>]>);

impl Default for SeenRecords {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

impl SeenRecords {
    fn place(&self, id: SessionId) -> MutexGuard<'_, Weak<Session>> {
        // OK because every change under the lock is one assignment.
        self.0[number(id) as usize % PLACES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, session: &Arc<Session>) {
        *self.place(session.id) = Arc::downgrade(session);
    }

    pub(super) fn of(&self, id: SessionId) -> Option<Arc<Session>> {
        self.place(id).upgrade().filter(|session| session.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TokenId;
    use crate::record::Successor;

    fn session(last: u8) -> Arc<Session> {
        let tokens = Successor::new(TokenId::from_bytes([1; 16]), TokenId::from_bytes([2; 16]));
        let mut id = [0; 16];
        id[15] = last;
        Arc::new(Session::new(SessionId::from_bytes(id), "a", 100, tokens))
    }

    #[test]
    fn a_record_is_there_as_long_as_somebody_holds_it_and_no_other_took_its_place() {
        let seen = SeenRecords::default();
        // The place goes by the first bytes.
        let (first, second) = (session(1), session(2));
        seen.note(&first);
        assert_eq!(seen.of(first.id), Some(Arc::clone(&first)));
        assert_eq!(seen.of(second.id), None);
        seen.note(&second);
        assert_eq!((seen.of(first.id), seen.of(second.id)), (None, Some(Arc::clone(&second))));
        let id = second.id;
        drop(second);
        assert_eq!(seen.of(id), None);
    }
}
