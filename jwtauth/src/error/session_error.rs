//! Why a session was not opened, resumed or refreshed.

use std::time::Duration;

use super::{BoxError, RandomError, StoreError, TokenError};

/// Why a session was not opened, resumed or refreshed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// An API key asked for what only a person may do who is logged in, such as a logout.
    #[error("an API key cannot do this")]
    ApiKeyRefused,
    /// A claim of the application is not allowed; see
    /// [`JwtAuthBuilder::access_claims`](crate::JwtAuthBuilder::access_claims).
    #[error("claims of the application's own are refused: {problem}")]
    ClaimRefused {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The application failed to provide its claims for an access token.
    #[error("the hook `access_claims` failed")]
    Claims(#[source] BoxError),
    /// The session is past its idle or absolute limit, or its record is gone.
    #[error("session has expired")]
    Expired,
    /// A hook did not answer in time before a login or refresh, so nothing has happened.
    #[error("a hook did not answer within {after:?}: nobody was logged in and nothing was refreshed")]
    HookTimedOut {
        /// The time limit.
        after: Duration,
    },
    /// The user is not active ([`AuthUser::is_active`](crate::AuthUser::is_active)).
    #[error("user is not active")]
    Inactive,
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A spent refresh token was presented by another client than the one that spent it. Nothing was changed;
    /// see [`refuse_repeats_elsewhere`](crate::TokenConfig::refuse_repeats_elsewhere).
    #[error("refresh token was spent by another client")]
    RepeatedElsewhere,
    /// The session was revoked because its client logged in anew. That client has tokens of a newer session.
    #[error("session was replaced: its client logged in anew")]
    Replaced,
    /// A spent refresh token came back although its successor was used, outside the grace window. Its session
    /// is now revoked.
    #[error("refresh token was used before; its session is revoked")]
    Reused,
    /// The session was revoked, and not by a new login of its client: that is [`Replaced`](Self::Replaced).
    #[error("session is revoked")]
    Revoked,
    /// The store failed; the session's state is unknown.
    #[error("session store failed")]
    Store(#[from] StoreError),
    /// The subject is empty or longer than 255 bytes.
    #[error("a subject has 1 to 255 bytes, got {got}")]
    Subject {
        /// Its length, in bytes.
        got: usize,
    },
    /// A token does not fit into a cookie: browsers keep 4096 bytes with the name (RFC 6265bis, section 5.7).
    #[error(
        "a token would have {got} bytes and {max} fit into a cookie: take fewer roles and scopes, or smaller claims of your own"
    )]
    TokenTooLarge {
        /// The length of the token, in bytes.
        got: usize,
        /// The greatest length, in bytes.
        max: usize,
    },
    /// The token itself was refused, before the store was asked.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token was revoked alone. Its session, if it has one, goes on.
    #[error("token is revoked; its session is live")]
    TokenRevoked,
    /// A hook of the application refused the login.
    #[error("a hook refused the login")]
    Vetoed,
    /// The user value could not be written into the session, or not read back, or a role or scope of it is
    /// not one name. The cause names the field.
    #[error("user value cannot be kept in the session")]
    User(#[source] BoxError),
    /// The user is not active any more, as [`before_refresh`](crate::JwtAuthBuilder::before_refresh) says.
    /// Nothing was spent.
    #[error("user is not active any more")]
    UserInactive,
    /// The user is gone, as [`before_refresh`](crate::JwtAuthBuilder::before_refresh) says. Nothing was
    /// spent.
    #[error("user is gone")]
    UserNotFound,
    /// [`before_refresh`](crate::JwtAuthBuilder::before_refresh) could not look the user up. Nothing was
    /// spent.
    #[error("user could not be looked up")]
    UserUnknown(#[source] BoxError),
}

debug_with_causes!(SessionError);
