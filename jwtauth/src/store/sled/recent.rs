//! Records that were read lately, so that most requests of a logged-in user ask no page of sled.
//!
//! # Invariants
//!
//! 1. While a record is being changed, and until nobody can bring an older one, it is not kept: readers ask
//!    the tree. So what a reader has seen once, none sees undone, and a change is seen once it is answered.
//! 2. Only records that were there are kept, so a session that is new is never hidden.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stamps::Stamps;
use crate::id::SessionId;
use crate::record::Session;

/// How many parts there are, each with its own lock.
const PARTS: usize = 16;

/// How many records a part holds: 8192 in all.
const PART_LEN: usize = 512;

/// The largest user value that is kept, in bytes: 32 MB in all, if every record has one.
const MAX_USER: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct Recent {
    parts: [Mutex<Part>; PARTS],
    stamps: Stamps,
}

#[derive(Default)]
struct Part {
    /// Counts beginnings and ends of changes, so that a reader notices that its record may be an old one.
    changes: u64,
    /// How many changes have begun and not ended.
    open: u64,
    sessions: HashMap<SessionId, Arc<Session>>,
}

/// Says when a reader began to read from the tree.
pub(super) struct Ticket(u64);

impl Recent {
    /// Returns a record, or a ticket to bring it with when it was read from the tree.
    pub(super) fn find(&self, id: SessionId) -> Result<Arc<Session>, Ticket> {
        let part = self.part(id);
        part.sessions.get(&id).cloned().ok_or(Ticket(part.changes))
    }

    /// Returns the number that a record has until it is changed.
    pub(super) fn stamp(&self, id: SessionId) -> Option<u64> {
        self.stamps.of(id)
    }

    /// Keeps a record that was read after the ticket was taken, unless something changed meanwhile.
    pub(super) fn remember(&self, ticket: &Ticket, session: &Arc<Session>) {
        if session.user.as_ref().is_some_and(|user| user.len() > MAX_USER) {
            return;
        }
        let mut part = self.part(session.id);
        if part.changes != ticket.0 || part.open > 0 {
            return;
        }
        if part.sessions.len() >= PART_LEN {
            part.sessions.clear();
        }
        part.sessions.insert(session.id, Arc::clone(session));
    }

    /// Drops records that are about to change, and takes in none that belongs to the same part as one of
    /// them until [`Recent::end`].
    pub(super) fn begin(&self, ids: &[SessionId]) {
        for id in ids {
            self.stamps.begin(*id);
            let mut part = self.part(*id);
            part.changes += 1;
            part.open += 1;
            part.sessions.remove(id);
        }
    }

    /// Says that the tree holds the records as they are to be read from now on.
    pub(super) fn end(&self, ids: &[SessionId]) {
        for id in ids {
            let mut part = self.part(*id);
            part.changes += 1;
            part.open = part.open.saturating_sub(1);
            drop(part);
            self.stamps.end(*id);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.changes += 1;
            part.sessions.clear();
        }
        self.stamps.change_all();
    }

    fn part(&self, id: SessionId) -> MutexGuard<'_, Part> {
        // Ids are random. OK to go on after a panic, because no change here can stop half-way.
        let part = usize::from(id.as_bytes()[0]) % PARTS;
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn session(number: u128, user: usize) -> Arc<Session> {
        let id = SessionId::from_bytes(number.to_be_bytes());
        Arc::new(Session { id, user: Some(vec![b' '; user]), ..sample::session(1, "1") })
    }

    fn ticket(recent: &Recent, id: SessionId) -> Ticket {
        recent.find(id).expect_err("it is not there")
    }

    #[test]
    fn a_record_read_before_a_change_is_not_kept_after_it() {
        let recent = Recent::default();
        let session = session(1, 0);
        let ids = [session.id];
        let before = ticket(&recent, session.id);
        recent.begin(&ids);
        recent.remember(&before, &session);
        let meanwhile = ticket(&recent, session.id);
        recent.remember(&meanwhile, &session);
        assert!(recent.find(session.id).is_err(), "another reader may have seen the new one");
        recent.end(&ids);
        recent.remember(&before, &session);
        recent.remember(&meanwhile, &session);
        let after = ticket(&recent, session.id);
        recent.remember(&after, &session);
        assert!(recent.find(session.id).is_ok());
        recent.begin(&ids);
        recent.end(&ids);
        let early = ticket(&recent, session.id);
        recent.clear();
        recent.remember(&early, &session);
        assert!(recent.find(session.id).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let recent = Recent::default();
        let (fits, too_large) = (session(1, MAX_USER), session(2, MAX_USER + 1));
        for session in [&fits, &too_large] {
            recent.remember(&ticket(&recent, session.id), session);
        }
        assert!(recent.find(fits.id).is_ok() && recent.find(too_large.id).is_err());
        for number in 0..3 * PART_LEN as u128 {
            let session = session(number, 0);
            if let Err(ticket) = recent.find(session.id) {
                recent.remember(&ticket, &session);
            }
        }
        assert!(recent.part(fits.id).sessions.len() <= PART_LEN);
    }
}
