//! Ids of sessions, tokens and accounts: 128 random bits, written as 22 characters of base64url.
//!
//! An id is not a credential: knowing one grants nothing. Logs still contain only [`SessionId::log_id`],
//! because many people read logs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::error::{ParseIdError, RandomError};
use crate::secret;

const LEN: usize = 16;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; LEN]);

        impl $name {
            /// Makes a new id of 128 random bits (OWASP ASVS 5.0, 7.2.3).
            ///
            /// # Errors
            ///
            /// Returns [`RandomError`] if the operating system has no randomness to give.
            pub fn random() -> Result<Self, RandomError> {
                secret::random().map(Self)
            }

            /// Returns the id with these bytes; for stores, which keep ids as bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; LEN] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; LEN.div_ceil(3) * 4];
                // OK because 16 bytes encode to 22 characters, all ASCII.
                let len = BASE64URL.encode_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
                f.write_str(std::str::from_utf8(&text[..len]).map_err(|_| fmt::Error)?)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        /// From its text form, so that `Path<..>` of it is an argument of a handler.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; LEN];
                match BASE64URL.decode_slice(text, &mut bytes) {
                    Ok(LEN) => Ok(Self(bytes)),
                    _ => Err(ParseIdError),
                }
            }
        }
    };
}

id! {
    /// Names a session (claim `sid`). Shown to users in their list of sessions; not a secret.
    SessionId
}

id! {
    /// Names one token (claim `jti`, RFC 7519, section 4.1.7).
    TokenId
}

id! {
    /// Names an account. Never reused, even after the account is removed.
    AccountId
}

impl AccountId {
    /// Returns the short form that log lines carry.
    #[must_use]
    pub fn log_id(&self) -> String {
        format!("{:08x}", crc32fast::hash(&self.0))
    }
}

impl SessionId {
    /// Returns the short form for log lines: enough to follow a session, too little to name it elsewhere.
    #[must_use]
    pub fn log_id(&self) -> String {
        format!("{:08x}", crc32fast::hash(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_22_characters_and_parses_back() {
        let id = SessionId::random().unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn other_text_is_refused() {
        let good = "AAAAAAAAAAAAAAAAAAAAAA";
        assert!(good.parse::<TokenId>().is_ok());
        // empty, too short, too long, padded, wrong alphabet, unused trailing bits not zero
        let bad = [
            "",
            &good[1..],
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAA+/",
            "AAAAAAAAAAAAAAAAAAAAAB",
        ];
        for text in bad {
            assert_eq!(text.parse::<TokenId>(), Err(ParseIdError), "{text:?}");
        }
    }

    /// J-23: ids are unique under a burst.
    #[test]
    fn j_23_ids_of_a_burst_are_unique() {
        let mut ids: Vec<_> = (0..100_000).map(|_| TokenId::random().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 100_000);
    }
}
