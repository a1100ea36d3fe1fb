//! Where this crate keeps values of its own among those of an application. They are about one store, and come
//! into no other one by an import.

use super::value_store::ValueKey;
use crate::key::digest;

/// When the last backup was taken. Other keys are hashes, or begin with other words.
pub(crate) const LAST_BACKUP: ValueKey = ValueKey::from_bytes(*b"jwtauth: time of the last backup");

/// The rules of API keys that the last server has had.
pub(crate) fn api_key_rules() -> ValueKey {
    ValueKey::from_bytes(digest("jwtauth api key rules v1", ""))
}

/// Tells whether a value is about this store only.
pub(super) fn is_own(key: ValueKey) -> bool {
    key == LAST_BACKUP || key == api_key_rules()
}
