//! Accounts in handlers and routes: [`Account`] and `&Accounts` as arguments, [`AccountError`] as an answer, and
//! [`Accounts`] as where the ready-made routes' users come from.

use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Response, Result};
use serde_json::Map;

use super::extract::current_user;
use super::guard;
use super::reject::{Rejection, problem};
use super::routes::login::{Authenticate, LoginAttempt, LoginError};
use crate::accounts::{Account, Accounts};
use crate::error::AccountError;

impl<'a> FromRequest<'a> for Account {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        current_user(request).await
    }
}

impl<'a> FromRequest<'a> for &'a Accounts {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let accounts = guard::shared(request, "`&Accounts`")?.accounts.as_ref();
        accounts.ok_or_else(|| {
            tracing::error!(target: "jwtauth", "`&Accounts` needs accounts: call `.accounts(AccountsConfig::default())` on the builder");
            Rejection::Misconfigured.into()
        })
    }
}

/// `jwtauth.routes(accounts)`: the accounts log in.
impl Authenticate for Accounts {
    type User = Account;

    async fn authenticate(&self, attempt: LoginAttempt) -> std::result::Result<Account, LoginError> {
        Ok(self.verify(attempt.username(), attempt.password(), attempt.peer()).await?)
    }
}

impl From<AccountError> for LoginError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::InvalidCredentials => Self::InvalidCredentials,
            AccountError::Throttled { retry_after } => Self::Throttled { retry_after },
            error => Self::Failed(error.into()),
        }
    }
}

/// What a client is told about an [`AccountError`].
enum Told {
    /// One of the fixed sentences.
    Fixed(Rejection),
    /// Something that who asks can mend: the error's own words, under this code.
    Own(StatusCode, &'static str),
}

impl From<&AccountError> for Told {
    fn from(error: &AccountError) -> Self {
        match error {
            AccountError::InvalidCredentials => Self::Fixed(Rejection::InvalidCredentials),
            AccountError::Name { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_name"),
            AccountError::NameTaken => Self::Own(StatusCode::CONFLICT, "name_taken"),
            AccountError::NotFound => Self::Own(StatusCode::NOT_FOUND, "account_not_found"),
            AccountError::Password { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_password"),
            AccountError::Role { .. } => Self::Own(StatusCode::BAD_REQUEST, "invalid_role"),
            AccountError::Session(error) => Self::Fixed(error.into()),
            AccountError::Throttled { retry_after } => {
                Self::Fixed(Rejection::RateLimited { retry_after: retry_after.as_secs() })
            }
            AccountError::Busy
            | AccountError::Hashing { .. }
            | AccountError::Random(_)
            | AccountError::Store(_) => Self::Fixed(Rejection::StoreUnavailable),
        }
    }
}

/// 401 `invalid_credentials`, 429 `rate_limited`, 400 `invalid_name`, `invalid_password` or `invalid_role`, 409
/// `name_taken`, 404 `account_not_found`, and 503 `store_unavailable` for an outage or too many who wait.
/// Returns which refusal of ours answers an error, if one does.
pub(super) fn refusal(error: &AccountError) -> Option<Rejection> {
    match Told::from(error) {
        Told::Fixed(rejection) => Some(rejection),
        Told::Own(..) => None,
    }
}

impl ResponseError for AccountError {
    fn status(&self) -> StatusCode {
        match Told::from(self) {
            Told::Fixed(rejection) => rejection.status(),
            Told::Own(status, _) => status,
        }
    }

    fn as_response(&self) -> Response {
        match Told::from(self) {
            Told::Fixed(rejection) => {
                if rejection.is_outage() {
                    tracing::error!(target: "jwtauth", error = self as &dyn std::error::Error, "an account could not be asked");
                }
                rejection.as_response()
            }
            Told::Own(status, code) => problem(status, &self.to_string(), code, Map::new()),
        }
    }
}
