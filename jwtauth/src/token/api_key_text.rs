//! API keys as text: `jwtauth_` and 61 letters and digits.
//!
//! | part | length | what it is |
//! |---|---|---|
//! | prefix and `_` | as it is set | which application the key is for, so that scanners find it |
//! | id | 22 | the id of its session: 128 bits |
//! | secret | 33 | 192 random bits |
//! | checksum | 6 | CRC-32 of all before it: a typo is told from an unknown key without a look-up |
//!
//! Numbers are in base 62, digits before capital and small letters, with leading zeros: 64 bits in 11
//! characters, 32 bits in 6.
//!
//! # Invariants
//!
//! 1. There is one text for each key, so that the hash of the text stands for the key (K-1).

use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::id::SessionId;
use crate::key::digest;

/// How many random bytes the secret has: 192 bits.
pub(crate) const SECRET: usize = 24;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many digits 64 bits have.
const OF_U64: usize = 11;
const ID: usize = 2 * OF_U64;
const CHECKSUM: usize = 6;
/// How long a key is behind its prefix.
const LEN: usize = ID + SECRET / 8 * OF_U64 + CHECKSUM;

/// Writes a key.
pub(crate) fn write(prefix: &str, id: SessionId, secret: &[u8; SECRET]) -> Zeroizing<String> {
    // No part of it stays in memory that it grows out of.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 1 + LEN));
    text.push_str(prefix);
    text.push('_');
    for part in id.as_bytes().chunks(8).chain(secret.chunks(8)) {
        put(part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), OF_U64, &mut text);
    }
    let checksum = crc32fast::hash(text.as_bytes());
    put(checksum.into(), CHECKSUM, &mut text);
    text
}

/// Reads the id of the session from a key with this prefix. `None` if the text is another kind of token.
pub(crate) fn read(prefix: &str, text: &str) -> Option<Result<SessionId, TokenError>> {
    let rest = text.strip_prefix(prefix)?.strip_prefix('_')?;
    Some(id_in(text, rest.as_bytes()).ok_or(TokenError::ApiKeyTypo))
}

/// Returns what a session keeps of a key.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    digest("jwtauth api key", text)
}

fn id_in(text: &str, rest: &[u8]) -> Option<SessionId> {
    if rest.len() != LEN || !rest.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let (body, checksum) = text.as_bytes().split_at(text.len() - CHECKSUM);
    if number(checksum)? != u64::from(crc32fast::hash(body)) {
        return None;
    }
    let (high, low) = rest[..ID].split_at(OF_U64);
    let id = u128::from(number(high)?) << 64 | u128::from(number(low)?);
    Some(SessionId::from_bytes(id.to_be_bytes()))
}

fn put(mut number: u64, len: usize, text: &mut String) {
    let mut digits = Zeroizing::new([b'0'; OF_U64]);
    for digit in digits[..len].iter_mut().rev() {
        // Less than 62.
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text.extend(digits[..len].iter().map(|digit| char::from(*digit)));
}

/// Returns the number that these digits are, if 64 bits hold it.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(value.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: SessionId = SessionId::from_bytes(*b"0123456789abcdef");

    /// K-2: the form that the guide gives to scanners of secrets.
    #[test]
    fn k_2_a_key_has_a_fixed_form_and_reads_back() {
        let low = (SessionId::from_bytes([0; 16]), [0; SECRET]);
        let high = (SessionId::from_bytes([0xff; 16]), [0xff; SECRET]);
        for (id, secret) in [low, high, (BYTES, *b"ghijklmnopqrstuvwxyz0123")] {
            for prefix in ["jwtauth", "ab", "acme_billing_api_2"] {
                let text = write(prefix, id, &secret);
                assert_eq!(text.len(), prefix.len() + 1 + 61);
                assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
                assert_eq!(read(prefix, &text), Some(Ok(id)), "{text:?}");
            }
        }
        // By another program: keys that are out must stay good.
        let zeros = write("jwtauth", low.0, &low.1);
        assert_eq!(*zeros, format!("jwtauth_{}{}", "0".repeat(55), &zeros[63..]));
        assert_eq!(number(&zeros.as_bytes()[63..]), Some(crc32fast::hash(zeros[..63].as_bytes()).into()));
        assert_eq!(&zeros[63..], "1t2LgF");
    }

    /// K-2: no other text is taken for the key.
    #[test]
    fn k_2_each_changed_character_is_a_typo() {
        let text = write("jwtauth", BYTES, b"ghijklmnopqrstuvwxyz0123");
        for at in "jwtauth_".len()..text.len() {
            for digit in DIGITS.iter().filter(|digit| **digit != text.as_bytes()[at]) {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = *digit;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(read("jwtauth", &changed), Some(Err(TokenError::ApiKeyTypo)), "{at}");
            }
            assert_eq!(read("jwtauth", &text[..at]), Some(Err(TokenError::ApiKeyTypo)), "cut at {at}");
        }
        for typo in [
            format!("{}0", *text),
            format!("{} ", *text),
            text.replace("jwtauth_", "jwtauth__"),
            "jwtauth_".into(),
            format!("jwtauth_{}", "é".repeat(30)),
        ] {
            assert_eq!(read("jwtauth", &typo), Some(Err(TokenError::ApiKeyTypo)), "{typo:?}");
        }
        for other in ["", "jwtauth", "eyJhbGciOiJIUzI1NiJ9.e30.x", "Jwtauth_x", "jwt_x"] {
            assert_eq!(read("jwtauth", other), None, "{other:?}");
        }
        assert_eq!(read("acme", &text), None);
    }

    /// K-2: a checksum that is right makes no key of a text that is none.
    #[test]
    fn k_2_a_text_of_another_form_is_a_typo_whatever_its_checksum() {
        let body = |secret: &str| format!("jwtauth_{}{secret}", "0".repeat(ID));
        for (body, is_key) in [
            (body(&"0".repeat(33)), true),
            (body(&"0".repeat(34)), false),
            (body(&"0".repeat(32)), false),
            (body(""), false),
            (body(&format!("{}-", "0".repeat(32))), false),
            (body(&format!("{} ", "0".repeat(32))), false),
            (body(&format!("{}é", "0".repeat(31))), false),
        ] {
            let mut text = body;
            put(crc32fast::hash(text.as_bytes()).into(), CHECKSUM, &mut text);
            let wanted =
                if is_key { Ok(SessionId::from_bytes([0; 16])) } else { Err(TokenError::ApiKeyTypo) };
            assert_eq!(read("jwtauth", &text), Some(wanted), "{text}");
        }
    }

    /// K-2: a number beyond 64 bits is no second name of a smaller one.
    #[test]
    fn k_2_a_number_that_is_too_large_is_a_typo() {
        assert_eq!(number(b"LygHa16AHYF"), Some(u64::MAX));
        assert_eq!(number(b"LygHa16AHYG"), None);
        assert_eq!(number(b"zzzzzzzzzzz"), None);
        let mut text = format!("jwtauth_{}{}", "z".repeat(22), "0".repeat(33));
        put(crc32fast::hash(text.as_bytes()).into(), CHECKSUM, &mut text);
        assert_eq!(read("jwtauth", &text), Some(Err(TokenError::ApiKeyTypo)));
    }
}
