//! Accounts as bytes. Layout 1 and those that follow it, each with one field more.

use super::super::account_store::{PasswordHash, StoredAccount};
use super::field::{Field, fields};
use super::frame::{self, RecordError};
use crate::error::StoreError;
use crate::id::AccountId;

fields!(StoredAccount {
    name: 1,
    key: 1,
    hash: 1,
    roles: 1,
    active: 1,
    revision: 1,
    created_at: 1,
    password_changed_at: 1,
    last_login: 1,
});

/// As its PHC string.
impl Field for PasswordHash {
    fn put(&self, out: &mut Vec<u8>) {
        super::field::write(self.as_phc(), out);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        String::take(rest).map(Self::from_phc)
    }
}

/// Returns an account as bytes, to be kept under `key`, which names its id.
///
/// # Errors
///
/// [`StoreError::TooLarge`] if they are more than [`MAX_RECORD`](super::MAX_RECORD).
pub fn encode_account(key: &[u8], account: &StoredAccount) -> Result<Vec<u8>, StoreError> {
    frame::fits(frame::close(NEWEST, key, |out| put(account, out)))
}

/// Returns the account that is kept under `key`.
///
/// # Errors
///
/// A [`RecordError`] if the bytes are no account.
pub fn decode_account(key: &[u8], id: AccountId, bytes: &[u8]) -> Result<StoredAccount, RecordError> {
    let (layout, body) = frame::open(NEWEST, key, bytes)?;
    fields_of(id, layout, body).ok_or(RecordError::Damaged)
}

/// Returns the name in the record of an account, in the form that is unique. Of which account it is, and
/// whether it is whole, is not known without its key.
pub(in crate::store) fn name_in(bytes: &[u8]) -> Option<String> {
    let (layout, body) = frame::unproven(NEWEST, bytes)?;
    fields_of(AccountId::from_bytes([0; 16]), layout, body).map(|account| account.key)
}

fn fields_of(id: AccountId, layout: u8, body: &[u8]) -> Option<StoredAccount> {
    let hash = PasswordHash::from_phc(String::new());
    let mut account = StoredAccount::new(id, String::new(), String::new(), hash, 0);
    take(layout, body, &mut account).map(|()| account)
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_RECORD, decode_session, encode_session, layout_of};
    use super::*;
    use crate::store::sample;

    /// R-7: the same of an account; and neither kind of record is taken for the other.
    #[test]
    fn r_7_damaged_bytes_are_no_account() {
        let account = StoredAccount { last_login: Some(7), ..sample::account(1, "alice") };
        let key = [b"a", &account.id.as_bytes()[..]].concat();
        let bytes = encode_account(&key, &account).unwrap();
        assert_eq!(layout_of(&key, &bytes), Some(NEWEST));
        assert_eq!(decode_account(&key, account.id, &bytes), Ok(account.clone()));
        let damaged = Err(RecordError::Damaged);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(decode_account(&key, account.id, &changed), damaged, "byte {at}");
            assert_eq!(decode_account(&key, account.id, &bytes[..at]), damaged, "cut at {at}");
            assert_eq!(layout_of(&key, &changed).or(layout_of(&key, &bytes[..at])), None, "byte {at}");
        }
        let session = sample::session(1, "1");
        assert!(decode_session(&key, session.id, &bytes).is_err());
        assert!(decode_account(&key, account.id, &encode_session(&key, &session).unwrap()).is_err());
        assert_eq!(decode_account(b"another key", account.id, &bytes), damaged);
        let large = StoredAccount { roles: vec!["r".repeat(MAX_RECORD)], ..account };
        assert!(matches!(encode_account(&key, &large), Err(StoreError::TooLarge { .. })));
    }
}
