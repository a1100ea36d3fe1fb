//! The setting for sharing users and keys with a service of another library: so far
//! djangorestframework-simplejwt.
//!
//! Only the setting. `token::simplejwt` reads and writes such tokens. `session::foreign` decides about tokens
//! that the other service has issued.

use crate::claims::RESERVED;
use crate::error::ConfigError;

#[doc = include_str!("docs/compat.md")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Compat {
    user_id_claim: String,
}

impl Compat {
    /// Reads and writes tokens as djangorestframework-simplejwt does.
    pub fn simplejwt() -> Self {
        Self { user_id_claim: "user_id".into() }
    }

    /// Sets the claim that holds the user's id, `USER_ID_CLAIM` in Django. Default: `user_id`.
    ///
    /// It must not be a claim with another meaning: `aud`, `auth_time`, `client_id`, `exp`, `gen`, `iat`,
    /// `iss`, `jti`, `nbf`, `refresh_exp`, `roles`, `scope`, `sid` or `token_type`.
    pub fn user_id_claim(mut self, name: impl Into<String>) -> Self {
        self.user_id_claim = name.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let name = &self.user_id_claim;
        // `sub` is allowed: it holds the user's id in any case.
        if name.is_empty() || name != "sub" && RESERVED.contains(&name.as_str()) {
            return Err(ConfigError::setting(
                "Compat::user_id_claim",
                name,
                "it cannot hold the user's id: take the USER_ID_CLAIM of the other service, or `sub`",
            ));
        }
        Ok(())
    }

    pub(crate) fn user_id(&self) -> &str {
        &self.user_id_claim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_has_a_meaning_is_refused() {
        for (name, good) in [("user_id", true), ("sub", true), ("uid", true), ("", false), ("exp", false)] {
            let checked = Compat::simplejwt().user_id_claim(name).check();
            assert_eq!(checked.is_ok(), good, "{name}");
        }
    }
}
