//! Rotations whose answer has not reached the client yet.
//!
//! A silent refresh spends a token when a request comes in, and hands out the successor when the answer
//! leaves. If the handler takes longer than the grace window, or the client goes away, the spent token would
//! look stolen although its owner never got another one. So while an answer with the successor is under way,
//! or if it was dropped, the spent token gets the same successor again. The grace window starts when the
//! answer leaves.
//!
//! Theft is still noticed, one step later: the successor also works only once.
//!
//! Kept in memory only. After a restart, and above [`MAX`] open answers, the plain grace window applies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;
use crate::record::Session;

const MAX: usize = 10_000;

/// The answers under way, by session: only the newest rotation of each matters.
#[derive(Debug, Default)]
pub(super) struct Deliveries(Mutex<HashMap<SessionId, OpenDelivery>>);

#[derive(Clone, Copy, Debug)]
struct OpenDelivery {
    generation: u64,
    /// When the session expires if it is not used, in Unix seconds.
    expires_at: u64,
    left_at: Option<u64>,
}

impl OpenDelivery {
    fn is_open(self, now: u64, grace: u64) -> bool {
        now < self.expires_at && self.left_at.is_none_or(|left_at| now.saturating_sub(left_at) < grace)
    }
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, OpenDelivery>> {
        // OK because every change under the lock is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the answer that hands out the current refresh token of a session that was just rotated.
    pub(super) fn start(self: &Arc<Self>, session: &Session, grace: u64) -> Delivery {
        let Session { id, generation, expires_at, rotated_at, .. } = *session;
        let mut entries = self.lock();
        if entries.len() >= MAX {
            entries.retain(|_, entry| entry.is_open(rotated_at, grace));
        }
        if entries.len() < MAX {
            entries.insert(id, OpenDelivery { generation, expires_at, left_at: None });
        }
        Delivery { deliveries: Arc::clone(self), session: id, generation, rotated_at }
    }

    /// Tells whether the client may have missed the successor of generation `spent`.
    pub(super) fn is_open(&self, session: SessionId, spent: u64, now: u64, grace: u64) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get(&session).copied() else { return false };
        let is_open = spent.checked_add(1) == Some(entry.generation) && entry.is_open(now, grace);
        // A token of the newest generation proves that it has arrived.
        if spent >= entry.generation || !entry.is_open(now, grace) {
            entries.remove(&session);
        }
        is_open
    }
}

/// One answer under way. If it is dropped without [`Delivery::left`], the client counts as not having got it.
#[derive(Debug)]
pub(crate) struct Delivery {
    deliveries: Arc<Deliveries>,
    session: SessionId,
    generation: u64,
    rotated_at: u64,
}

impl Delivery {
    /// Notes that the answer leaves at `now`, in Unix seconds.
    pub(super) fn left(&self, now: u64) {
        let mut entries = self.deliveries.lock();
        if let Some(entry) = entries.get_mut(&self.session)
            && entry.generation == self.generation
        {
            if now <= self.rotated_at {
                // It left at once: the window of the record says the same.
                entries.remove(&self.session);
            } else {
                entry.left_at = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    const ID: SessionId = SessionId::from_bytes([1; 16]);
    const GRACE: u64 = 30;

    /// A session that has just reached generation 5, at 100 s, and expires at 20,000 s.
    fn rotated(id: SessionId) -> Session {
        Session {
            id,
            generation: 5,
            absolute_expires_at: 20_000,
            expires_at: 20_000,
            ..sample::session(1, "1")
        }
    }

    #[test]
    fn a_rotation_is_open_until_its_answer_left_and_the_window_is_over() {
        let deliveries = Arc::new(Deliveries::default());
        let delivery = deliveries.start(&rotated(ID), GRACE);
        assert!(deliveries.is_open(ID, 4, 10_000, GRACE), "the handler is slow");
        assert!(!deliveries.is_open(ID, 3, 10_000, GRACE), "an older token");
        delivery.left(10_000);
        assert!(deliveries.is_open(ID, 4, 10_029, GRACE));
        assert!(!deliveries.is_open(ID, 4, 10_030, GRACE));
        assert!(deliveries.lock().is_empty());
    }

    #[test]
    fn an_answer_that_left_at_once_is_forgotten_at_once() {
        let deliveries = Arc::new(Deliveries::default());
        deliveries.start(&rotated(ID), GRACE).left(100);
        assert!(!deliveries.is_open(ID, 4, 100, GRACE));
        assert!(deliveries.lock().is_empty());
    }

    #[test]
    fn the_successor_itself_proves_that_it_arrived() {
        let deliveries = Arc::new(Deliveries::default());
        drop(deliveries.start(&rotated(ID), GRACE));
        assert!(deliveries.is_open(ID, 4, 200, GRACE), "the answer was dropped");
        assert!(!deliveries.is_open(ID, 5, 200, GRACE));
        assert!(!deliveries.is_open(ID, 4, 200, GRACE));
    }

    #[test]
    fn memory_is_bounded_and_comes_back_when_sessions_expire() {
        let deliveries = Arc::new(Deliveries::default());
        for number in 0..MAX as u128 + 10 {
            drop(deliveries.start(&rotated(SessionId::from_bytes(number.to_be_bytes())), GRACE));
        }
        assert_eq!(deliveries.lock().len(), MAX);
        let later = Session { rotated_at: 20_000, expires_at: 30_000, ..rotated(ID) };
        drop(deliveries.start(&later, GRACE));
        assert_eq!(deliveries.lock().len(), 1);
    }
}
