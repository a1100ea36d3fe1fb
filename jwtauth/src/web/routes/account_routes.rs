//! The routes that need accounts: to register, and to change the password.

use poem::endpoint::make;
use poem::http::StatusCode;
use poem::{FromRequest, IntoResponse, Request, Response, Result, post};
use serde_json::{Value, json};

use super::authenticate::{Authenticate, LoginAttempt, LoginError};
use super::form::Form;
use super::{ReadyRoute, Routes};
use crate::accounts::{Account, Accounts};
use crate::error::{AccountError, ConfigError};
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;
use crate::web::state::JwtAuth;

impl JwtAuth {
    /// Returns the ready-made routes for [`accounts`](crate::JwtAuthBuilder::accounts): those of
    /// [`routes`](Self::routes), and two more.
    ///
    /// | route | takes | answers |
    /// |---|---|---|
    /// | `POST /register` | `username`, `password` | 201 `id`, `name`, `roles`, `scopes`; 409 `name_taken`; 400 `invalid_name`, `invalid_password`; 429 `rate_limited` |
    /// | `POST /change-password` | `old_password`, `new_password` | 204; all other sessions of the account are revoked, except API keys |
    ///
    /// Anyone can register, [30 accounts at once and then one a minute](crate::AccountsConfig::registrations)
    /// from one address. If somebody else makes the accounts, leave the route out with
    /// `.without("/register")?`. A request with an API key registers nobody: 403 `api_key_refused`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAccounts`] if [`accounts`](crate::JwtAuthBuilder::accounts) was not called on the
    /// builder.
    pub fn account_routes(&self) -> Result<Routes, ConfigError> {
        let accounts = self.accounts().ok_or(ConfigError::NoAccounts)?;
        let mut routes = self.routes(accounts.clone());
        routes.push(ReadyRoute::fixed("/register", post(make(register))))?;
        routes.push(ReadyRoute::fixed("/change-password", post(make(change_password))))?;
        Ok(routes)
    }
}

/// `POST /register`: opens an account, and no session.
async fn register(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    // For its check of the origin: pages of other sites must not create accounts.
    let auth = Auth::from_request(&request, &mut body).await?;
    auth.refuse_api_key()?;
    let [name, password] = Form::read(request.headers(), &mut body).await?.take(["username", "password"])?;
    let accounts = <&Accounts>::from_request_without_body(&request).await?;
    let account = accounts.register_from(&name, &password, auth.client_address()).await?;
    Ok(super::json(accounts.shown(&account)).with_status(StatusCode::CREATED).into_response())
}

/// `POST /change-password`: for a user who is logged in and knows the old password.
async fn change_password(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let account = Account::from_request(&request, &mut body).await?;
    let session = person(&request).await?.session_id();
    let [old, new] =
        Form::read(request.headers(), &mut body).await?.take(["old_password", "new_password"])?;
    let accounts = <&Accounts>::from_request_without_body(&request).await?;
    accounts.change_password(account.id, &old, &new, Some(session)).await?;
    Ok(super::token_routes::done())
}

/// `jwtauth.routes(accounts)`: the accounts log in.
impl Authenticate for Accounts {
    type User = Account;

    async fn authenticate(&self, attempt: LoginAttempt) -> std::result::Result<Account, LoginError> {
        Ok(self.verify(attempt.username(), attempt.password(), attempt.client_address()).await?)
    }

    fn shown(&self, account: &Account) -> Value {
        let Account { name, roles, scopes, .. } = account;
        json!({ "id": account.id.to_string(), "name": name, "roles": roles, "scopes": scopes })
    }
}

impl From<AccountError> for LoginError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Busy => Self::Busy,
            AccountError::InvalidCredentials => Self::InvalidCredentials,
            AccountError::RateLimited { retry_after } => Self::RateLimited { retry_after },
            error => Self::Unavailable(error.into()),
        }
    }
}
