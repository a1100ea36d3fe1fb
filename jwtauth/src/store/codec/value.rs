//! The layout of opaque values: when they end, and their bytes, or that they were removed.

use bincode::{Decode, Encode};

use super::{MAX_RECORD, decode, encode};
use crate::error::StoreError;

/// The layout of what stands under the key of a value.
pub(in crate::store) const VALUE_VERSION: u8 = 1;

/// What is kept under a key until `expires_at`.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Value {
    pub(in crate::store) expires_at: u64,
    /// `None` marks a key whose value was removed.
    pub(in crate::store) bytes: Option<Vec<u8>>,
}

pub(in crate::store) fn encode_value(key: &[u8], value: &Value) -> Result<Vec<u8>, StoreError> {
    let bytes = encode(VALUE_VERSION, key, value);
    if bytes.len() > MAX_RECORD {
        return Err(StoreError::TooLarge { got: bytes.len(), max: MAX_RECORD });
    }
    Ok(bytes)
}

/// Returns the value, or `None` if the bytes are damaged or of another version.
pub(in crate::store) fn decode_value(key: &[u8], bytes: &[u8]) -> Option<Value> {
    decode(VALUE_VERSION, key, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"v0123456789abcdef0123456789abcdef";

    /// no change of a byte, no cut and no other key is taken for a value.
    #[test]
    fn r_7_a_value_comes_back_as_it_was_written_or_not_at_all() {
        for bytes in [None, Some(Vec::new()), Some(b"{\"n\":1}".to_vec())] {
            let value = Value { expires_at: 5, bytes };
            let bytes = encode_value(KEY, &value).unwrap();
            assert_eq!(decode_value(KEY, &bytes).as_ref(), Some(&value));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(decode_value(KEY, &damaged), None, "byte {at}");
                assert_eq!(decode_value(KEY, &bytes[..at]), None, "cut at {at}");
            }
            assert_eq!(decode_value(&KEY[1..], &bytes), None, "another key");
        }
    }

    #[test]
    fn the_largest_value_is_kept_and_one_byte_more_is_refused_with_its_size() {
        let value = |len| Value { expires_at: 5, bytes: Some(vec![0; len]) };
        let overhead = encode_value(KEY, &value(0)).unwrap().len();
        let largest = value(MAX_RECORD - overhead);
        let bytes = encode_value(KEY, &largest).unwrap();
        assert_eq!(decode_value(KEY, &bytes), Some(largest));
        let refused = encode_value(KEY, &value(MAX_RECORD - overhead + 1));
        assert!(
            matches!(refused, Err(StoreError::TooLarge { got, max }) if got == max + 1),
            "{:?}",
            refused.map(|bytes| bytes.len())
        );
    }
}
