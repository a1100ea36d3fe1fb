//! Secrets on their way between the program and the store: redacted in `Debug`, and wiped when dropped.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A password on its way to the store. Redacted in `Debug`, and wiped when dropped.
#[cfg(feature = "accounts")]
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WipedPassword(#[serde(with = "plain")] Zeroizing<String>);

#[cfg(feature = "accounts")]
impl WipedPassword {
    /// Takes a password, which is wiped with this value.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(feature = "accounts")]
impl fmt::Debug for WipedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WipedPassword([redacted])")
    }
}

/// A new API key on its way to whoever has asked for it. Redacted in `Debug`, and wiped when dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownApiKey(#[serde(with = "plain")] Zeroizing<String>);

impl ShownApiKey {
    pub(super) fn new(key: String) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Returns the key. Never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownApiKey([redacted])")
    }
}

/// Text that is wiped, as it travels.
mod plain {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(password: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(password)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(from).map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K-1: it travels as it is, and shows itself nowhere else.
    #[test]
    fn k_1_a_key_is_sent_and_never_logged() {
        let secret = ShownApiKey::new("jwtauth_secret".into());
        assert!(!format!("{secret:?}").contains("secret\"") && !format!("{secret:?}").contains("jwtauth_"));
        let sent = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<ShownApiKey>(&sent).unwrap().expose(), "jwtauth_secret");
    }
}
