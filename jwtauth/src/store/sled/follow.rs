//! Which records change while a copy is made. The writer notes their keys when they are in the tree, and the
//! copy reads them again.
//!
//! # Invariants
//!
//! 1. A key is noted after its record is in the tree. So whoever takes a key and then reads finds this change
//!    or a later one, and of a later one the key is noted again.
//! 2. What is noted is bounded. A copy that does not take it fails, and so does one whose store was opened
//!    anew, because nobody knows then what is in the tree.
//! 3. A follower that its copy has dropped is forgotten with the next change.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::tree_keys;

/// How many keys are noted at most: some 10 MB.
const MAX_NOTED: usize = 100_000;

/// Which keys a copy wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Those of records. What is in indexes follows from them.
    Records,
    /// All of them.
    AllKeys,
}

/// Follows the changes of a store for one copy.
#[derive(Debug)]
pub(super) struct Follower {
    followed: Followed,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    keys: BTreeSet<Vec<u8>>,
    lost: Option<Lost>,
}

/// Why a copy cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The store failed and was opened anew.
    Reopened,
    /// More has changed than is remembered.
    Behind,
}

impl Follower {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        // OK because every change under the lock leaves it whole.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many keys are noted.
    pub(super) fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Returns up to `limit` keys, in order, which are not noted any more.
    pub(super) fn take(&self, limit: usize) -> Result<Vec<Vec<u8>>, Lost> {
        let mut noted = self.lock();
        if let Some(lost) = noted.lost {
            return Err(lost);
        }
        let rest = noted.keys.iter().nth(limit).cloned();
        let rest = rest.map(|first| noted.keys.split_off(&first)).unwrap_or_default();
        Ok(mem::replace(&mut noted.keys, rest).into_iter().collect())
    }

    fn lose(&self, lost: Lost) {
        let mut noted = self.lock();
        noted.keys.clear();
        noted.lost.get_or_insert(lost);
    }
}

/// All who follow.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Weak<Follower>>);

impl Followers {
    /// Begins to follow: the changes that are written from now on.
    pub(super) fn add(&mut self, followed: Followed) -> Arc<Follower> {
        let follower = Arc::new(Follower { followed, noted: Mutex::default() });
        self.0.push(Arc::downgrade(&follower));
        follower
    }

    /// Tells whether nobody follows.
    pub(super) fn is_empty(&mut self) -> bool {
        self.0.retain(|follower| follower.strong_count() > 0);
        self.0.is_empty()
    }

    /// Tells whether others follow beside one. One whose copy cannot go on any more does not count.
    pub(super) fn are_others(&self, one: &Arc<Follower>) -> bool {
        let mut others = self.0.iter().filter_map(Weak::upgrade).filter(|other| !Arc::ptr_eq(other, one));
        others.any(|other| other.lock().lost.is_none())
    }

    /// Notes the keys that have changed and are in the tree.
    pub(super) fn note(&self, keys: &[Vec<u8>]) {
        for follower in self.0.iter().filter_map(Weak::upgrade) {
            let mut noted = follower.lock();
            if noted.lost.is_none() {
                let is_followed =
                    |key: &&Vec<u8>| follower.followed == Followed::AllKeys || tree_keys::is_record(key);
                noted.keys.extend(keys.iter().filter(is_followed).cloned());
                if noted.keys.len() > MAX_NOTED {
                    drop(noted);
                    follower.lose(Lost::Behind);
                }
            }
        }
    }

    /// Ends all copies: the tree is another one.
    pub(super) fn lose_all(&mut self) {
        for follower in self.0.drain(..).filter_map(|follower| follower.upgrade()) {
            follower.lose(Lost::Reopened);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    #[test]
    fn keys_are_noted_once_and_taken_in_order() {
        let mut followers = Followers::default();
        assert!(followers.is_empty());
        let follower = followers.add(Followed::AllKeys);
        followers.note(&[key(3), key(1)]);
        followers.note(&[key(1), key(2)]);
        assert_eq!(follower.take(2), Ok(vec![key(1), key(2)]));
        assert_eq!(follower.len(), 1);
        assert_eq!(follower.take(2), Ok(vec![key(3)]));
        assert_eq!(follower.take(2), Ok(vec![]));
        drop(follower);
        assert!(followers.is_empty(), "a copy that was dropped costs nothing");
    }

    #[test]
    fn a_copy_of_records_hears_of_no_indexes() {
        let mut followers = Followers::default();
        let (records, all) = (followers.add(Followed::Records), followers.add(Followed::AllKeys));
        assert!(followers.are_others(&all));
        let keys = [b"s1".to_vec(), b"u1".to_vec()];
        followers.note(&keys);
        assert_eq!((records.take(9), all.take(9)), (Ok(keys[..1].to_vec()), Ok(keys.to_vec())));
        drop(records);
        assert!(!followers.are_others(&all));
    }

    #[test]
    fn a_copy_that_is_forgotten_does_not_take_memory_without_end() {
        let mut followers = Followers::default();
        let follower = followers.add(Followed::AllKeys);
        let keys: Vec<_> = (0..=MAX_NOTED).map(key).collect();
        followers.note(&keys[..MAX_NOTED]);
        assert_eq!(follower.len(), MAX_NOTED);
        followers.note(&keys);
        assert_eq!((follower.len(), follower.take(1)), (0, Err(Lost::Behind)));
        let other = followers.add(Followed::AllKeys);
        assert!(!followers.are_others(&other), "nothing waits for a copy that has failed");
        followers.note(&keys[..1]);
        assert_eq!((follower.len(), other.len()), (0, 1));
    }
}
