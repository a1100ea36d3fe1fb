//! Why an operation on an account failed.

use std::time::Duration;

use super::{NameProblem, PasswordProblem, RandomError, SessionError, StoreError};

/// Why a registration, a login or a change of an account failed. Texts never hold a password, a hash or a
/// name.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Too many passwords wait to be hashed. Nothing was done; the client may try again.
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
    /// The name is not allowed.
    #[error("the name is refused: {problem}")]
    Name {
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// Another account has this name, perhaps in another case.
    #[error("the name is taken: choose another one")]
    NameTaken,
    /// There is no account with this id.
    #[error("there is no such account")]
    NotFound,
    /// The new password is not allowed.
    #[error("the password is refused: {problem}")]
    Password {
        /// What is wrong with it.
        problem: PasswordProblem,
    },
    /// The random number generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A role is not allowed.
    #[error("a role is refused: {problem}")]
    Role {
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The account does not fit into a session or its tokens.
    #[error("the account does not fit into a session")]
    Session(#[source] SessionError),
    /// The store failed. The operation may or may not have happened.
    #[error("account store failed")]
    Store(#[from] StoreError),
    /// An environment variable that [`first_admin_from_env`](crate::Accounts::first_admin_from_env) reads.
    #[error("environment variable {name} is refused: {problem}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it, and what to do. Never its value, except the path of a file.
        problem: String,
    },
    /// Too many failed attempts. For now a right password is refused too.
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

debug_with_causes!(AccountError);
