//! A cache of verified tokens, so that the next request of a browser costs a lookup.
//!
//! # Invariants
//!
//! 1. The key is the whole token, compared in full: what was never verified is never found (J-24).
//! 2. A token is found only while verifying it again would succeed, and only while the ring of keys and the
//!    difference between time and clock are unchanged: removing a key also removes its tokens.
//! 3. Only what the token says is kept, which never changes. Whether its session is alive is checked with
//!    every request.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{OpenedToken, Under};

/// How many parts the cache has, each with its own lock.
const PARTS: usize = 16;

/// How many tokens a part holds: 8192 in all, some 4 MB.
const PART_LEN: usize = 512;

/// What verified tokens say, by the token.
pub(crate) struct VerifiedTokens<T> {
    parts: [Mutex<HashMap<Box<str>, VerifiedToken<T>>>; PARTS],
    hasher: RandomState,
}

struct VerifiedToken<T> {
    assurance: Assurance,
    says: T,
}

/// How long a token stays good that was verified.
#[derive(Clone, Debug)]
pub(crate) struct Assurance {
    under: Under,
    /// When the token is good, in Unix seconds.
    good: Range<u64>,
}

impl Assurance {
    /// Tells whether verifying the token again would succeed.
    pub(super) fn holds(&self, under: Under, now: u64) -> bool {
        self.under == under && self.good.contains(&now)
    }
}

impl<T: Clone> VerifiedTokens<T> {
    pub(super) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    /// Returns the contents of a token that was verified under the same circumstances and is valid at `now`.
    pub(super) fn find(&self, token: &str, under: Under, now: u64) -> Option<T> {
        let mut part = self.part(token);
        let entry = part.get(token)?;
        let Assurance { under: known, good } = &entry.assurance;
        if entry.assurance.holds(under, now) {
            return Some(entry.says.clone());
        }
        if *known != under || now >= good.end {
            part.remove(token);
        }
        None
    }

    /// Returns how long a token stays good that was found or remembered just now.
    pub(super) fn assurance(&self, token: &str) -> Option<Assurance> {
        self.part(token).get(token).map(|entry| entry.assurance.clone())
    }

    /// Remembers a token that was verified, for as long as its key may be used.
    pub(super) fn remember(&self, token: &str, opened: &OpenedToken, good: Range<u64>, says: &T) {
        let good = good.start..good.end.min(opened.until);
        let mut part = self.part(token);
        if part.len() >= PART_LEN {
            // Only genuine tokens get here, and verifying one again takes 2 us, so no order is kept.
            part.clear();
        }
        let assurance = Assurance { under: opened.under, good };
        part.insert(token.into(), VerifiedToken { assurance, says: says.clone() });
    }

    fn part(&self, token: &str) -> MutexGuard<'_, HashMap<Box<str>, VerifiedToken<T>>> {
        // Taken from the signature, at the end, which is evenly spread.
        let end = &token.as_bytes()[token.len().saturating_sub(16)..];
        let part = self.hasher.hash_one(end) as usize % PARTS;
        // OK because every change under the lock is one call.
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> std::fmt::Debug for VerifiedTokens<T> {
    /// Shows no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn under(epoch: u64, ahead: u64) -> Under {
        Under { epoch, ahead }
    }

    fn opened(epoch: u64, until: u64) -> OpenedToken {
        OpenedToken { json: String::new(), until, under: under(epoch, 0), current: true }
    }

    #[test]
    fn a_token_is_found_while_it_is_good_and_only_as_a_whole() {
        let seen = VerifiedTokens::new();
        seen.remember("header.claims.signature", &opened(7, 1000), 100..200, &1);
        for (token, now, found) in [
            ("header.claims.signature", 100, Some(1)),
            ("header.claims.signature", 199, Some(1)),
            ("header.claims.signature", 99, None),
            ("header.other.signature", 150, None),
            ("header.claims.signaturf", 150, None),
            ("header.claims.signature=", 150, None),
            ("claims.signature", 150, None),
            ("", 150, None),
            ("header.claims.signature", 200, None),
            ("header.claims.signature", 150, None),
        ] {
            assert_eq!(seen.find(token, under(7, 0), now), found, "{token} at {now}");
        }
    }

    /// neither after a change of the ring, nor after the end of the key.
    #[test]
    fn r_10_a_token_is_forgotten_with_its_key() {
        let seen = VerifiedTokens::new();
        seen.remember("a.b.c", &opened(1, 150), 100..200, &1);
        for (epoch, now, found) in [(1, 149, Some(1)), (1, 150, None), (2, 120, None), (1, 120, None)] {
            if now == 120 && epoch == 2 {
                seen.remember("a.b.c", &opened(1, 150), 100..200, &1);
            }
            assert_eq!(seen.find("a.b.c", under(epoch, 0), now), found, "{epoch} at {now}");
        }
    }

    /// N-8: times of other services are by the clock, so they move when the clock is set.
    #[test]
    fn n_8_a_token_is_verified_again_when_the_clock_was_set() {
        let seen = VerifiedTokens::new();
        seen.remember("a.b.c", &opened(1, 1_000), 100..200, &1);
        for (ahead, found) in [(0, Some(1)), (60, None), (0, None)] {
            assert_eq!(seen.find("a.b.c", under(1, ahead), 150), found, "{ahead}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let seen = VerifiedTokens::new();
        for number in 0..PARTS * PART_LEN * 3 {
            seen.remember(&format!("h.c.{number:x}"), &opened(0, 1000), 0..10, &number);
        }
        let kept: usize = seen.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(kept > PART_LEN && kept <= PARTS * PART_LEN, "{kept}");
        let last = PARTS * PART_LEN * 3 - 1;
        assert_eq!(seen.find(&format!("h.c.{last:x}"), under(0, 0), 0), Some(last), "the newest is there");
    }
}
