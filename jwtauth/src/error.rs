//! Why something failed. What clients are told is a [`Rejection`](crate::Rejection); what a login route is told is a
//! [`LoginError`](crate::LoginError).
//!
//! A function returns the error of its own floor; `From` lifts it to the next. Texts are lower case,
//! without a full stop, say what was wrong and what to do, and never hold a secret or a token.

#[cfg(feature = "accounts")]
mod accounts;
mod config;
mod key;
mod store;

use std::error::Error;
use std::fmt;
use std::time::Duration;

#[cfg(feature = "accounts")]
pub use self::accounts::AccountError;
pub use self::config::ConfigError;
pub use self::key::KeyError;
pub use self::store::StoreError;

/// An error of the application's own code.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The operating system's random number generator failed. There is no fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomError;

/// A text is no id: an id has 22 characters of unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 22 characters of base64url")]
pub struct ParseIdError;

/// Why a token was refused. For the log; a client gets one of a few fixed sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The signature does not belong to the text.
    #[error("signature does not match")]
    BadSignature,
    /// A claim is missing, of the wrong type or out of range.
    #[error("claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The claims do not fit the type that the application reads them into.
    #[error("claims do not fit `{expected}`")]
    Claims {
        /// The type.
        expected: &'static str,
    },
    /// The token is past its `exp`. Its signature is good.
    #[error("token is expired")]
    Expired,
    /// A header member that must not be there, or is malformed.
    #[error("header member {0} is missing, malformed or not supported")]
    Header(&'static str),
    /// The issuer's keys could not be had, so nothing can be said of the token.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable,
    /// Not a compact JWS of three strict base64url parts that hold JSON objects.
    #[error("token is malformed")]
    Malformed,
    /// `nbf` or `iat` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// Longer than 8 KiB.
    #[error("token is too long")]
    TooLong,
    /// `kid` names no key of ours, or one that has ended.
    #[error("token names an unknown key")]
    UnknownKey,
    /// `alg` is not the algorithm of the key.
    #[error("token was made with another algorithm")]
    WrongAlgorithm,
    /// `aud` does not name us.
    #[error("token is meant for another audience")]
    WrongAudience,
    /// `iss` is not the configured issuer.
    #[error("token has another issuer")]
    WrongIssuer,
    /// A token where one of another kind belongs: a refresh token for an access token, say.
    #[error("token is of another kind")]
    WrongKind,
}

/// [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) failed.
///
/// `Debug` shows the message and its causes, because that is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not opened, resumed or refreshed.
///
/// `Debug` shows the message and its causes, because that is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A claim of the application's own cannot be in a token; see [`JwtAuthBuilder::access_claims`](crate::JwtAuthBuilder::access_claims).
    #[error("claims of the application's own are refused: {problem}")]
    ClaimRefused {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The application could not say which claims of its own an access token is to have.
    #[error("claims of the application's own could not be had")]
    Claims(#[source] BoxError),
    /// The session is past its idle or absolute limit, or its record is gone.
    #[error("session has expired")]
    Expired,
    /// A hook that is asked before a login has not answered, so nobody was logged in.
    #[error("a hook has not answered within {after:?} whether somebody may log in")]
    HookTimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The user is not active ([`AuthUser::is_active`](crate::AuthUser::is_active)).
    #[error("user is not active")]
    Inactive,
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A spent refresh token came back outside the grace window; its session is now revoked.
    #[error("refresh token was used before; its session is revoked")]
    Reused,
    /// The session was revoked.
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
    /// A token would not fit into a cookie: browsers keep 4096 bytes with the name (RFC 6265bis, section 5.7).
    #[error(
        "a token would have {got} bytes and {max} fit into a cookie: take fewer roles and scopes, or smaller claims of your own"
    )]
    TokenTooLarge {
        /// The length of the token, in bytes.
        got: usize,
        /// The greatest length, in bytes.
        max: usize,
    },
    /// The token failed before the store was asked.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A hook of the application refused the login.
    #[error("a hook refused the login")]
    Vetoed,
    /// The user value could not be written into the session.
    #[error("user value cannot be kept in the session")]
    User(#[source] BoxError),
}

impl fmt::Debug for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}

/// Writes an error and, each on a line of its own, what caused it.
fn with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  caused by: {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_main_that_returns_one_prints_what_to_do_and_why() {
        let refused = OpenError::Config(ConfigError::WeakSecret {
            which: "the secret".into(),
            problem: "it repeats itself",
        });
        assert!(format!("{refused:?}").contains("openssl rand -base64 48"), "{refused:?}");
        let source = io::Error::other("no space left");
        let failed = OpenError::Store(StoreError::Io { path: "data".into(), action: "open", source });
        assert_eq!(format!("{failed:?}"), "session store \"data\": cannot open\n  caused by: no space left");
    }
}
