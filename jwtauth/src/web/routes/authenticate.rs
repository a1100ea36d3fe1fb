//! Where the routes' users come from: [`Authenticate`], which the application implements.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::{BoxError, SessionError};
use crate::user::AuthUser;
use crate::web::answer::rejection::Rejection;

/// Somebody wants to log in. The password is overwritten on drop, and `Debug` shows none of it.
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

    /// Returns the address of the client; `None` if it came by no network.
    ///
    /// That of the connection, or behind a [`trusted_proxy`](crate::JwtAuthBuilder::trusted_proxy) what that says.
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
        // The name too may be a password, typed into the wrong field.
        f.debug_struct("LoginAttempt").finish_non_exhaustive()
    }
}

/// Why somebody was not logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The name or the password is wrong, or the user may not log in. One answer for all three: 401.
    #[error("name or password is wrong")]
    InvalidCredentials,
    /// There were too many attempts: 429.
    #[error("too many attempts; try again in {retry_after:?}")]
    RateLimited {
        /// How long to wait. Whole seconds are told, rounded up.
        retry_after: Duration,
    },
    /// The users could not be asked: 503, and the cause goes to the log.
    #[error("users could not be asked")]
    Unavailable(#[from] BoxError),
}

impl From<LoginError> for Rejection {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Unavailable(error) => {
                tracing::error!(target: "jwtauth", error = &*error as &dyn std::error::Error, "users could not be asked");
                Self::StoreUnavailable
            }
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

/// Knows the users of an application. Any `async fn(LoginAttempt) -> Result<User, LoginError>` does.
///
/// Say the same, and take the same time, for a name that does not exist and for a wrong password
/// (OWASP ASVS 5.0, 6.3.8): hash the password that was typed in both cases.
pub trait Authenticate: Send + Sync + 'static {
    /// The application's user type.
    type User: AuthUser;

    /// Returns the user whom the credentials are of.
    ///
    /// # Errors
    ///
    /// A [`LoginError`]; each variant says what the client is told.
    fn authenticate(
        &self,
        attempt: LoginAttempt,
    ) -> impl Future<Output = Result<Self::User, LoginError>> + Send;
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
