//! Where the routes get their users: [`Authenticate`], which the application implements.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::error::{BoxError, SessionError};
use crate::user::AuthUser;
use crate::web::answer::rejection::Rejection;

/// An attempt to log in. The password is overwritten on drop, and `Debug` does not show it.
pub struct LoginAttempt {
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
    pub(super) client_address: Option<IpAddr>,
    pub(super) fields: Map<String, Value>,
}

impl LoginAttempt {
    /// Returns the name, as it was typed.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the password, as it was typed.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the address of the client, or `None` if the request came by no network. It is that of the
    /// connection, or the one that a [`trusted_proxy`](crate::JwtAuthBuilder::trusted_proxy) names.
    #[must_use]
    pub const fn client_address(&self) -> Option<IpAddr> {
        self.client_address
    }

    /// Returns another field of the body, such as a second factor.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name may be a password too, typed into the wrong field.
        f.debug_struct("LoginAttempt").finish_non_exhaustive()
    }
}

/// Why a login was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Too many passwords wait to be checked: 503. The client may try again.
    #[error("too many passwords wait to be checked; try again")]
    Busy,
    /// The name or the password is wrong, or the user may not log in. All three have one answer: 401.
    #[error("name or password is wrong")]
    InvalidCredentials,
    /// There were too many attempts: 429.
    #[error("too many attempts; try again in {retry_after:?}")]
    RateLimited {
        /// How long to wait. The client gets whole seconds, rounded up.
        retry_after: Duration,
    },
    /// The users could not be looked up: 503, and the cause goes to the log.
    #[error("users could not be looked up")]
    Unavailable(#[from] BoxError),
}

impl From<LoginError> for Rejection {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Unavailable(error) => {
                tracing::error!(target: "jwtauth", error = &*error as &dyn std::error::Error, "users could not be looked up");
                Self::StoreUnavailable
            }
            LoginError::Busy => Self::Busy,
            LoginError::InvalidCredentials => Self::InvalidCredentials,
            LoginError::RateLimited { retry_after } => {
                let whole = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                Self::RateLimited { retry_after: whole.max(1) }
            }
        }
    }
}

impl From<SessionError> for LoginError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Inactive => Self::InvalidCredentials,
            error => Self::Unavailable(error.into()),
        }
    }
}

/// Knows the users of an application. An `async fn(LoginAttempt) -> Result<User, LoginError>` implements it.
///
/// Give the same answer, in the same time, for an unknown name and for a wrong password (OWASP ASVS 5.0,
/// 6.3.8). To do so, hash the given password in both cases.
pub trait Authenticate: Send + Sync + 'static {
    /// The application's user type.
    type User: AuthUser;

    /// Returns the user to whom the credentials belong.
    ///
    /// # Errors
    ///
    /// A [`LoginError`]. Each variant says what the client gets.
    fn authenticate(
        &self,
        attempt: LoginAttempt,
    ) -> impl Future<Output = Result<Self::User, LoginError>> + Send;

    /// Returns what a client sees of its user: the member `user` of the answer of `/obtain`, and the answer
    /// of `/me`.
    ///
    /// Unless the application says otherwise, it has `id`, which is the [subject](AuthUser::subject), `roles`
    /// and `scopes`. With [`Accounts`](crate::Accounts) it has `name` too.
    fn shown(&self, user: &Self::User) -> Value {
        json!({ "id": user.subject(), "roles": user.roles(), "scopes": user.scopes() })
    }
}

impl<F, Fut, U> Authenticate for F
where
    F: Fn(LoginAttempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, LoginError>> + Send,
    U: AuthUser,
{
    type User = U;

    fn authenticate(&self, attempt: LoginAttempt) -> impl Future<Output = Result<U, LoginError>> + Send {
        self(attempt)
    }
}
