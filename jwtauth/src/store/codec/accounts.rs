//! Accounts as bytes, in the same frame as sessions. What it says of a layout goes for theirs too.

use bincode::{Decode, Encode};

use super::super::accounts::{PasswordHash, StoredAccount};
use super::{ACCOUNT_VERSION, decode, encode, fits};
use crate::error::StoreError;
use crate::id::AccountId;

#[derive(Encode, Decode)]
struct AccountV1 {
    name: String,
    key: String,
    /// A PHC string.
    hash: String,
    roles: Vec<String>,
    active: bool,
    revision: u64,
    created_at: u64,
    password_changed_at: u64,
    last_login: Option<u64>,
}

pub(in super::super) fn encode_account(key: &[u8], account: &StoredAccount) -> Result<Vec<u8>, StoreError> {
    let record = AccountV1 {
        name: account.name.clone(),
        key: account.key.clone(),
        hash: account.hash.as_phc().to_owned(),
        roles: account.roles.clone(),
        active: account.active,
        revision: account.revision,
        created_at: account.created_at,
        password_changed_at: account.password_changed_at,
        last_login: account.last_login,
    };
    fits(encode(ACCOUNT_VERSION, key, &record))
}

/// Returns the account, or `None` if the bytes are damaged or of another version.
pub(in super::super) fn decode_account(key: &[u8], id: AccountId, bytes: &[u8]) -> Option<StoredAccount> {
    let record: AccountV1 = decode(ACCOUNT_VERSION, key, bytes)?;
    Some(StoredAccount {
        id,
        name: record.name,
        key: record.key,
        hash: PasswordHash::from_phc(record.hash),
        roles: record.roles,
        active: record.active,
        revision: record.revision,
        created_at: record.created_at,
        password_changed_at: record.password_changed_at,
        last_login: record.last_login,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_RECORD, decode_session, encode_session, version_of};
    use super::*;
    use crate::record::Session;

    /// R-7: the same of an account; and neither kind of record is taken for the other.
    #[test]
    fn r_7_damaged_bytes_are_no_account() {
        let account = StoredAccount { last_login: Some(7), ..StoredAccount::sample(1, "alice") };
        let key = super::super::super::keys::account(account.id);
        let bytes = encode_account(&key, &account).unwrap();
        assert_eq!(version_of(&key, &bytes), Some(ACCOUNT_VERSION));
        assert_eq!(decode_account(&key, account.id, &bytes), Some(account.clone()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode_account(&key, account.id, &damaged), None, "byte {at}");
            assert_eq!(decode_account(&key, account.id, &bytes[..at]), None, "cut at {at}");
            assert_eq!(version_of(&key, &damaged).or(version_of(&key, &bytes[..at])), None, "byte {at}");
        }
        let session = Session::sample(1);
        assert_eq!(decode_session(&key, session.id, &bytes), None);
        assert_eq!(decode_account(&key, account.id, &encode_session(&key, &session).unwrap()), None);
        assert_eq!(decode_account(b"another key", account.id, &bytes), None);
        let large = StoredAccount { roles: vec!["r".repeat(MAX_RECORD)], ..account };
        assert!(matches!(encode_account(&key, &large), Err(StoreError::TooLarge { .. })));
    }
}
