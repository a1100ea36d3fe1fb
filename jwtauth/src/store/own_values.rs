//! Where this crate keeps values of its own among those of an application. They are about one store, and come
//! into no other one by an import.

use super::value_store::ValueKey;
use crate::key::digest;

/// When the last backup was taken. Other keys are hashes, or begin with other words.
pub(crate) const LAST_BACKUP: ValueKey = ValueKey::from_bytes(*b"jwtauth: time of the last backup");

const ROLE_SCOPES: &str = "jwtauth role scopes v1";

/// The rules of API keys that the last server has had.
pub(crate) fn api_key_rules() -> ValueKey {
    ValueKey::from_bytes(digest("jwtauth api key rules v1", ""))
}

/// The scopes of roles that the last server has had.
#[cfg(feature = "accounts")]
pub(crate) fn role_scopes() -> ValueKey {
    ValueKey::from_bytes(digest(ROLE_SCOPES, ""))
}

/// What the secret of the last server makes of a fixed text.
pub(crate) fn secret_mark() -> ValueKey {
    ValueKey::from_bytes(digest("jwtauth secret mark v1", ""))
}

/// Tells whether a value is about this store only.
pub(super) fn is_own(key: ValueKey) -> bool {
    let role_scopes = ValueKey::from_bytes(digest(ROLE_SCOPES, ""));
    [LAST_BACKUP, api_key_rules(), role_scopes, secret_mark()].contains(&key)
}
