//! Sessions as bytes, in every layout that was ever written.

mod before_v4;
mod v4;

use super::frame::{self, RecordError};
use crate::error::StoreError;
use crate::id::{SessionId, TokenId};
use crate::record::{Session, Successor};

/// Returns a session as bytes, to be kept under `key`, which names its id.
///
/// One that was revoked is written without its user value if there is no room for both: nobody reads that
/// value any more, and a revocation must not fail because a user value is large.
///
/// # Errors
///
/// [`StoreError::TooLarge`] if they are more than [`MAX_RECORD`](super::MAX_RECORD).
pub fn encode_session(key: &[u8], session: &Session) -> Result<Vec<u8>, StoreError> {
    let bytes = close(key, session);
    if bytes.len() > frame::MAX_RECORD && session.revoked.is_some() {
        return frame::fits(close(key, &Session { user: None, ..session.clone() }));
    }
    frame::fits(bytes)
}

/// Returns how many bytes a session has as a record, whether it is kept or too large.
pub(crate) fn session_len(session: &Session) -> usize {
    close(&[], session).len()
}

fn close(key: &[u8], session: &Session) -> Vec<u8> {
    frame::close(v4::NEWEST, key, |out| v4::put(session, out))
}

/// Returns the session that is kept under `key`, brought to the newest layout.
///
/// # Errors
///
/// A [`RecordError`] if the bytes are no session.
pub fn decode_session(key: &[u8], id: SessionId, bytes: &[u8]) -> Result<Session, RecordError> {
    let (layout, body) = frame::open(v4::NEWEST, key, bytes)?;
    let none = TokenId::from_bytes([0; 16]);
    let mut session = Session::new(id, String::new(), 0, Successor::new(none, none));
    let take = if layout < 4 { before_v4::take } else { v4::take };
    take(layout, body, &mut session).map(|()| session).ok_or(RecordError::Damaged)
}

#[cfg(test)]
mod tests;
