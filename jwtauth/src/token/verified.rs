//! A cache of verified tokens, so that the next request of a browser costs a lookup.
//!
//! # Invariants
//!
//! 1. The key is the whole token, compared in full: what was never verified is never found (J-24).
//! 2. A token is found only while verifying it again would succeed, and only while the ring of keys and the
//!    difference between time and clock are unchanged: removing a key also removes its tokens.
//! 3. Only what the token says is kept, which never changes. Whether its session is alive is checked with
//!    every request.
//! 4. All of it together takes no more than [`MAX_BYTES`], however much each token says. Tokens that are used
//!    again stay, and a token that alone takes too much is verified with each request.

use std::ops::Range;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::token_bytes::{KeyedEnds, SoughtBytes, TokenBytes};
use super::token_weight::Weighed;
use super::{OpenedToken, Under};

/// How many bytes of memory a cache takes at most: some 16,000 tokens of 600 bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// How many parts it has, each with its own lock and its share of the bytes.
const PARTS: usize = 16;

/// How many tokens there usually are in it. So many that were driven out are known by their hashes.
const USUAL_LEN: usize = 16 * 1024;

/// What the cache itself takes for a token: its place in a table that may be half empty.
const PLACE: usize = 64;

/// What verified tokens say, by the token.
pub(crate) struct VerifiedTokens<T: Weighed + Clone>(
    Cache<TokenBytes, VerifiedToken<T>, TokenWeigher, KeyedEnds>,
);

#[derive(Clone)]
struct VerifiedToken<T> {
    assurance: Assurance,
    /// How many bytes it takes, with its token.
    weight: u64,
    says: T,
}

#[derive(Clone)]
struct TokenWeigher;

impl<T> Weighter<TokenBytes, VerifiedToken<T>> for TokenWeigher {
    fn weight(&self, _: &TokenBytes, token: &VerifiedToken<T>) -> u64 {
        token.weight
    }
}

/// How long a token stays good that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl<T: Weighed + Clone> VerifiedTokens<T> {
    pub(super) fn new() -> Self {
        let mut options = OptionsBuilder::new();
        options.shards(PARTS).estimated_items_capacity(USUAL_LEN).weight_capacity(MAX_BYTES);
        // OK because both numbers that it asks for were given.
        let options = options.build().expect("the options are complete");
        Self(Cache::with_options(options, TokenWeigher, KeyedEnds::default(), DefaultLifecycle::default()))
    }

    /// Returns the contents of a token that was verified under the same circumstances and is valid at `now`.
    pub(super) fn find(&self, token: &str, under: Under, now: u64) -> Option<T> {
        let sought = SoughtBytes(token.as_bytes());
        let found = self.0.get(&sought)?;
        let Assurance { under: known, good } = &found.assurance;
        if found.assurance.holds(under, now) {
            return Some(found.says);
        }
        if *known != under || now >= good.end {
            // Unless it was verified anew meanwhile.
            self.0.remove_if(&sought, |there| there.assurance == found.assurance);
        }
        None
    }

    /// Returns how long a token stays good that was found or remembered just now.
    pub(super) fn assurance(&self, token: &str) -> Option<Assurance> {
        self.0.peek(&SoughtBytes(token.as_bytes())).map(|found| found.assurance)
    }

    /// Remembers a token that was verified, for as long as its key may be used.
    pub(super) fn remember(&self, token: &str, opened: &OpenedToken, good: Range<u64>, says: &T) {
        let good = good.start..good.end.min(opened.until);
        let assurance = Assurance { under: opened.under, good };
        let key = TokenBytes::from(token);
        // Twice the places: the cache keeps room for hashes of what was driven out.
        let place = 2 * (size_of::<(TokenBytes, VerifiedToken<T>)>() + PLACE);
        let weight = (place + key.len() + says.heap_bytes()) as u64;
        self.0.insert(key, VerifiedToken { assurance, weight, says: says.clone() });
    }
}

impl<T: Weighed + Clone> std::fmt::Debug for VerifiedTokens<T> {
    /// Shows no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for usize {
        fn heap_bytes(&self) -> usize {
            0
        }
    }

    /// Something that takes as many bytes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Takes(usize);

    impl Weighed for Takes {
        fn heap_bytes(&self) -> usize {
            self.0
        }
    }

    const fn under(epoch: u64, ahead: u64) -> Under {
        Under { epoch, ahead }
    }

    fn opened(epoch: u64, until: u64) -> OpenedToken {
        OpenedToken { json: String::new(), until, under: under(epoch, 0), current: true }
    }

    #[test]
    fn a_token_is_found_while_it_is_good_and_only_as_a_whole() {
        let seen = VerifiedTokens::new();
        seen.remember("header.claims.signature", &opened(7, 1000), 100..200, &1_usize);
        for (token, now, found) in [
            ("header.claims.signature", 100, Some(1)),
            ("header.claims.signature", 199, Some(1)),
            ("header.claims.signature", 99, None),
            ("header.claims.signature", 150, Some(1)),
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
        seen.remember("a.b.c", &opened(1, 150), 100..200, &1_usize);
        for (epoch, now, found) in [(1, 149, Some(1)), (1, 150, None), (2, 120, None), (1, 120, None)] {
            if now == 120 && epoch == 2 {
                seen.remember("a.b.c", &opened(1, 150), 100..200, &1_usize);
            }
            assert_eq!(seen.find("a.b.c", under(epoch, 0), now), found, "{epoch} at {now}");
        }
    }

    /// N-8: times of other services are by the clock, so they move when the clock is set.
    #[test]
    fn n_8_a_token_is_verified_again_when_the_clock_was_set() {
        let seen = VerifiedTokens::new();
        seen.remember("a.b.c", &opened(1, 1_000), 100..200, &1_usize);
        for (ahead, found) in [(0, Some(1)), (60, None), (0, None)] {
            assert_eq!(seen.find("a.b.c", under(1, ahead), 150), found, "{ahead}");
        }
    }

    /// Its own bytes, what it says, and twice the places that it stands in.
    #[test]
    fn a_token_weighs_what_it_takes() {
        let weight = |token: &str, says: usize| {
            let seen = VerifiedTokens::new();
            seen.remember(token, &opened(0, 1000), 0..10, &Takes(says));
            seen.0.weight()
        };
        let places = 2 * (size_of::<(TokenBytes, VerifiedToken<Takes>)>() + 64) as u64;
        assert_eq!(weight("a.b.c", 0), places + 5);
        assert_eq!(weight("a.b.c", 700), places + 5 + 700);
        assert_eq!(weight("header.claims.signature", 700), places + 23 + 700);
    }

    #[test]
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", VerifiedTokens::<usize>::new()), "VerifiedTokens { .. }");
    }

    /// However much the tokens say, and whether there are few or many.
    #[test]
    fn memory_is_bounded_in_bytes() {
        for size in [0, 10_000, 500_000] {
            let seen = VerifiedTokens::new();
            let count = 3 * MAX_BYTES as usize / (size + 500);
            let token = |number| format!("header.claims.{number:032x}");
            for number in 0..count {
                seen.remember(&token(number), &opened(0, 1000), 0..10, &Takes(size));
                assert!(seen.0.weight() <= MAX_BYTES);
            }
            assert!(seen.0.weight() > MAX_BYTES / 4, "{size}: {}", seen.0.weight());
            let last = seen.find(&token(count - 1), under(0, 0), 0);
            assert_eq!(last, Some(Takes(size)), "the newest is there");
            assert_eq!(seen.find(&token(count), under(0, 0), 0), None);
        }
    }

    #[test]
    fn a_token_that_takes_too_much_is_not_kept_and_drives_out_no_other() {
        let seen = VerifiedTokens::new();
        let token = |number: u8| format!("header.claims.{number:032x}");
        for number in 0..100 {
            seen.remember(&token(number), &opened(0, 1000), 0..10, &Takes(10));
        }
        for number in 100..200 {
            seen.remember(&token(number), &opened(0, 1000), 0..10, &Takes(MAX_BYTES as usize / PARTS));
        }
        let found = (0..200).filter(|number| seen.find(&token(*number), under(0, 0), 0).is_some());
        assert_eq!(found.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    /// While one thread removes a key, and with it what was verified by it, others verify by the new ring.
    #[test]
    fn r_10_what_was_verified_anew_is_not_removed_with_the_old() {
        let seen = VerifiedTokens::new();
        let token = "header.claims.0123456789abcdef";
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for epoch in 1..=2_000 {
                        let said = epoch as usize;
                        if seen.find(token, under(epoch, 0), 150).is_none_or(|found| found != said) {
                            seen.remember(token, &opened(epoch, 1_000), 100..200, &said);
                        }
                        let found = seen.find(token, under(epoch, 0), 150);
                        assert!(found.is_none_or(|found| found == said), "{found:?} under {epoch}");
                    }
                });
            }
        });
        assert_eq!(seen.find(token, under(2_000, 0), 150), Some(2_000));
    }
}
