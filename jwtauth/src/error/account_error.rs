//! Why something was not done with an account.

use std::fmt;
use std::time::Duration;

use super::{RandomError, SessionError, StoreError, with_causes};

/// Why somebody was not registered or not let in, or why an account was not changed.
///
/// Texts never hold a password, a hash or a name.
///
/// `Debug` shows the message and its causes, because that is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// More passwords wait to be hashed than there is room for. Nothing was done; the client may ask again.
    #[error("too many passwords wait to be hashed; try again")]
    Busy,
    /// The password could not be hashed.
    #[error("the password could not be hashed: {problem}")]
    Hashing {
        /// What went wrong.
        problem: String,
    },
    /// The name or the password is wrong, or the account is disabled. One answer for all three.
    #[error("name or password is wrong")]
    InvalidCredentials,
    /// The name cannot be one.
    #[error("the name is refused: {problem}")]
    Name {
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Another account has the name, perhaps in another case.
    #[error("the name is taken: choose another one")]
    NameTaken,
    /// There is no account with this id.
    #[error("there is no such account")]
    NotFound,
    /// The new password cannot be one.
    #[error("the password is refused: {problem}")]
    Password {
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A role cannot be one.
    #[error("a role is refused: {problem}")]
    Role {
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The account does not fit into a session or its tokens.
    #[error("the account does not fit into a session")]
    Session(#[source] SessionError),
    /// The store failed; what it was asked may or may not have happened.
    #[error("account store failed")]
    Store(#[from] StoreError),
    /// There were too many failed attempts. A right password is refused too, for now.
    #[error("too many failed attempts: try again in {retry_after:?}")]
    RateLimited {
        /// How long to wait, in whole seconds, at least one.
        retry_after: Duration,
    },
}

impl From<SessionError> for AccountError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Random(error) => Self::Random(error),
            SessionError::Store(error) => Self::Store(error),
            error => Self::Session(error),
        }
    }
}

impl fmt::Debug for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(self, f)
    }
}
