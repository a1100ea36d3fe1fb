//! Any record with the key that it stands under, as two pieces of bytes: what a file holds that has records
//! of all kinds.
//!
//! A key is a letter for the kind (`a` account, `e` event, `s` session, `t` token, `v` value) and the id: 16
//! bytes, 32 of a value, or 8 of an event, which are its number (big-endian). That of the head of the audit
//! trail is `e` alone. That of a token is the id of its session, its generation (8 bytes, big-endian), `0`
//! for refresh, `1` for access or `2` for sliding, and the id of an access or sliding token. [`SledStore`]
//! keeps records under the same keys.
//!
//! [`SledStore`]: crate::SledStore

use super::super::value_store::ValueKey;
use super::super::whole_store::{RecordKey, StoreRecord};
use super::frame::RecordError;
use super::{decode_account, encode_account};
use super::{
    decode_event, decode_session, decode_token, decode_trail_head, decode_value, encode_event,
    encode_session, encode_token, encode_trail_head, encode_value,
};
use crate::error::StoreError;
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::registry::TokenKind;

/// Returns a key as bytes.
#[must_use]
pub(crate) fn encode_key(key: &RecordKey) -> Vec<u8> {
    match key {
        RecordKey::Account(id) => [b"a", &id.as_bytes()[..]].concat(),
        RecordKey::Session(id) => [b"s", &id.as_bytes()[..]].concat(),
        RecordKey::Event(number) => [b"e", &number.to_be_bytes()[..]].concat(),
        RecordKey::TrailHead => b"e".to_vec(),
        RecordKey::Token { session, generation, kind, id } => {
            let kind = match kind {
                TokenKind::Refresh => 0,
                TokenKind::Access => 1,
                TokenKind::Sliding => 2,
            };
            let id = id.as_ref().map_or(&[][..], |id| &id.as_bytes()[..]);
            [b"t", &session.as_bytes()[..], &generation.to_be_bytes(), &[kind], id].concat()
        }
        RecordKey::Value(key) => [b"v", &key.as_bytes()[..]].concat(),
    }
}

/// Reads a key. `None` if it is none of a record that this build knows.
#[must_use]
pub(crate) fn decode_key(key: &[u8]) -> Option<RecordKey> {
    let (kind, rest) = key.split_first()?;
    match kind {
        b'a' => rest.try_into().ok().map(|id| RecordKey::Account(AccountId::from_bytes(id))),
        b'e' if rest.is_empty() => Some(RecordKey::TrailHead),
        b'e' => rest.try_into().ok().map(|number| RecordKey::Event(u64::from_be_bytes(number))),
        b's' => rest.try_into().ok().map(|id| RecordKey::Session(SessionId::from_bytes(id))),
        b't' => {
            let (session, rest) = rest.split_first_chunk::<16>()?;
            let (generation, rest) = rest.split_first_chunk::<8>()?;
            let (kind, rest) = rest.split_first()?;
            let id = match rest {
                [] => None,
                rest => Some(TokenId::from_bytes(rest.try_into().ok()?)),
            };
            let kind = match (kind, id) {
                (0, None) => TokenKind::Refresh,
                (1, _) => TokenKind::Access,
                (2, _) => TokenKind::Sliding,
                _ => return None,
            };
            let (session, generation) = (SessionId::from_bytes(*session), u64::from_be_bytes(*generation));
            Some(RecordKey::Token { session, generation, kind, id })
        }
        b'v' => rest.try_into().ok().map(|key| RecordKey::Value(ValueKey::from_bytes(key))),
        _ => None,
    }
}

/// Returns a record as its key and its bytes.
///
/// # Errors
///
/// [`StoreError::TooLarge`] if the bytes are more than [`MAX_RECORD`](super::MAX_RECORD).
pub(crate) fn encode_record(record: &StoreRecord) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
    let key = encode_key(&record.key());
    let bytes = match record {
        StoreRecord::Account(account) => encode_account(&key, account)?,
        StoreRecord::Event(event) => encode_event(&key, event)?,
        StoreRecord::TrailHead(head) => encode_trail_head(&key, head),
        StoreRecord::Session(session) => encode_session(&key, session)?,
        StoreRecord::Token { token, .. } => encode_token(&key, token),
        StoreRecord::Value { value, .. } => encode_value(&key, value)?,
    };
    Ok((key, bytes))
}

/// Returns the record that is kept under `key`.
///
/// # Errors
///
/// A [`RecordError`] if key and bytes are no record.
pub(crate) fn decode_record(key: &[u8], bytes: &[u8]) -> Result<StoreRecord, RecordError> {
    match decode_key(key).ok_or(RecordError::Damaged)? {
        RecordKey::Account(id) => decode_account(key, id, bytes).map(StoreRecord::Account),
        RecordKey::Event(number) => decode_event(key, number, bytes).map(StoreRecord::Event),
        RecordKey::TrailHead => decode_trail_head(key, bytes).map(StoreRecord::TrailHead),
        RecordKey::Session(id) => {
            decode_session(key, id, bytes).map(|session| StoreRecord::Session(session.into()))
        }
        RecordKey::Token { session, generation, kind, .. } => {
            decode_token(key, session, kind, bytes).map(|token| StoreRecord::Token { generation, token })
        }
        RecordKey::Value(name) => {
            decode_value(key, bytes).map(|value| StoreRecord::Value { key: name, value })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventDetails, EventRecord, TrailHead};
    use crate::registry::TokenRecord;
    use crate::store::{StoredValue, sample};

    #[test]
    fn every_kind_of_record_comes_back_with_its_key_and_under_no_other() {
        let session = sample::session(1, "alice");
        let token = |kind| TokenRecord::new(TokenId::from_bytes([9; 16]), session.id, kind, 1, 2);
        let records = [
            StoreRecord::Account(sample::account(2, "alice")),
            StoreRecord::Event(EventRecord::new(3, [4; 32], EventDetails::new("login", 5).with("a", 6))),
            StoreRecord::TrailHead(TrailHead { hash: [9; 32], ..TrailHead::new(7) }),
            StoreRecord::Session(session.clone().into()),
            StoreRecord::Token { generation: 3, token: token(TokenKind::Refresh) },
            StoreRecord::Token { generation: 3, token: token(TokenKind::Access) },
            StoreRecord::Token { generation: 3, token: token(TokenKind::Sliding) },
            StoreRecord::Value {
                key: ValueKey::from_bytes([7; 32]),
                value: StoredValue { expires_at: 5, ..StoredValue::default() },
            },
        ];
        for record in records {
            let (key, bytes) = encode_record(&record).unwrap();
            assert_eq!(decode_key(&key), Some(record.key()));
            assert_eq!(decode_record(&key, &bytes).as_ref(), Ok(&record));
            for at in 0..key.len() {
                let mut other = key.clone();
                other[at] ^= 1;
                assert_eq!(decode_record(&other, &bytes), Err(RecordError::Damaged), "{record:?}");
                assert_eq!(decode_record(&key[..at], &bytes), Err(RecordError::Damaged), "{record:?}");
            }
        }
    }
}
