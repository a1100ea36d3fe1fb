//! Hashes as lower-case hexadecimal, as `sha256sum` prints them.

use std::fmt::Write as _;

use serde::{Deserialize as _, Deserializer, Serializer};

/// Returns a hash as 64 digits.
pub(super) fn encode(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // OK because a `String` takes anything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 64 digits. `None` if they are none.
pub(super) fn decode(text: &str) -> Option<[u8; 32]> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16)?.try_into().ok());
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(hash))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(from)?;
    decode(&text).ok_or_else(|| serde::de::Error::custom("a hash has 64 hexadecimal digits"))
}
