//! Records that were read or written lately, so that most requests of a logged-in user ask no page of sled.
//!
//! # Invariants
//!
//! 1. While a record is being changed, and until nobody can bring an older one, it is not kept: readers ask
//!    the tree. So what a reader has seen once, none sees undone, and a change is seen once it is answered.
//! 2. Only records that were there are kept, so a session that is new is never hidden.
//! 3. All records together take no more memory than was said. Those that are asked for again stay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::stamps::Stamps;
use crate::device::Device;
use crate::id::SessionId;
use crate::record::Session;

/// How many parts there are, each with its own lock and its share of the memory.
const PARTS: u64 = 16;

/// How many bytes a record usually takes. So many that were driven out are known by their hashes.
const USUAL: u64 = 1_024;

/// What the cache takes for a record beside its bytes: its place in a table that may be half empty.
const PLACE: usize = 128;

/// What the allocator takes for a text beside its bytes, more or less.
const ALLOCATION: usize = 16;

pub(super) struct Recent {
    parts: Box<[Mutex<Part>]>,
    stamps: Stamps,
}

struct Part {
    /// Counts beginnings and ends of changes, so that a reader notices that its record may be an old one.
    changes: u64,
    /// How many changes have begun and not ended.
    open: u64,
    sessions: Cache<SessionId, RecentSession, SessionWeigher>,
}

struct RecentSession {
    session: Arc<Session>,
    weight: u64,
}

#[derive(Clone)]
struct SessionWeigher;

impl Weighter<SessionId, RecentSession> for SessionWeigher {
    fn weight(&self, _: &SessionId, recent: &RecentSession) -> u64 {
        recent.weight
    }
}

/// Says when a reader began to read from the tree.
pub(super) struct Ticket(u64);

impl Recent {
    /// Makes an empty one that takes so many bytes of memory at most.
    pub(super) fn new(bytes: u64) -> Self {
        let bytes = bytes / PARTS;
        let part = |_| {
            // OK because 16 parts of all the memory there is hold no more records than this counts.
            let records = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
            let sessions = Cache::with_weighter(records, bytes, SessionWeigher);
            Mutex::new(Part { changes: 0, open: 0, sessions })
        };
        Self { parts: (0..PARTS).map(part).collect(), stamps: Stamps::default() }
    }

    /// Returns a record, or a ticket to bring it with when it was read from the tree.
    pub(super) fn find(&self, id: SessionId) -> Result<Arc<Session>, Ticket> {
        let part = self.part(id);
        part.sessions.get(&id).map(|recent| Arc::clone(&recent.session)).ok_or(Ticket(part.changes))
    }

    /// Returns the number that a record has until it is changed.
    pub(super) fn stamp(&self, id: SessionId) -> Option<u64> {
        self.stamps.of(id)
    }

    /// Keeps a record that was read after the ticket was taken, unless something changed meanwhile.
    pub(super) fn remember(&self, ticket: &Ticket, session: &Arc<Session>) {
        let mut part = self.part(session.id);
        if part.changes != ticket.0 || part.open > 0 {
            return;
        }
        let recent = RecentSession { session: Arc::clone(session), weight: weight_of(session) };
        part.sessions.insert(session.id, recent);
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

    /// Drops everything, and keeps nothing any more.
    pub(super) fn close(&self) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.changes += 1;
            part.open += 1;
            part.sessions.clear();
        }
        self.stamps.close();
    }

    fn part(&self, id: SessionId) -> MutexGuard<'_, Part> {
        // Ids are random. OK to go on after a panic, because no change here can stop half-way.
        let part = usize::from(id.as_bytes()[0]) % self.parts.len();
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many bytes of memory a record takes.
fn weight_of(session: &Session) -> u64 {
    let Session { subject, roles, scopes, user, user_kind, revoked_tokens, device, api_key, .. } = session;
    let Device { app, app_version, os, os_version, model, id, user_agent, address: _ } = device;
    let texts = [user_kind, app, app_version, os, os_version, model, id, user_agent].into_iter().flatten();
    let of_key = api_key.iter().flat_map(|key| key.roles.iter().chain(&key.scopes).chain([&key.name]));
    let names = roles.iter().chain(scopes).chain(of_key);
    let texts = texts.chain(names).map(|text| size_of::<String>() + ALLOCATION + text.len());
    let lists = user.as_ref().map_or(0, Vec::len) + size_of_val(&**revoked_tokens) + 4 * ALLOCATION;
    (PLACE + size_of::<Session>() + subject.len() + lists + texts.sum::<usize>()) as u64
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
        let recent = Recent::new(1024 * 1024);
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

    fn remember(recent: &Recent, session: &Arc<Session>) {
        if let Err(ticket) = recent.find(session.id) {
            recent.remember(&ticket, session);
        }
    }

    #[test]
    fn what_is_closed_keeps_nothing_and_has_no_stamp() {
        let recent = Recent::new(1024 * 1024);
        let session = session(1, 0);
        remember(&recent, &session);
        recent.begin(&[session.id]);
        recent.close();
        recent.end(&[session.id]);
        remember(&recent, &session);
        assert!(recent.find(session.id).is_err());
        assert_eq!(recent.stamp(session.id), None);
    }

    /// However large the records are. What is asked for again and again stays.
    #[test]
    fn memory_is_bounded_in_bytes() {
        const BYTES: u64 = 1024 * 1024;
        for user in [0, 5_000] {
            let (recent, favourite) = (Recent::new(BYTES), session(1, user));
            remember(&recent, &favourite);
            for number in 1..=3 * BYTES as u128 / (user as u128 + 500) {
                remember(&recent, &session(number << 64 | number << 120, user));
                assert!(recent.find(favourite.id).is_ok(), "after {number}");
            }
            let parts = || recent.parts.iter().map(|part| part.lock().unwrap());
            assert!(parts().all(|part| part.sessions.weight() <= BYTES / PARTS));
            let weight: u64 = parts().map(|part| part.sessions.weight()).sum();
            assert!(weight > BYTES / 2, "{weight}");
        }
    }

    #[test]
    fn a_record_that_is_too_large_drives_out_no_other() {
        let recent = Recent::new(64 * 1024);
        let (fits, too_large) = (session(1, 500), session(2, 64 * 1024));
        remember(&recent, &fits);
        remember(&recent, &too_large);
        assert!(recent.find(fits.id).is_ok() && recent.find(too_large.id).is_err());
    }

    /// The tree is a number that a writer counts up. What it has answered, every later reader sees.
    #[test]
    fn r_14_no_reader_sees_less_than_was_answered_before() {
        use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
        const CHANGES: u64 = 20_000;
        let (recent, tree, answered) = (Recent::new(1024 * 1024), AtomicU64::new(0), AtomicU64::new(0));
        let id = SessionId::from_bytes([7; 16]);
        let ids = [id];
        let at = |generation| Arc::new(Session { id, generation, ..sample::session(1, "1") });
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while answered.load(SeqCst) < CHANGES {
                        let before = answered.load(SeqCst);
                        let generation = match recent.find(id) {
                            Ok(session) => session.generation,
                            Err(ticket) => {
                                let session = at(tree.load(SeqCst));
                                recent.remember(&ticket, &session);
                                session.generation
                            }
                        };
                        assert!(generation >= before.max(seen), "{generation} after {before} and {seen}");
                        seen = generation;
                    }
                });
            }
            for change in 1..=CHANGES {
                recent.begin(&ids);
                tree.store(change, SeqCst);
                recent.end(&ids);
                answered.store(change, SeqCst);
            }
        });
    }
}
