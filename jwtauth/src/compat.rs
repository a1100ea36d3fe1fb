//! The setting for services that share users and keys with one of another make: so far djangorestframework-simplejwt.
//!
//! Only what is set. How tokens are written and read then is in `token::simplejwt`, what becomes of a token of the
//! other service in `session::foreign`.

use crate::claims::RESERVED;
use crate::error::ConfigError;

/// Shares logins with a Django service that uses djangorestframework-simplejwt: it accepts our tokens, and we accept its.
///
/// ```
/// # async fn run() -> Result<(), jwtauth::error::OpenError> {
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
///   [`KeyRing::retire`](crate::keys::KeyRing::retire) and [`remove`](crate::keys::KeyRing::remove) are about refresh tokens as well, so a
///   new [`key`](crate::JwtAuthBuilder::key) ends all sessions unless the old one is a
///   [`verify_key`](crate::KeyConfig::verify_key).
///
/// # Tokens that Django has issued
///
/// Our own tokens are good because their session is in the store. Tokens of Django's are good because nobody has revoked them:
/// what was revoked is on a list in the store until it expires. The store must keep values
/// ([`SessionStore::value_store`](crate::SessionStore::value_store)), as both of ours do.
///
/// An *access token* is good until it expires, and opens no session.
///
/// - The caller is known by what the token says, as behind a [`Verifier`](crate::Verifier): subject, roles and scopes; and
///   `auth_time`, which Django does not write, so `#[require_auth(fresh = "5m")]` refuses. Take
///   [`&Identity`](crate::Identity), [`TokenUser`](crate::TokenUser), or a user that [`AuthUser::load`](crate::AuthUser)
///   finds by its subject. [`Identity::session_id`](crate::Identity::session_id) is an id of this token alone.
/// - A derived user is kept in a session, so it is answered 401 `user_not_found`.
/// - What needs a session is answered 403 `permission_denied`: the arguments [`&Session`](crate::Session) and
///   [`SessionEnd`](crate::SessionEnd), [`Auth::session`](crate::Auth::session) and
///   [`Auth::logout_others`](crate::Auth::logout_others). [`Auth::logout`](crate::Auth::logout) revokes the token, and
///   [`Auth::logout_all`](crate::Auth::logout_all) everything of its user.
///
/// A *refresh token* is exchanged once for a session of ours: at [`/refresh`](crate::JwtAuth::routes), by
/// [`Sessions::refresh`](crate::Sessions::refresh), or in the cookie.
///
/// - Many who bring it at the same time get the same pair, and so does a client that lost the answer, inside the grace
///   window. When the token comes back after that, the session is revoked.
/// - [`before_login`](crate::JwtAuthBuilder::before_login) is asked, `max_sessions` counts, and the event is
///   [`Exchanged`](crate::Event::Exchanged). The session has no copy of the user, no role and no scope.
///   [`absolute_ttl`](crate::JwtAuthBuilder::absolute_ttl) counts from when Django has issued the token.
///
/// A token is revoked by whatever revokes one of ours, whether it was seen here before or not: a logout, a login in the same
/// browser, the routes `/revoke`, `/expire` and `/oauth/revoke`, [`Sessions::revoke_jwt`](crate::Sessions::revoke_jwt). A
/// refresh token takes the session along that it was exchanged for.
///
/// - Django's access token and the refresh token it came with have nothing in common but their user: to revoke one leaves
///   the other.
/// - [`revoke_all`](crate::Sessions::revoke_all) and everything else that revokes all sessions of a user, or all others,
///   refuses every token that Django has issued up to then; and in the same second, or
///   [`leeway`](crate::JwtAuthBuilder::leeway), after it. Not those that a clock which is ahead by more than that had dated
///   later. That counts for calls made with this switched on. Only sessions are counted in what they return. The list is
///   written first: if the store fails then, tokens of Django's may be refused though the sessions go on.
///
/// A token that Django makes of *our* refresh token belongs to our session, and ends with it. What tells the two apart is
/// the claim `sid`, so Django must write none of its own. With
/// [`revoke_on_refresh`](crate::JwtAuthBuilder::revoke_on_refresh) it is refused: only the newest access token of ours counts.
///
/// # What it costs
///
/// - Who has the key of HMAC tokens can make tokens for anybody: Django is trusted like this service. With a key pair that
///   goes for whoever has the private key.
/// - Each request with an access token of Django's reads twice from the store. Requests with ours read what they always do.
/// - Nothing here knows of Django's blacklist or of `is_active` there, and Django knows nothing of what was revoked
///   here: it accepts our tokens until they expire, and goes on making new ones of its own and of our refresh tokens. To
///   end a login in both, end it in both.
/// - What was revoked is in the store. Without it, as with a [`MemoryStore`](crate::MemoryStore) after a restart, a token of
///   Django's that was revoked is good again until it expires.
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
