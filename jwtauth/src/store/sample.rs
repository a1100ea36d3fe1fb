//! One session and one account for tests: what a record needs to have is written here, and nowhere else.

use super::account_store::{PasswordHash, StoredAccount};
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::record::{Session, Successor};

/// Makes up a session of `subject`: opened at 100 s, its refresh token expires at 1,100 s, and it ends at
/// 2,500 s for good.
///
/// Its id and that of its refresh token are the byte `number`, 16 times. Change what a test is about.
///
/// ```
/// let mut session = jwtauth::testing::session(1, "alice");
/// session.expires_at = 500;
/// assert!(session.is_live_at(499) && !session.is_live_at(500));
/// ```
#[must_use]
pub fn session(number: u8, subject: &str) -> Session {
    let tokens = Successor::new(TokenId::from_bytes([number; 16]), TokenId::from_bytes([0xac; 16]));
    let opened = Session::new(SessionId::from_bytes([number; 16]), subject, 100, tokens);
    Session {
        roles: vec!["admin".into()],
        scopes: vec!["posts:write".into()],
        user: Some(br#"{"id":1}"#.to_vec()),
        absolute_expires_at: 2_500,
        expires_at: 1_100,
        ..opened
    }
}

/// Makes up an account that was registered at 100 s, under this key. Its id is the byte `number`, 16 times.
#[must_use]
pub fn account(number: u8, key: &str) -> StoredAccount {
    let hash = PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into());
    let id = AccountId::from_bytes([number; 16]);
    StoredAccount {
        roles: vec!["admin".into()],
        ..StoredAccount::new(id, key.to_uppercase(), key.into(), hash, 100)
    }
}
