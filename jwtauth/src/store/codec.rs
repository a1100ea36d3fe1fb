//! Records as bytes: `version (1) ‖ CRC-32 (4) ‖ bincode`. The only file that names bincode.
//!
//! The checksum covers the key too, so a value that a damaged page shows under another key is not
//! taken for a record. Reading is total: any bytes give a record or `None`, with bounded memory.
//!
//! The user's own value inside is JSON, because its type changes between releases of an application
//! and uses serde attributes; the layout around it changes with this crate only. A new layout gets a
//! new version and the old `V1` stays readable.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

use crate::error::StoreError;
use crate::id::{SessionId, TokenId};
use crate::record::{Reason, Revocation, Session};

/// The largest record that is written or read, in bytes.
pub(super) const MAX_RECORD: usize = 64 * 1024;

const VERSION: u8 = 1;
const HEADER: usize = 5;

type Layout = Configuration<LittleEndian, Fixint, Limit<MAX_RECORD>>;

const fn layout() -> Layout {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_RECORD>()
}

/// Numbers that are true of the store as a whole; written with every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Totals {
    /// How many changes were ever made.
    pub(super) changes: u64,
    /// How many sessions are kept.
    pub(super) sessions: u64,
    /// The sum of their records' checksums, so that an older state of one is noticed: a damaged page
    /// may come back as it was some changes ago, every record in it well-formed.
    pub(super) sum: u64,
}

#[derive(Encode, Decode)]
struct SessionV1 {
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    user: Option<Vec<u8>>,
    created_at: u64,
    auth_time: u64,
    ends_at: u64,
    expires_at: u64,
    generation: u64,
    rotated_at: u64,
    refresh_id: [u8; 16],
    /// When, and the number of the reason.
    revoked: Option<(u64, u8)>,
}

pub(super) fn encode_session(key: &[u8], session: &Session) -> Result<Vec<u8>, StoreError> {
    let record = SessionV1 {
        subject: session.subject.clone(),
        roles: session.roles.clone(),
        scopes: session.scopes.clone(),
        user: session.user.clone(),
        created_at: session.created_at,
        auth_time: session.auth_time,
        ends_at: session.ends_at,
        expires_at: session.expires_at,
        generation: session.generation,
        rotated_at: session.rotated_at,
        refresh_id: *session.refresh_id.as_bytes(),
        revoked: session.revoked.map(|revocation| (revocation.at, reason_number(revocation.reason))),
    };
    let bytes = encode(key, &record);
    if bytes.len() > MAX_RECORD {
        return Err(StoreError::TooLarge { got: bytes.len(), max: MAX_RECORD });
    }
    Ok(bytes)
}

/// Returns the session, or `None` if the bytes are damaged or of another version.
pub(super) fn decode_session(key: &[u8], id: SessionId, bytes: &[u8]) -> Option<Session> {
    let record: SessionV1 = decode(key, bytes)?;
    let revoked = match record.revoked {
        None => None,
        Some((at, number)) => Some(Revocation { at, reason: reason_of(number)? }),
    };
    Some(Session {
        id,
        subject: record.subject,
        roles: record.roles,
        scopes: record.scopes,
        user: record.user,
        created_at: record.created_at,
        auth_time: record.auth_time,
        ends_at: record.ends_at,
        expires_at: record.expires_at,
        generation: record.generation,
        rotated_at: record.rotated_at,
        refresh_id: TokenId::from_bytes(record.refresh_id),
        revoked,
    })
}

/// Returns the checksum that a record carries, for [`Totals::sum`].
pub(super) fn checksum_of(bytes: &[u8]) -> u64 {
    match bytes {
        [_, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]).into(),
        _ => 0,
    }
}

pub(super) fn encode_totals(key: &[u8], totals: Totals) -> Vec<u8> {
    encode(key, &totals)
}

pub(super) fn decode_totals(key: &[u8], bytes: &[u8]) -> Option<Totals> {
    decode(key, bytes)
}

fn encode(key: &[u8], value: &impl Encode) -> Vec<u8> {
    let body = bincode::encode_to_vec(value, layout()).expect("encoding into memory cannot fail");
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&checksum(key, &body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn decode<T: Decode<()>>(key: &[u8], bytes: &[u8]) -> Option<T> {
    let (header, body) = bytes.split_at_checked(HEADER)?;
    if header[0] != VERSION || header[1..] != checksum(key, body).to_le_bytes() {
        return None;
    }
    let (value, read) = bincode::decode_from_slice(body, layout()).ok()?;
    (read == body.len()).then_some(value)
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[VERSION]);
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// The numbers stand on disk: never change one.
const REASONS: [(Reason, u8); 6] = [
    (Reason::Ended, 0),
    (Reason::Logout, 1),
    (Reason::LogoutAll, 2),
    (Reason::Replaced, 3),
    (Reason::Reused, 4),
    (Reason::Inactive, 5),
];

fn reason_number(reason: Reason) -> u8 {
    // OK because the test below finds every reason in the table.
    REASONS.iter().find(|(known, _)| *known == reason).map_or(0, |(_, number)| *number)
}

fn reason_of(number: u8) -> Option<Reason> {
    REASONS.iter().find(|(_, known)| *known == number).map(|(reason, _)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"s0123456789abcdef";
    const ID: SessionId = SessionId::from_bytes(*b"0123456789abcdef");

    fn session() -> Session {
        Session {
            id: ID,
            subject: "42".into(),
            roles: vec!["admin".into(), "ops".into()],
            scopes: vec!["posts:write".into()],
            user: Some(br#"{"id":42}"#.to_vec()),
            created_at: 1,
            auth_time: 2,
            ends_at: 3,
            expires_at: 4,
            generation: 5,
            rotated_at: 6,
            refresh_id: TokenId::from_bytes([7; 16]),
            revoked: Some(Revocation { at: 8, reason: Reason::Logout }),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        use Reason::{Ended, Inactive, Logout, LogoutAll, Replaced, Reused};
        for reason in [Ended, Inactive, Logout, LogoutAll, Replaced, Reused] {
            let session = Session { revoked: Some(Revocation { at: 8, reason }), ..session() };
            let bytes = encode_session(KEY, &session).unwrap();
            assert_eq!(decode_session(KEY, ID, &bytes), Some(session));
        }
    }

    /// R-6, R-7: no change of a byte, no cut and no other key is taken for a record, and none panics.
    #[test]
    fn r_7_damaged_bytes_are_no_record() {
        let bytes = encode_session(KEY, &session()).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(decode_session(KEY, ID, &damaged), None, "byte {at}, bit {bit}");
            }
            assert_eq!(decode_session(KEY, ID, &bytes[..at]), None, "cut at {at}");
        }
        assert_eq!(decode_session(b"sfedcba9876543210", ID, &bytes), None, "another key");
        assert_eq!(decode_session(KEY, ID, &[bytes.clone(), vec![0]].concat()), None, "longer");
    }

    /// A length field that asks for the world gets nothing, also when its checksum is right.
    #[test]
    fn a_forged_length_allocates_nothing() {
        let mut body = u64::MAX.to_le_bytes().to_vec();
        body.extend([0; 64]);
        let bytes = [&[VERSION][..], &checksum(KEY, &body).to_le_bytes(), &body].concat();
        assert_eq!(decode_session(KEY, ID, &bytes), None);
    }

    #[test]
    fn a_record_over_the_limit_is_refused_with_its_size() {
        let session = Session { user: Some(vec![b' '; MAX_RECORD]), ..session() };
        assert!(
            matches!(encode_session(KEY, &session), Err(StoreError::TooLarge { got, .. }) if got > MAX_RECORD)
        );
    }
}
