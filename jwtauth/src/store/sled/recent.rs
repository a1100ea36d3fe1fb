//! Records that were read lately, so that most requests of a logged-in user ask no page of sled.
//!
//! # Invariants
//!
//! 1. Nothing is found that is older than the tree was when the last [`Recent::forget`] returned: a change
//!    is answered after that, so the next request sees it.
//! 2. Only records that were there are kept, so a session that is new is never hidden.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;
use crate::record::Session;

/// How many parts there are, each with its own lock.
const PARTS: usize = 16;

/// How many records a part holds: 8192 in all.
const PART_LEN: usize = 512;

/// The largest user value that is kept, in bytes: 32 MB in all, if every record has one.
const MAX_USER: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct Recent([Mutex<Part>; PARTS]);

#[derive(Default)]
struct Part {
    /// Counts what was forgotten, so that a reader notices that its record may be an old one.
    forgotten: u64,
    sessions: HashMap<SessionId, Arc<Session>>,
}

/// Says when a reader began to read from the tree.
pub(super) struct Ticket(u64);

impl Recent {
    /// Returns a record, or a ticket to bring it with when it was read from the tree.
    pub(super) fn find(&self, id: SessionId) -> Result<Arc<Session>, Ticket> {
        let part = self.part(id);
        part.sessions.get(&id).cloned().ok_or(Ticket(part.forgotten))
    }

    /// Keeps a record that was read after the ticket was taken, unless something changed meanwhile.
    pub(super) fn remember(&self, ticket: &Ticket, session: &Arc<Session>) {
        if session.user.as_ref().is_some_and(|user| user.len() > MAX_USER) {
            return;
        }
        let mut part = self.part(session.id);
        if part.forgotten != ticket.0 {
            return;
        }
        if part.sessions.len() >= PART_LEN {
            part.sessions.clear();
        }
        part.sessions.insert(session.id, Arc::clone(session));
    }

    /// Drops a record that the tree may hold differently by now.
    pub(super) fn forget(&self, id: SessionId) {
        let mut part = self.part(id);
        part.forgotten += 1;
        part.sessions.remove(&id);
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        for part in &self.0 {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.forgotten += 1;
            part.sessions.clear();
        }
    }

    fn part(&self, id: SessionId) -> MutexGuard<'_, Part> {
        // Ids are random. OK to go on after a panic, because no change here can stop half-way.
        let part = usize::from(id.as_bytes()[0]) % PARTS;
        self.0[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u128, user: usize) -> Arc<Session> {
        let id = SessionId::from_bytes(number.to_be_bytes());
        Arc::new(Session { id, user: Some(vec![b' '; user]), ..Session::sample(1) })
    }

    fn ticket(recent: &Recent, id: SessionId) -> Ticket {
        recent.find(id).expect_err("it is not there")
    }

    #[test]
    fn a_record_read_before_a_change_is_not_kept_after_it() {
        let recent = Recent::default();
        let session = session(1, 0);
        let early = ticket(&recent, session.id);
        recent.forget(session.id);
        recent.remember(&early, &session);
        let late = ticket(&recent, session.id);
        recent.remember(&late, &session);
        assert!(recent.find(session.id).is_ok());
        recent.forget(session.id);
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
