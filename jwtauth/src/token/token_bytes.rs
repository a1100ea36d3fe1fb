//! Whole tokens as keys of a table: what is found was put there with the very same bytes.
//!
//! # Invariants
//!
//! 1. Two tokens are alike only if all of their bytes are.
//! 2. Nobody can choose tokens that share a place in the table: the hash has a key that nobody knows. It is
//!    that of the last 16 bytes, because the end of a signature is as random as the whole.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use quick_cache::Equivalent;

/// A token in a table.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenBytes(Box<[u8]>);

impl TokenBytes {
    /// Returns how many bytes it has.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<&str> for TokenBytes {
    fn from(token: &str) -> Self {
        Self(token.as_bytes().into())
    }
}

/// A token that is looked for.
pub(crate) struct SoughtBytes<'t>(pub(crate) &'t [u8]);

impl Hash for TokenBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SoughtBytes(&self.0).hash(state);
    }
}

impl Hash for SoughtBytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(end) = self.0.last_chunk::<16>() {
            state.write_u128(u128::from_ne_bytes(*end));
        }
    }
}

impl Equivalent<TokenBytes> for SoughtBytes<'_> {
    fn equivalent(&self, key: &TokenBytes) -> bool {
        *self.0 == *key.0
    }
}

/// Hashes the 16 bytes at the end of a token with a key that nobody knows.
#[derive(Clone)]
pub(crate) struct KeyedEnds([u64; 2]);

impl Default for KeyedEnds {
    fn default() -> Self {
        let (one, other) = (RandomState::new(), RandomState::new());
        Self([one.hash_one(0), other.hash_one(0)])
    }
}

impl BuildHasher for KeyedEnds {
    type Hasher = KeyedEnd;

    fn build_hasher(&self) -> KeyedEnd {
        KeyedEnd { key: self.0, hash: 0 }
    }
}

/// The hash of one token.
pub(crate) struct KeyedEnd {
    key: [u64; 2],
    hash: u64,
}

impl Hasher for KeyedEnd {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, number: u128) {
        let [low, high] = [number as u64 ^ self.key[0] ^ self.hash, (number >> 64) as u64 ^ self.key[1]];
        let product = u128::from(low) * u128::from(high);
        self.hash = (product as u64) ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_as_many_bytes_as_its_text() {
        assert_eq!((TokenBytes::from("").len(), TokenBytes::from("header.claims").len()), (0, 13));
    }

    /// Each of the last 128 bits counts, whatever the key is: no part of the table is out of reach.
    #[test]
    fn each_bit_at_the_end_changes_the_hash() {
        for key in [[0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa], [!0x5555_5555_5555_5555, 1 << 63 | 1]] {
            let hash = |end: u128| {
                let token = [b"header.claims.".as_slice(), &end.to_ne_bytes()].concat();
                let hash = KeyedEnds(key).hash_one(SoughtBytes(&token));
                let token = TokenBytes(token.into());
                assert_eq!(KeyedEnds(key).hash_one(&token), hash, "it is found where it was put");
                hash
            };
            let end = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
            for bit in 0..128 {
                assert_ne!(hash(end), hash(end ^ 1 << bit), "bit {bit} under {key:x?}");
            }
        }
    }
}
