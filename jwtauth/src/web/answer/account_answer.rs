//! The answer to each [`AccountError`]: one row with a [`Rejection`], or with a status and a code.

use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;
use serde_json::Map;

use super::problem::problem;
use super::rejection::Rejection;
use crate::error::AccountError;

/// The answer to an [`AccountError`].
enum AccountAnswer {
    /// One of the fixed sentences.
    Fixed(Rejection),
    /// The client can correct it: the text of the error, under this code.
    Own(StatusCode, &'static str),
}

impl From<&AccountError> for AccountAnswer {
    fn from(error: &AccountError) -> Self {
        match error {
            AccountError::InvalidCredentials => Self::Fixed(Rejection::InvalidCredentials),
            AccountError::Name { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_name"),
            AccountError::NameTaken => Self::Own(StatusCode::CONFLICT, "name_taken"),
            AccountError::NotFound => Self::Own(StatusCode::NOT_FOUND, "account_not_found"),
            AccountError::Password { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_password"),
            AccountError::Role { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_role"),
            AccountError::Session(error) => Self::Fixed(error.into()),
            AccountError::RateLimited { retry_after } => {
                Self::Fixed(Rejection::RateLimited { retry_after: retry_after.as_secs() })
            }
            // Told by those who count them.
            AccountError::Busy => Self::Fixed(Rejection::Busy),
            AccountError::Hashing { .. }
            | AccountError::Random(_)
            | AccountError::Variable { .. }
            | AccountError::Store(_) => Self::Fixed(Rejection::StoreUnavailable),
        }
    }
}

/// Returns the rejection that answers an error, if any.
pub(crate) fn refusal(error: &AccountError) -> Option<Rejection> {
    match AccountAnswer::from(error) {
        AccountAnswer::Fixed(rejection) => Some(rejection),
        AccountAnswer::Own(..) => None,
    }
}

/// Returns sentence and code of an error that the client can correct.
pub(crate) fn explained(error: &AccountError) -> Option<(String, &'static str)> {
    match AccountAnswer::from(error) {
        AccountAnswer::Fixed(_) => None,
        AccountAnswer::Own(_, code) => Some((error.to_string(), code)),
    }
}

impl ResponseError for AccountError {
    fn status(&self) -> StatusCode {
        match AccountAnswer::from(self) {
            AccountAnswer::Fixed(rejection) => rejection.status(),
            AccountAnswer::Own(status, _) => status,
        }
    }

    fn as_response(&self) -> Response {
        match AccountAnswer::from(self) {
            AccountAnswer::Fixed(rejection) => {
                if rejection == Rejection::StoreUnavailable {
                    tracing::error!(target: "jwtauth", error = self as &dyn std::error::Error, "accounts could not be read or written");
                }
                rejection.as_response()
            }
            AccountAnswer::Own(status, code) => problem(status, &self.to_string(), code, Map::new()),
        }
    }
}
