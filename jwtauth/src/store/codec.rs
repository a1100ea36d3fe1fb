//! Records as bytes: `version (1) ‖ CRC-32 (4) ‖ bincode`. The only file that names bincode.
//!
//! The checksum covers the key too, so a value that a damaged page shows under another key is not
//! taken for a record. Reading is total: any bytes give a record or `None`, with bounded memory.
//!
//! The user's own value inside is JSON, because its type changes between releases of an application
//! and uses serde attributes; the layout around it changes with this crate only. A new layout gets a
//! new version; one that is not known is told apart from damage (R-19).
//!
//! Without the feature `accounts` nobody reads an account, but they are counted and kept.

#[cfg(feature = "accounts")]
mod accounts;
mod value;

use std::net::IpAddr;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

#[cfg(feature = "accounts")]
pub(super) use self::accounts::{decode_account, encode_account};
pub(super) use self::value::{VALUE_VERSION, Value, decode_value, encode_value};
use crate::device::Device;
use crate::error::StoreError;
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, RevocationReason, RevokedToken, Session};
use crate::registry::{TokenKind, TokenRecord};

/// The largest record that is written or read, in bytes.
pub(super) const MAX_RECORD: usize = 64 * 1024;

/// The layout of what stands under each kind of key.
const TOTALS_VERSION: u8 = 1;
/// Totals that count accounts. Without any, they are written as before there were accounts.
const TOTALS_V2: u8 = 2;
pub(super) const SESSION_VERSION: u8 = 3;
const TOKEN_VERSION: u8 = 1;
pub(super) const ACCOUNT_VERSION: u8 = 1;
const HEADER: usize = 5;

type Layout = Configuration<LittleEndian, Fixint, Limit<MAX_RECORD>>;

const fn layout() -> Layout {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_RECORD>()
}

/// Numbers that are true of the store as a whole; written with every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// How many changes were ever made.
    pub(super) changes: u64,
    /// How many sessions are kept.
    pub(super) sessions: u64,
    /// How many accounts are kept.
    pub(super) accounts: u64,
    /// The sum of the checksums of all these records, so that an older state of one is noticed: a damaged page
    /// may come back as it was some changes ago, every record in it well-formed.
    pub(super) sum: u64,
}

#[derive(Encode, Decode)]
struct SessionV3 {
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    user: Option<Vec<u8>>,
    created_at: u64,
    auth_time: u64,
    absolute_expires_at: u64,
    expires_at: u64,
    generation: u64,
    rotated_at: u64,
    refresh_id: [u8; 16],
    access_id: [u8; 16],
    /// Each with when it expires by itself.
    ended: Vec<([u8; 16], u64)>,
    device: DeviceV2,
    last_address: Option<IpAddr>,
    /// Always `false`. Sessions that stood for a token of another service had `true`, and are like any other now.
    adopted: bool,
    /// When, and the number of the reason.
    revoked: Option<(u64, u8)>,
}

#[derive(Encode, Decode)]
struct DeviceV2 {
    app: Option<String>,
    app_version: Option<String>,
    os: Option<String>,
    os_version: Option<String>,
    model: Option<String>,
    id: Option<String>,
    user_agent: Option<String>,
    address: Option<IpAddr>,
}

/// The session and the kind are in the key.
#[derive(Encode, Decode)]
struct TokenV1 {
    id: [u8; 16],
    parent: Option<[u8; 16]>,
    issued_at: u64,
    expires_at: u64,
    revoked_at: Option<u64>,
}

pub(super) fn encode_session(key: &[u8], session: &Session) -> Result<Vec<u8>, StoreError> {
    let device = &session.device;
    let record = SessionV3 {
        subject: session.subject.clone(),
        roles: session.roles.clone(),
        scopes: session.scopes.clone(),
        user: session.user.clone(),
        created_at: session.created_at,
        auth_time: session.auth_time,
        absolute_expires_at: session.absolute_expires_at,
        expires_at: session.expires_at,
        generation: session.generation,
        rotated_at: session.rotated_at,
        refresh_id: *session.refresh_id.as_bytes(),
        access_id: *session.access_id.as_bytes(),
        ended: session.revoked_tokens.iter().map(|token| (*token.id.as_bytes(), token.expires_at)).collect(),
        device: DeviceV2 {
            app: device.app.clone(),
            app_version: device.app_version.clone(),
            os: device.os.clone(),
            os_version: device.os_version.clone(),
            model: device.model.clone(),
            id: device.id.clone(),
            user_agent: device.user_agent.clone(),
            address: device.address,
        },
        last_address: session.last_address,
        adopted: false,
        revoked: session.revoked.map(|revocation| (revocation.at, reason_number(revocation.reason))),
    };
    fits(encode(SESSION_VERSION, key, &record))
}

fn fits(bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let (got, max) = (bytes.len(), MAX_RECORD);
    if got > max { Err(StoreError::TooLarge { got, max }) } else { Ok(bytes) }
}

/// Returns the session, or `None` if the bytes are damaged or of another version.
pub(super) fn decode_session(key: &[u8], id: SessionId, bytes: &[u8]) -> Option<Session> {
    let record: SessionV3 = decode(SESSION_VERSION, key, bytes)?;
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
        absolute_expires_at: record.absolute_expires_at,
        expires_at: record.expires_at,
        generation: record.generation,
        rotated_at: record.rotated_at,
        refresh_id: TokenId::from_bytes(record.refresh_id),
        access_id: TokenId::from_bytes(record.access_id),
        revoked_tokens: record
            .ended
            .into_iter()
            .map(|(id, expires_at)| RevokedToken { id: TokenId::from_bytes(id), expires_at })
            .collect(),
        device: Device {
            app: record.device.app,
            app_version: record.device.app_version,
            os: record.device.os,
            os_version: record.device.os_version,
            model: record.device.model,
            id: record.device.id,
            user_agent: record.device.user_agent,
            address: record.device.address,
        },
        last_address: record.last_address,
        revoked,
    })
}

pub(super) fn encode_token(key: &[u8], token: &TokenRecord) -> Vec<u8> {
    let record = TokenV1 {
        id: *token.id.as_bytes(),
        parent: token.parent.map(|parent| *parent.as_bytes()),
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
    };
    encode(TOKEN_VERSION, key, &record)
}

/// Returns the record of a token, or `None` if the bytes are damaged or of another version.
pub(super) fn decode_token(
    key: &[u8],
    session: SessionId,
    kind: TokenKind,
    bytes: &[u8],
) -> Option<TokenRecord> {
    let record: TokenV1 = decode(TOKEN_VERSION, key, bytes)?;
    Some(TokenRecord {
        id: TokenId::from_bytes(record.id),
        session,
        kind,
        parent: record.parent.map(TokenId::from_bytes),
        issued_at: record.issued_at,
        expires_at: record.expires_at,
        revoked_at: record.revoked_at,
    })
}

/// Returns the version that whole bytes were written in, whatever it is; `None` if they are damaged.
pub(super) fn version_of(key: &[u8], bytes: &[u8]) -> Option<u8> {
    let (header, body) = bytes.split_at_checked(HEADER)?;
    (header[1..] == checksum(header[0], key, body).to_le_bytes()).then_some(header[0])
}

/// Returns the checksum that a record carries, for [`Totals::sum`].
pub(super) fn checksum_of(bytes: &[u8]) -> u64 {
    match bytes {
        [_, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]).into(),
        _ => 0,
    }
}

pub(super) fn encode_totals(key: &[u8], totals: Totals) -> Vec<u8> {
    let Totals { changes, sessions, accounts, sum } = totals;
    match accounts {
        0 => encode(TOTALS_VERSION, key, &(changes, sessions, sum)),
        _ => encode(TOTALS_V2, key, &(changes, sessions, accounts, sum)),
    }
}

pub(super) fn decode_totals(key: &[u8], bytes: &[u8]) -> Option<Totals> {
    if bytes.first() == Some(&TOTALS_V2) {
        let (changes, sessions, accounts, sum) = decode(TOTALS_V2, key, bytes)?;
        return Some(Totals { changes, sessions, accounts, sum });
    }
    let (changes, sessions, sum) = decode(TOTALS_VERSION, key, bytes)?;
    Some(Totals { changes, sessions, accounts: 0, sum })
}

fn encode(version: u8, key: &[u8], value: &impl Encode) -> Vec<u8> {
    let body = bincode::encode_to_vec(value, layout()).expect("encoding into memory cannot fail");
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(version);
    bytes.extend_from_slice(&checksum(version, key, &body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn decode<T: Decode<()>>(version: u8, key: &[u8], bytes: &[u8]) -> Option<T> {
    if version_of(key, bytes)? != version {
        return None;
    }
    let body = &bytes[HEADER..];
    let (value, read) = bincode::decode_from_slice(body, layout()).ok()?;
    (read == body.len()).then_some(value)
}

fn checksum(version: u8, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// The numbers stand on disk: never change one.
const REASONS: [(RevocationReason, u8); 7] = [
    (RevocationReason::Requested, 0),
    (RevocationReason::Logout, 1),
    (RevocationReason::LogoutAll, 2),
    (RevocationReason::Replaced, 3),
    (RevocationReason::Reused, 4),
    (RevocationReason::Inactive, 5),
    (RevocationReason::Evicted, 6),
];

fn reason_number(reason: RevocationReason) -> u8 {
    // OK because the test below finds every reason in the table.
    REASONS.iter().find(|(known, _)| *known == reason).map_or(0, |(_, number)| *number)
}

fn reason_of(number: u8) -> Option<RevocationReason> {
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
            absolute_expires_at: 3,
            expires_at: 4,
            generation: 5,
            rotated_at: 6,
            refresh_id: TokenId::from_bytes([7; 16]),
            access_id: TokenId::from_bytes([8; 16]),
            revoked_tokens: vec![RevokedToken { id: TokenId::from_bytes([9; 16]), expires_at: 9 }],
            device: Device {
                app: Some("Chrome".into()),
                app_version: Some("126".into()),
                os: Some("Linux".into()),
                os_version: None,
                model: Some("Pixel 9".into()),
                id: Some("485".into()),
                user_agent: Some("Mozilla/5.0".into()),
                address: Some([203, 0, 113, 7].into()),
            },
            last_address: Some("2001:db8::7".parse().unwrap()),
            revoked: Some(Revocation { at: 8, reason: RevocationReason::Logout }),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        use RevocationReason::{Evicted, Inactive, Logout, LogoutAll, Replaced, Requested, Reused};
        for reason in [Evicted, Inactive, Logout, LogoutAll, Requested, Replaced, Reused] {
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
        let bytes =
            [&[SESSION_VERSION][..], &checksum(SESSION_VERSION, KEY, &body).to_le_bytes(), &body].concat();
        assert_eq!(decode_session(KEY, ID, &bytes), None);
    }

    /// A store without accounts stays what it was, so it can be opened by what wrote it.
    #[test]
    fn totals_are_written_as_before_until_there_is_an_account() {
        for accounts in [0, 1, u64::MAX] {
            let totals = Totals { changes: 1, sessions: 2, accounts, sum: 3 };
            let bytes = encode_totals(b"m", totals);
            assert_eq!(bytes[0], if accounts == 0 { TOTALS_VERSION } else { TOTALS_V2 });
            assert_eq!(decode_totals(b"m", &bytes), Some(totals));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(decode_totals(b"m", &damaged), None, "byte {at}");
            }
        }
    }

    #[test]
    fn a_record_over_the_limit_is_refused_with_its_size() {
        let session = Session { user: Some(vec![b' '; MAX_RECORD]), ..session() };
        assert!(
            matches!(encode_session(KEY, &session), Err(StoreError::TooLarge { got, .. }) if got > MAX_RECORD)
        );
    }
}
