//! Records of tokens as bytes. Layout 1 and those that follow it, each with one field more.

use super::field::fields;
use super::frame::{self, RecordError};
use crate::id::{SessionId, TokenId};
use crate::registry::{TokenKind, TokenRecord};

fields!(TokenRecord { id: 1, parent: 1, issued_at: 1, expires_at: 1, revoked_at: 1 });

/// Returns the record of a token as bytes, to be kept under `key`, which names its session and its kind.
#[must_use]
pub fn encode_token(key: &[u8], token: &TokenRecord) -> Vec<u8> {
    frame::close(NEWEST, key, |out| put(token, out))
}

/// Returns the record of a token that is kept under `key`.
///
/// # Errors
///
/// A [`RecordError`] if the bytes are no record of a token.
pub fn decode_token(
    key: &[u8],
    session: SessionId,
    kind: TokenKind,
    bytes: &[u8],
) -> Result<TokenRecord, RecordError> {
    let (layout, body) = frame::open(NEWEST, key, bytes)?;
    let mut token = TokenRecord::new(TokenId::from_bytes([0; 16]), session, kind, 0, 0);
    take(layout, body, &mut token).map(|()| token).ok_or(RecordError::Damaged)
}
