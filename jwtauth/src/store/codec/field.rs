//! One field of a record as bytes, and the list of fields that is a layout.
//!
//! Numbers have a fixed width and are little-endian; lists and texts have their length in front, as 8 bytes.

use std::net::IpAddr;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

use super::super::value_store::ValueUse;
use super::frame::MAX_RECORD;
use crate::id::{SessionId, TokenId};
use crate::record::{ApiKey, Revocation, RevocationReason, RevokedToken};

/// How much memory a record may take when it is read, in bytes. An item of a list takes more than its text
/// has: 24 bytes or 48 in memory, and 8 at least as it is written. So all that is written is read again.
const MAX_MEMORY: usize = 8 * MAX_RECORD;

type BincodeConfig = Configuration<LittleEndian, Fixint, Limit<MAX_MEMORY>>;

const fn config() -> BincodeConfig {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_MEMORY>()
}

/// Writes a value at the end of some bytes.
pub(super) fn write(value: impl Encode, out: &mut Vec<u8>) {
    // OK because a `Vec` takes any number of bytes, and no value writes itself.
    bincode::encode_into_std_write(value, out, config()).expect("encoding into memory cannot fail");
}

/// Reads a value from the start of some bytes, which are what follows it from then on. A length that asks for
/// more than a record can hold gives `None`, and no memory.
pub(super) fn read<T: Decode<()>>(rest: &mut &[u8]) -> Option<T> {
    let (value, len) = bincode::decode_from_slice(rest, config()).ok()?;
    *rest = rest.get(len..)?;
    Some(value)
}

/// Reads a value that is all there is.
pub(super) fn read_whole<T: Decode<()>>(mut body: &[u8]) -> Option<T> {
    let value = read(&mut body)?;
    body.is_empty().then_some(value)
}

/// A type that a record can have a field of.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

macro_rules! as_it_is {
    ($($kind:ty),+) => {
        $(impl Field for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                write(self, out);
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                read(rest)
            }
        })+
    };
}

as_it_is!(bool, u8, u64, [u8; 16], [u8; 32], String, Vec<u8>, Vec<String>, Vec<(String, String)>, IpAddr);

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(rest)? { Some(T::take(rest)?) } else { None })
    }
}

impl Field for ValueUse {
    fn put(&self, out: &mut Vec<u8>) {
        let number: u8 = match self {
            Self::Unsaid => 0,
            Self::MayLetIn => 1,
            Self::KeepsOut => 2,
        };
        number.put(out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        [Self::Unsaid, Self::MayLetIn, Self::KeepsOut].get(usize::from(u8::take(rest)?)).copied()
    }
}

impl Field for TokenId {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Field::take(rest).map(Self::from_bytes)
    }
}

impl Field for SessionId {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Field::take(rest).map(Self::from_bytes)
    }
}

impl Field for ApiKey {
    fn put(&self, out: &mut Vec<u8>) {
        self.name.put(out);
        self.roles.put(out);
        self.scopes.put(out);
        self.hash.put(out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let (name, roles, scopes) = (Field::take(rest)?, Field::take(rest)?, Field::take(rest)?);
        Some(Self { name, roles, scopes, hash: Field::take(rest)? })
    }
}

impl Field for Vec<RevokedToken> {
    fn put(&self, out: &mut Vec<u8>) {
        write(self.iter().map(|token| (*token.id.as_bytes(), token.expires_at)).collect::<Vec<_>>(), out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let list: Vec<([u8; 16], u64)> = read(rest)?;
        let token = |(id, expires_at)| RevokedToken { id: TokenId::from_bytes(id), expires_at };
        Some(list.into_iter().map(token).collect())
    }
}

impl Field for Revocation {
    fn put(&self, out: &mut Vec<u8>) {
        self.at.put(out);
        reason_number(self.reason).put(out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some(Self { at: u64::take(rest)?, reason: reason_of(u8::take(rest)?)? })
    }
}

/// The numbers stand on disks: never change one.
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
    // OK because a test of sessions finds every reason in the table.
    REASONS.iter().find(|(known, _)| *known == reason).map_or(0, |(_, number)| *number)
}

fn reason_of(number: u8) -> Option<RevocationReason> {
    REASONS.iter().find(|(_, known)| *known == number).map(|(reason, _)| *reason)
}

/// Checks the layout numbers of a list of fields, when the crate is compiled, and returns the last one.
pub(super) const fn newest(since: &[u8]) -> u8 {
    let mut newest = since[0];
    let mut at = 1;
    while at < since.len() {
        assert!(
            since[at] == newest || since[at] == newest + 1,
            "a new field goes to the end, in a layout of its own"
        );
        newest = since[at];
        at += 1;
    }
    newest
}

/// Lists the fields of a record in the order of their bytes, each with the first layout that has it.
///
/// Makes `NEWEST`, `put` and `take`. `take` puts the fields that a layout has into a record that has all
/// defaults.
macro_rules! fields {
    ($record:ty { $($($name:ident).+ : $since:literal),+ $(,)? }) => {
        /// The newest layout, which all records are written in.
        pub(super) const NEWEST: u8 = $crate::store::codec::field::newest(&[$($since),+]);

        pub(super) fn put(record: &$record, out: &mut Vec<u8>) {
            $($crate::store::codec::field::Field::put(&record.$($name).+, out);)+
        }

        pub(super) fn take(layout: u8, mut body: &[u8], record: &mut $record) -> Option<()> {
            $(if layout >= $since {
                record.$($name).+ = $crate::store::codec::field::Field::take(&mut body)?;
            })+
            body.is_empty().then_some(())
        }
    };
}
pub(super) use fields;
