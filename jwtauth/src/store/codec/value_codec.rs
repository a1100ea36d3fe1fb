//! Values as bytes. Layout 1 and those that follow it, each with one field more: 2 says what a value may do.

use super::super::value_store::StoredValue;
use super::field::fields;
use super::frame::{self, RecordError};
use crate::error::StoreError;

fields!(StoredValue { expires_at: 1, bytes: 1, value_use: 2 });

/// Returns a value, or the mark of one that was removed, as bytes, to be kept under `key`.
///
/// # Errors
///
/// [`StoreError::TooLarge`] if they are more than [`MAX_RECORD`](super::MAX_RECORD).
pub fn encode_value(key: &[u8], value: &StoredValue) -> Result<Vec<u8>, StoreError> {
    frame::fits(frame::close(NEWEST, key, |out| put(value, out)))
}

/// Returns what is kept under `key`.
///
/// # Errors
///
/// A [`RecordError`] if the bytes are no value.
pub fn decode_value(key: &[u8], bytes: &[u8]) -> Result<StoredValue, RecordError> {
    let (layout, body) = frame::open(NEWEST, key, bytes)?;
    let mut value = StoredValue::default();
    take(layout, body, &mut value).map(|()| value).ok_or(RecordError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::super::super::value_store::ValueUse;
    use super::super::MAX_RECORD;
    use super::*;

    const KEY: &[u8] = b"v0123456789abcdef0123456789abcdef";

    /// no change of a byte, no cut and no other key is taken for a value.
    #[test]
    fn r_7_a_value_comes_back_as_it_was_written_or_not_at_all() {
        for bytes in [None, Some(Vec::new()), Some(b"{\"n\":1}".to_vec())] {
            let value = StoredValue { expires_at: 5, bytes, value_use: ValueUse::KeepsOut };
            let bytes = encode_value(KEY, &value).unwrap();
            assert_eq!(decode_value(KEY, &bytes).as_ref(), Ok(&value));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(decode_value(KEY, &damaged), Err(RecordError::Damaged), "byte {at}");
                assert_eq!(decode_value(KEY, &bytes[..at]), Err(RecordError::Damaged), "cut at {at}");
            }
            assert_eq!(decode_value(&KEY[1..], &bytes), Err(RecordError::Damaged), "another key");
        }
    }

    /// A value of layout 1 is read, and nothing is known of its use.
    #[test]
    fn values_of_the_first_layout_are_read() {
        let bytes = frame::close(1, KEY, |out| {
            super::super::field::write((5_u64, true, b"abc".to_vec()), out);
        });
        let value = StoredValue { expires_at: 5, bytes: Some(b"abc".to_vec()), value_use: ValueUse::Unsaid };
        assert_eq!(decode_value(KEY, &bytes), Ok(value));
    }

    #[test]
    fn the_largest_value_is_kept_and_one_byte_more_is_refused_with_its_size() {
        let value = |len| StoredValue { expires_at: 5, bytes: Some(vec![0; len]), ..StoredValue::default() };
        let overhead = encode_value(KEY, &value(0)).unwrap().len();
        let largest = value(MAX_RECORD - overhead);
        let bytes = encode_value(KEY, &largest).unwrap();
        assert_eq!(decode_value(KEY, &bytes), Ok(largest));
        let refused = encode_value(KEY, &value(MAX_RECORD - overhead + 1));
        assert!(
            matches!(refused, Err(StoreError::TooLarge { got, max }) if got == max + 1),
            "{:?}",
            refused.map(|bytes| bytes.len())
        );
    }
}
