//! Why an API key was not made.

use super::{ApiKeyNameProblem, RandomError, SessionError, StoreError};

/// Why an API key was not made. Texts never hold a key, or the name of one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The form of the [page](crate::pages::Pages) was sent already, and has made a key then.
    #[error("this form was sent already: its key is in the list")]
    FormSent,
    /// The name is not allowed.
    #[error("the name of the key is refused: {problem}")]
    Name {
        /// What is wrong with it.
        problem: ApiKeyNameProblem,
    },
    /// API keys are not turned on.
    #[error("there are no API keys here: call `.api_keys(ApiKeyConfig::default())` on the builder")]
    Off,
    /// Its owner does not have a role or scope that was asked for.
    #[error("a key has no more than its owner: you do not have the {kind} {name:?}")]
    Right {
        /// `role` or `scope`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The login that asked for it has ended, or its user was changed meanwhile, and no key was made. Or a
    /// session could not be written.
    #[error("the session of the key could not be opened")]
    Session(#[source] SessionError),
    /// The lifetime is too short or too long.
    #[error("the lifetime of the key is refused: it is 1 second to {max} seconds")]
    Ttl {
        /// The longest lifetime, in seconds.
        max: u64,
    },
    /// The user has as many keys as one may have.
    #[error("there are {max} keys already: revoke one first")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
}

impl From<SessionError> for ApiKeyError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<RandomError> for ApiKeyError {
    fn from(error: RandomError) -> Self {
        Self::Session(error.into())
    }
}

impl From<StoreError> for ApiKeyError {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

debug_with_causes!(ApiKeyError);
