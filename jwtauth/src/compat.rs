//! The setting for services that share users and keys with one of another make: so far djangorestframework-simplejwt.
//!
//! Only what is set. How tokens are written and read then is in `token::foreign`, what becomes of a token of the
//! other service in `session::adopt`.

use crate::claims::RESERVED;
use crate::error::ConfigError;

/// Shares logins with a Django service that uses djangorestframework-simplejwt: it accepts our tokens, and we accept its.
///
/// ```
/// # async fn run() -> Result<(), jwtauth::OpenError> {
/// use jwtauth::{Compat, JwtAuth};
///
/// let jwtauth = JwtAuth::builder()
///     .secret_from_env("DJANGO_SIGNING_KEY") // SIMPLE_JWT["SIGNING_KEY"], or Django's SECRET_KEY
///     .compat(Compat::simplejwt())
///     .open("data/sessions")
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// Read and written as version 5.5.1 does, with its default `TOKEN_TYPE_CLAIM` and `JTI_CLAIM`. Django's `ALGORITHM` and key
/// are those of our access tokens: [`secret`](crate::JwtAuthBuilder::secret), or [`key`](crate::JwtAuthBuilder::key)
/// for `SIGNING_KEY` and `VERIFYING_KEY` of a key pair. Both services know a user by the same id, which is our subject.
///
/// # What changes
///
/// - Tokens have `typ: JWT`, and the claim `user_id` beside `sub`; `token_type` alone tells the kinds apart. Refresh
///   tokens are signed by the key of access tokens. Tokens that were issued before this was switched on stay good; those
///   issued since end when it is switched off.
/// - An expired token is answered with the code `token_not_valid`, as every other that is refused, and with simplejwt's
///   member `messages`: its clients refresh on that.
/// - `iss` and `aud` may be missing, and must be [`issuer`](crate::JwtAuthBuilder::issuer) and
///   [`audience`](crate::JwtAuthBuilder::audience) where they are there: set Django's `ISSUER` and `AUDIENCE` to the same, or
///   to nothing.
/// - A token that lives longer than our `access_ttl` or `refresh_ttl` counts as expired: make them no shorter than
///   `ACCESS_TOKEN_LIFETIME` and `REFRESH_TOKEN_LIFETIME`.
/// - Before 5.5.1 Django gave an access token that it refreshed the `iat` of its refresh token. By that it lives longer than
///   `access_ttl`, and is refused here as expired: take 5.5.1 or later.
/// - Where the clocks of the two differ, set [`leeway`](crate::JwtAuthBuilder::leeway) to more than they do: a token that is
///   issued in our future is refused until then.
/// - A token without `kid`, as Django writes them, is one of the key that signs, and of no other.
///   [`KeyRing::retire`](crate::KeyRing::retire) and [`remove`](crate::KeyRing::remove) are about refresh tokens as well, so a
///   new [`key`](crate::JwtAuthBuilder::key) ends all sessions unless the old one is a
///   [`verify_key`](crate::KeyConfig::verify_key).
///
/// # Tokens that Django has issued
///
/// Each opens a session of its own when it is first seen, which is a write to disk, and an
/// [`Event::Adopted`](crate::Event::Adopted). From then on it is listed, ended and counted as any other.
///
/// - An access token is good until it expires. A refresh token, presented at
///   [`/refresh`](crate::JwtAuth::routes), to [`Sessions::refresh`](crate::Sessions::refresh) or in the cookie, is spent for
///   a pair of ours; when it comes back after the grace window its session ends.
/// - There is no copy of the user, no role and no scope, nor for
///   [`access_claims`](crate::JwtAuthBuilder::access_claims): take [`&Identity`](crate::Identity), or write
///   [`AuthUser::load`](crate::AuthUser) by hand. A derived user is answered 401 `user_not_found`.
/// - When the user typed a password is unknown, so `#[require_auth(fresh = "5m")]` refuses, unless Django writes a claim
///   `auth_time`.
/// - [`before_login`](crate::JwtAuthBuilder::before_login) is asked; `max_sessions` counts. The token registry has what is
///   issued here only, so [`revoke_tree`](crate::Sessions::revoke_tree) does not end a token of Django's:
///   [`revoke`](crate::Sessions::revoke) does.
/// - Django's access token and the refresh token it came with have nothing in common but their user: ending one session
///   leaves the other. [`revoke_all`](crate::Sessions::revoke_all) and everything else that ends all sessions of a user, or all
///   others, refuses tokens that Django has issued up to then too, also those that nobody has seen here yet; and in the
///   same second, or [`leeway`](crate::JwtAuthBuilder::leeway), after it; not those that a clock which is ahead by more than
///   that had dated later. That counts for calls made with this switched on.
/// - Of more than 256 such sessions of a user that are over and could come back, or `max_sessions` if that is more, the oldest
///   are forgotten, and no token of that age opens a session any more.
///
/// A token that Django makes of *our* refresh token belongs to our session, and ends with it. What tells the two apart is
/// the claim `sid`, so Django must write none of its own. With
/// [`revoke_on_refresh`](crate::JwtAuthBuilder::revoke_on_refresh) it is refused: only the newest access token of ours counts.
///
/// # What it costs
///
/// - Who has the key of HMAC tokens can make tokens for anybody: Django is trusted like this service. With a key pair that
///   goes for whoever has the private key.
/// - Nothing here knows of Django's blacklist or of `is_active` there, and Django knows nothing of sessions that were ended
///   here: it accepts our tokens until they expire, and goes on making new ones of its own and of our refresh tokens. To
///   end a login in both, end it in both.
/// - What was ended is in the store. Without it, as with a [`MemoryStore`](crate::MemoryStore) after a restart, a token of
///   Django's that was ended is taken for new until it expires.
/// - At Django our refresh token works until it expires, and as often as somebody likes. An access token that is made of one
///   after it was spent here, and the grace window is over, is refused here; that ends no session.
/// - With `ROTATE_REFRESH_TOKENS` Django's successor of our refresh token is to us the same token: whichever of the two comes
///   second is reuse.
/// - Sliding tokens stay as they are on either side: those of Django are refused here, and ours there.
///
/// A service that issues nothing itself, and only guards what Django's users may see, takes a
/// [`Verifier`](crate::VerifierBuilder::compat) in place of all this.
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
    /// None that has another meaning already: `aud`, `auth_time`, `exp`, `gen`, `iat`, `iss`, `jti`, `nbf`,
    /// `refresh_exp`, `roles`, `scope`, `sid` or `token_type`.
    pub fn user_id_claim(mut self, name: impl Into<String>) -> Self {
        self.user_id_claim = name.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let name = &self.user_id_claim;
        // `sub` is the user's id anyway.
        if name.is_empty() || name != "sub" && RESERVED.contains(&name.as_str()) {
            return Err(ConfigError::setting(
                "Compat::user_id_claim",
                name,
                "it cannot hold the user's id: take the USER_ID_CLAIM of the other service, or `sub`",
            ));
        }
        Ok(())
    }

    /// The claim that holds the user's id.
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
