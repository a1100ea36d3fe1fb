//! A record as it was read from the tree: upgraded, with the checksum of the bytes that are there.
//!
//! The bytes may be of an older layout, so encoding the record again gives others. What leaves the sum of the
//! totals is the checksum that went into it.

use super::super::account_store::StoredAccount;
use super::super::codec::{self, RecordError};
use super::super::value_store::StoredValue;
use crate::id::AccountId;
use crate::id::SessionId;
use crate::record::Session;

/// A record, and the checksum of its bytes in the tree.
#[derive(Debug)]
pub(super) struct DiskRecord<T> {
    pub(super) record: T,
    pub(super) checksum: u64,
}

impl DiskRecord<Session> {
    pub(super) fn session(key: &[u8], id: SessionId, bytes: &[u8]) -> Result<Self, RecordError> {
        let record = codec::decode_session(key, id, bytes)?;
        Ok(Self { record, checksum: codec::checksum_of(bytes) })
    }
}

impl DiskRecord<StoredAccount> {
    pub(super) fn account(key: &[u8], id: AccountId, bytes: &[u8]) -> Result<Self, RecordError> {
        let record = codec::decode_account(key, id, bytes)?;
        Ok(Self { record, checksum: codec::checksum_of(bytes) })
    }
}

impl DiskRecord<StoredValue> {
    pub(super) fn value(key: &[u8], bytes: &[u8]) -> Result<Self, RecordError> {
        let record = codec::decode_value(key, bytes)?;
        Ok(Self { record, checksum: codec::checksum_of(bytes) })
    }
}
