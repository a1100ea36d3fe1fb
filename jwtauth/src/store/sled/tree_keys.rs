//! The order of keys in the one tree that holds everything.
//!
//! | key | value |
//! |---|---|
//! | `a` account id | the record of the account |
//! | `e` | where the audit trail begins and ends |
//! | `e` number | an event of the audit trail |
//! | `m` | totals of the store |
//! | `n` folded name, zero, account id | nothing: accounts in the order of their names |
//! | `s` session id | the record |
//! | `t` session id, generation, `0` for refresh, `1` for access, `2` for sliding, id of an access or sliding token | what was recorded of a token |
//! | `u` length of subject, subject, session id | nothing: the sessions of a subject |
//! | `v` key of a value | an opaque value, or the mark that it was removed |
//! | `w` `expires_at`, key of a value | nothing: values in the order of their expiry |
//! | `x` `expires_at`, session id | nothing: sessions in the order of their expiry |
//!
//! One tree, so that one batch changes a record and its index entries together: separate trees
//! came apart under kill -9 in 29 of 60 runs.

use std::ops::Range;

use super::super::value_store::ValueKey;
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::record::Session;
use crate::registry::TokenKind;

/// The prefix of account records.
pub(super) const ACCOUNTS: &[u8] = b"a";
/// The key of the head of the audit trail, and the prefix of its events.
pub(super) const EVENTS: &[u8] = b"e";
/// The first key behind those of the audit trail.
pub(super) const EVENTS_END: &[u8] = b"f";
/// The key of the totals.
pub(super) const TOTALS: &[u8] = b"m";
/// The prefix of the index of accounts by name.
pub(super) const NAMES: &[u8] = b"n";
/// The prefix of session records.
pub(super) const SESSIONS: &[u8] = b"s";
/// The prefix of the records of tokens.
pub(super) const TOKENS: &[u8] = b"t";
/// The prefix of the index by subject.
pub(super) const SUBJECTS: &[u8] = b"u";
/// The prefix of the index by expiry.
pub(super) const EXPIRIES: &[u8] = b"x";
/// The prefix of opaque values.
pub(super) const VALUES: &[u8] = b"v";
/// The prefix of the index of values by expiry.
pub(super) const VALUE_EXPIRIES: &[u8] = b"w";

const ID_LEN: usize = 16;

/// The keys of all records. What is outside follows from them.
pub(super) fn records() -> [Range<Vec<u8>>; 4] {
    [ACCOUNTS..b"b", EVENTS..EVENTS_END, SESSIONS..SUBJECTS, VALUES..VALUE_EXPIRIES]
        .map(|range| range.start.to_vec()..range.end.to_vec())
}

/// The keys that are read before a store is used: those of accounts and values, and of their indexes.
pub(super) fn read_first() -> [Range<Vec<u8>>; 3] {
    [ACCOUNTS..b"b", NAMES..b"o", VALUES..EXPIRIES].map(|range| range.start.to_vec()..range.end.to_vec())
}

/// Tells whether a key is one of those.
pub(super) fn is_read_first(key: &[u8]) -> bool {
    [ACCOUNTS, NAMES, VALUES, VALUE_EXPIRIES].iter().any(|kind| key.starts_with(kind))
}

/// Tells whether the totals say how many keys of this kind there are.
pub(super) fn is_counted(key: &[u8]) -> bool {
    is_read_first(key) || [SESSIONS, SUBJECTS, EXPIRIES].iter().any(|kind| key.starts_with(kind))
}

/// The keys from a key on that are read while a store is used: those of sessions and tokens, and of the
/// indexes of sessions. `None` if none are left.
pub(super) fn unread(key: &[u8]) -> Option<Range<Vec<u8>>> {
    let ranges = [SESSIONS..VALUES, EXPIRIES..b"y"];
    let range = ranges.into_iter().find(|range| key < range.end)?;
    Some(key.max(range.start).to_vec()..range.end.to_vec())
}

/// Where none of our stores has keys.
pub(super) fn gaps() -> [Range<Vec<u8>>; 6] {
    [
        &b""[..]..ACCOUNTS,
        b"b"..EVENTS,
        EVENTS_END..TOTALS,
        b"m\0"..NAMES,
        b"o"..SESSIONS,
        b"y"..&[u8::MAX; 64],
    ]
    .map(|range| range.start.to_vec()..range.end.to_vec())
}

/// All keys.
pub(super) fn all() -> Range<Vec<u8>> {
    Vec::new()..vec![u8::MAX]
}

/// Tells whether a record stands under a key.
pub(super) fn is_record(key: &[u8]) -> bool {
    [ACCOUNTS, EVENTS, SESSIONS, TOKENS, VALUES].iter().any(|kind| key.starts_with(kind))
}

pub(super) fn session(id: SessionId) -> Vec<u8> {
    [SESSIONS, id.as_bytes()].concat()
}

/// All records of sessions behind an id.
pub(super) fn sessions_after(id: Option<SessionId>) -> Range<Vec<u8>> {
    let start = id.map_or(SESSIONS.to_vec(), |id| [&session(id)[..], &[0]].concat());
    start..TOKENS.to_vec()
}

/// The part of the subject index that holds one subject. Its length stands in front, so that no
/// subject is a prefix of another.
pub(super) fn subject(subject: &str) -> Vec<u8> {
    let len = u16::try_from(subject.len()).unwrap_or(u16::MAX);
    [SUBJECTS, &len.to_be_bytes(), subject.as_bytes()].concat()
}

/// The record of a token that was issued for the generation that the session has.
pub(super) fn token(session: &Session, kind: TokenKind, id: TokenId) -> Vec<u8> {
    let (kind, id) = match kind {
        TokenKind::Refresh => (0, &[][..]),
        TokenKind::Access => (1, &id.as_bytes()[..]),
        TokenKind::Sliding => (2, &id.as_bytes()[..]),
    };
    [TOKENS, session.id.as_bytes(), &session.generation.to_be_bytes(), &[kind], id].concat()
}

/// The same, as it was when a generation had one token of each kind.
pub(super) fn former_token(mut key: Vec<u8>) -> Vec<u8> {
    key.truncate(TOKENS.len() + ID_LEN + 8 + 1);
    key
}

/// All records of the tokens of a session, in the order in which they were issued.
pub(super) fn tokens_of(session: SessionId) -> Range<Vec<u8>> {
    let prefix = [TOKENS, session.as_bytes()].concat();
    // No generation is this high.
    let end = [&prefix[..], &[0xff; 10]].concat();
    prefix..end
}

/// All records of tokens behind a key.
pub(super) fn tokens_behind(key: Option<&[u8]>) -> Range<Vec<u8>> {
    let start = key.map_or(TOKENS.to_vec(), |key| [key, &[0]].concat());
    start..SUBJECTS.to_vec()
}

/// Returns session and kind of the key of a token's record.
pub(super) fn parts_of_token(key: &[u8]) -> Option<(SessionId, TokenKind)> {
    let (id, rest) = key.strip_prefix(TOKENS)?.split_first_chunk::<ID_LEN>()?;
    let kind = match rest.split_at_checked(8)?.1 {
        [0] => TokenKind::Refresh,
        [1, id @ ..] if matches!(id.len(), 0 | ID_LEN) => TokenKind::Access,
        [2, id @ ..] if matches!(id.len(), 0 | ID_LEN) => TokenKind::Sliding,
        _ => return None,
    };
    Some((SessionId::from_bytes(*id), kind))
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

/// Returns subject and session of an entry of the index by subject.
pub(super) fn parts_of_subject(key: &[u8]) -> Option<(&str, SessionId)> {
    let (rest, id) = key.strip_prefix(SUBJECTS)?.split_last_chunk::<ID_LEN>()?;
    let subject = rest.split_at_checked(2)?.1;
    Some((std::str::from_utf8(subject).ok()?, SessionId::from_bytes(*id)))
}

/// The first key behind all sessions that expire at `now` or earlier.
pub(super) fn expired_until(now: u64) -> Vec<u8> {
    match now.checked_add(1) {
        Some(next) => [EXPIRIES, &next.to_be_bytes()].concat(),
        None => b"y".to_vec(),
    }
}

pub(super) fn account(id: AccountId) -> Vec<u8> {
    [ACCOUNTS, id.as_bytes()].concat()
}

/// The part of the index by name that holds one name. No folded name has a byte below a space.
pub(super) fn name(key: &str) -> Vec<u8> {
    [NAMES, key.as_bytes(), &[0]].concat()
}

/// All keys of the index by name that hold one name.
pub(super) fn name_range(key: &str) -> Range<Vec<u8>> {
    name(key)..[NAMES, key.as_bytes(), &[1]].concat()
}

/// All keys of the index by name that come behind a name, in order.
pub(super) fn names_after(key: Option<&str>) -> Range<Vec<u8>> {
    let start = key.map_or_else(|| NAMES.to_vec(), |key| name_range(key).end);
    start..[NAMES, &[0xff]].concat()
}

/// All keys of the index by name that come before a name, in order.
pub(super) fn names_before(key: &str) -> Range<Vec<u8>> {
    NAMES.to_vec()..name(key)
}

pub(super) fn name_entry(key: &str, id: AccountId) -> Vec<u8> {
    [&name(key)[..], id.as_bytes()].concat()
}

/// Returns name and account of an entry of the index by name.
pub(super) fn parts_of_name(key: &[u8]) -> Option<(&str, AccountId)> {
    let (rest, id) = key.strip_prefix(NAMES)?.split_last_chunk::<ID_LEN>()?;
    let name = rest.strip_suffix(&[0])?;
    Some((std::str::from_utf8(name).ok()?, AccountId::from_bytes(*id)))
}

/// Returns the account id that ends a key.
pub(super) fn account_of(key: &[u8]) -> Option<AccountId> {
    let start = key.len().checked_sub(ID_LEN)?;
    key[start..].try_into().ok().map(AccountId::from_bytes)
}

/// Returns the session id that ends a key of any of the three kinds.
pub(super) fn id_of(key: &[u8]) -> Option<SessionId> {
    let start = key.len().checked_sub(ID_LEN)?;
    key[start..].try_into().ok().map(SessionId::from_bytes)
}

/// The key of the event with this number.
pub(super) fn event(number: u64) -> Vec<u8> {
    [EVENTS, &number.to_be_bytes()].concat()
}

/// Returns the number of the event that stands under a key.
pub(super) fn number_of_event(key: &[u8]) -> Option<u64> {
    key.strip_prefix(EVENTS)?.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn value(key: ValueKey) -> Vec<u8> {
    [VALUES, key.as_bytes()].concat()
}

pub(super) fn value_expiry(key: ValueKey, expires_at: u64) -> Vec<u8> {
    [VALUE_EXPIRIES, &expires_at.to_be_bytes(), key.as_bytes()].concat()
}

/// The index entries of all values that expire at `now` or earlier.
pub(super) fn expired_values(now: u64) -> Range<Vec<u8>> {
    let end = match now.checked_add(1) {
        Some(next) => [VALUE_EXPIRIES, &next.to_be_bytes()].concat(),
        None => EXPIRIES.to_vec(),
    };
    VALUE_EXPIRIES.to_vec()..end
}

/// Returns the name of the value that stands under a key.
pub(super) fn key_of_value(key: &[u8]) -> Option<ValueKey> {
    key.strip_prefix(VALUES)?.try_into().ok().map(ValueKey::from_bytes)
}

/// Returns the value that an index entry is about.
pub(super) fn value_of(entry: &[u8]) -> Option<ValueKey> {
    let key = entry.strip_prefix(VALUE_EXPIRIES)?.split_at_checked(8)?.1;
    key.try_into().ok().map(ValueKey::from_bytes)
}
