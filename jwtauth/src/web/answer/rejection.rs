//! What a client is told: one fixed sentence, one code, one status. The cause goes to the log.
//!
//! Bodies are problem details (RFC 9457) that carry the two members simplejwt's clients know,
//! `detail` and `code`. Nothing of the request, and no error text of a library, is ever in one (H-8).

use std::error::Error;
use std::fmt;

use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, Response};
use serde_json::{Map, Value};

use super::names::Names;
use crate::error::{SessionError, TokenError};

/// Why a request was refused. A `poem` error: return it from a handler with `?`.
///
/// ```
/// use jwtauth::Rejection;
/// use poem::{error::ResponseError, http::StatusCode};
///
/// let refused = Rejection::InvalidCredentials;
/// assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(refused.code(), "invalid_credentials");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 403 `cross_origin`: another site caused a request that carries our cookies.
    CrossOrigin,
    /// 403 `permission_denied`: a development server was asked under a name that is not this machine's.
    DevelopmentOnly,
    /// 401 `fresh_login_required`: the user must log in again (RFC 9470).
    FreshLoginRequired {
        /// How long ago the login may be, in seconds.
        max_age: u64,
    },
    /// 403 `permission_denied`: the user is known and lacks a scope.
    InsufficientScope {
        /// What the handler asks for.
        scopes: Scopes,
    },
    /// 401 `invalid_credentials`: a login was refused. Say this for an unknown user and for a wrong password.
    InvalidCredentials,
    /// 401 `token_not_valid`: the `Authorization` header is malformed, or there are two.
    InvalidRequest,
    /// 500 `server_error`: the application is wired wrongly; the log says how.
    Misconfigured,
    /// 401 `not_authenticated`: no credentials were sent.
    NotAuthenticated,
    /// 403 `permission_denied`: the user is known and lacks a role, or a check has refused.
    PermissionDenied,
    /// 429 `rate_limited`: there were too many attempts.
    RateLimited {
        /// How long to wait, in seconds.
        retry_after: u64,
    },
    /// 404 `session_not_found`: the user has no such session.
    SessionNotFound,
    /// 503 `store_unavailable`: the state of the session is unknown; ask again.
    StoreUnavailable,
    /// 401 `token_expired`: the access token is expired and there is no refresh token to renew it.
    TokenExpired,
    /// 401 `token_not_valid`: forged, malformed, of an ended session, of the wrong kind, or ambiguous.
    TokenNotValid,
    /// 401 `user_inactive`: the token is good and its user is not active (see [`AuthUser::is_active`](crate::AuthUser::is_active)).
    UserInactive,
    /// 401 `user_not_found`: the token is good and its user is gone or blocked.
    UserNotFound,
}

/// The scopes that a handler asks for. Its `Display` is that of a challenge: parted by spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(pub(crate) Names);

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl Rejection {
    /// Returns the `code` member of the body.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CrossOrigin => "cross_origin",
            Self::DevelopmentOnly | Self::InsufficientScope { .. } | Self::PermissionDenied => {
                "permission_denied"
            }
            Self::FreshLoginRequired { .. } => "fresh_login_required",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidRequest | Self::TokenNotValid => "token_not_valid",
            Self::Misconfigured => "server_error",
            Self::NotAuthenticated => "not_authenticated",
            Self::RateLimited { .. } => "rate_limited",
            Self::SessionNotFound => "session_not_found",
            Self::StoreUnavailable => "store_unavailable",
            Self::TokenExpired => "token_expired",
            Self::UserInactive => "user_inactive",
            Self::UserNotFound => "user_not_found",
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::CrossOrigin => "This request was made by another site",
            Self::DevelopmentOnly => "This server is in development mode and answers to localhost only",
            Self::FreshLoginRequired { .. } => "This action needs a recent login; log in again",
            Self::InvalidCredentials => "No active account was found with the given credentials",
            Self::InvalidRequest => "The Authorization header is malformed",
            Self::Misconfigured => "The server could not handle the request",
            Self::NotAuthenticated => "Authentication credentials were not provided",
            Self::InsufficientScope { .. } | Self::PermissionDenied => {
                "You do not have permission to perform this action"
            }
            Self::RateLimited { .. } => "Too many attempts; try again later",
            Self::SessionNotFound => "There is no such session",
            Self::StoreUnavailable => "Sessions are not available at the moment; try again",
            Self::TokenExpired => "Token is expired",
            Self::TokenNotValid => "Token is invalid or its session has ended",
            Self::UserInactive | Self::UserNotFound => "User is not found or not active",
        }
    }

    /// Returns the challenge that goes with the answer (RFC 6750, section 3): no error where nothing
    /// was sent (section 3.1), and none for what a token cannot mend.
    fn challenge(self) -> Option<HeaderValue> {
        let fixed = match self {
            // OK to quote: a scope has no character that would end the quotes, and digits have none.
            Self::FreshLoginRequired { max_age } => {
                let error = "insufficient_user_authentication";
                return HeaderValue::try_from(format!(
                    r#"Bearer realm="api", error="{error}", error_description="a recent login is needed", max_age="{max_age}""#
                ))
                .ok();
            }
            Self::InsufficientScope { scopes } => {
                let error = "insufficient_scope";
                return HeaderValue::try_from(format!(
                    r#"Bearer realm="api", error="{error}", scope="{scopes}""#
                ))
                .ok();
            }
            Self::InvalidCredentials | Self::NotAuthenticated => Some(r#"Bearer realm="api""#),
            Self::InvalidRequest => Some(r#"Bearer realm="api", error="invalid_request""#),
            Self::PermissionDenied => Some(r#"Bearer realm="api", error="insufficient_scope""#),
            Self::TokenExpired => {
                Some(r#"Bearer realm="api", error="invalid_token", error_description="expired""#)
            }
            Self::TokenNotValid | Self::UserInactive | Self::UserNotFound => {
                Some(r#"Bearer realm="api", error="invalid_token""#)
            }
            Self::CrossOrigin
            | Self::DevelopmentOnly
            | Self::Misconfigured
            | Self::RateLimited { .. }
            | Self::SessionNotFound
            | Self::StoreUnavailable => None,
        };
        fixed.map(HeaderValue::from_static)
    }

    /// Tells whether the server, not the client, is at fault.
    pub(crate) const fn is_outage(self) -> bool {
        matches!(self, Self::Misconfigured | Self::StoreUnavailable)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl Error for Rejection {}

impl ResponseError for Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::CrossOrigin
            | Self::DevelopmentOnly
            | Self::InsufficientScope { .. }
            | Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SessionNotFound => StatusCode::NOT_FOUND,
            Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::FreshLoginRequired { .. }
            | Self::InvalidCredentials
            | Self::InvalidRequest
            | Self::NotAuthenticated
            | Self::TokenExpired
            | Self::TokenNotValid
            | Self::UserInactive
            | Self::UserNotFound => StatusCode::UNAUTHORIZED,
        }
    }

    fn as_response(&self) -> Response {
        if *self == Self::InvalidCredentials {
            tracing::info!(target: "jwtauth", event = "login_failed");
        }
        let mut response = problem(self.status(), self.detail(), self.code(), Map::new());
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let retry_after = match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::StoreUnavailable => Some(1),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Returns a problem (RFC 9457) with the two members that simplejwt's clients know, and others.
pub(crate) fn problem(status: StatusCode, detail: &str, code: &str, others: Map<String, Value>) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/problem+json")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(body(status, detail, code, others))
}

/// Returns the body of a problem.
pub(crate) fn body(status: StatusCode, detail: &str, code: &str, others: Map<String, Value>) -> Body {
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    if let Value::Object(members) = &mut body {
        // OK because no other member has one of the names above: ours would be lost.
        members.extend(others);
    }
    Body::from_string(body.to_string())
}

impl From<&SessionError> for Rejection {
    fn from(error: &SessionError) -> Self {
        match error {
            SessionError::Claims(_)
            | SessionError::HookTimedOut { .. }
            | SessionError::Store(_)
            | SessionError::Random(_)
            | SessionError::Token(TokenError::KeysUnavailable) => Self::StoreUnavailable,
            SessionError::ClaimRefused { .. }
            | SessionError::TokenTooLarge { .. }
            | SessionError::Subject { .. }
            | SessionError::User(_) => Self::Misconfigured,
            // At a login: as for a wrong password, so that nobody learns of the account.
            SessionError::Inactive => Self::InvalidCredentials,
            SessionError::Vetoed => Self::PermissionDenied,
            SessionError::Token(TokenError::Expired) => Self::TokenExpired,
            SessionError::Expired | SessionError::Reused | SessionError::Revoked | SessionError::Token(_) => {
                Self::TokenNotValid
            }
        }
    }
}

/// Tells the log the cause, which the client is not told.
pub(crate) fn log(error: &SessionError) {
    if Rejection::from(error).is_outage() {
        tracing::error!(target: "jwtauth", error = error as &dyn Error, "a request could not be authenticated");
    } else {
        tracing::debug!(target: "jwtauth", error = error as &dyn Error, "a token was refused");
    }
}

impl ResponseError for TokenError {
    fn status(&self) -> StatusCode {
        SessionError::Token(*self).status()
    }

    fn as_response(&self) -> Response {
        SessionError::Token(*self).as_response()
    }
}

impl ResponseError for SessionError {
    fn status(&self) -> StatusCode {
        Rejection::from(self).status()
    }

    fn as_response(&self) -> Response {
        log(self);
        Rejection::from(self).as_response()
    }
}
