//! What tells those who keep a record that it may have changed: a number for each part of all ids.
//!
//! # Invariants
//!
//! 1. A number that was seen before a change of one of its records is never seen again once the change has
//!    begun.
//! 2. There is none while a record of its part is being changed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::SessionId;

/// How many numbers there are. With as many changes a second, one that nothing has changed is asked for once
/// a second.
const PARTS: usize = 4096;

/// The beginning or the end of a change, in the upper half. The lower half counts those under way.
const CHANGE: u64 = 1 << 32;

pub(super) struct Stamps(Box<[AtomicU64]>);

impl Default for Stamps {
    fn default() -> Self {
        Self((0..PARTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Stamps {
    pub(super) fn of(&self, id: SessionId) -> Option<u64> {
        Some(self.part(id).load(Ordering::SeqCst)).filter(|stamp| stamp % CHANGE == 0)
    }

    pub(super) fn begin(&self, id: SessionId) {
        self.part(id).fetch_add(CHANGE + 1, Ordering::SeqCst);
    }

    pub(super) fn end(&self, id: SessionId) {
        self.part(id).fetch_add(CHANGE - 1, Ordering::SeqCst);
    }

    /// Says that each record may have changed.
    pub(super) fn change_all(&self) {
        for part in &self.0 {
            part.fetch_add(CHANGE, Ordering::SeqCst);
        }
    }

    /// Says that each record is being changed, for ever.
    pub(super) fn close(&self) {
        for part in &self.0 {
            part.fetch_add(CHANGE + 1, Ordering::SeqCst);
        }
    }

    fn part(&self, id: SessionId) -> &AtomicU64 {
        // Ids are random.
        let [first, second, ..] = *id.as_bytes();
        &self.0[usize::from(u16::from_be_bytes([first, second])) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_seen_again_after_a_change() {
        let (stamps, one) = (Stamps::default(), SessionId::from_bytes([1; 16]));
        let other = SessionId::from_bytes([2; 16]);
        let mut seen = vec![stamps.of(one).unwrap()];
        let before = stamps.of(other);
        // Two records of one part may be changed at a time.
        for depth in [1, 1, 2, 3] {
            (0..depth).for_each(|_| stamps.begin(one));
            for _ in 0..depth {
                assert_eq!(stamps.of(one), None);
                stamps.end(one);
            }
            let stamp = stamps.of(one).unwrap();
            assert!(!seen.contains(&stamp));
            seen.push(stamp);
        }
        assert_eq!(stamps.of(other), before);
        stamps.change_all();
        assert!(stamps.of(other) != before && !seen.contains(&stamps.of(one).unwrap()));
    }
}
