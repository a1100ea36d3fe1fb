//! What a client gets with a refusal: one fixed sentence, one code, one status. The cause goes to the log.
//!
//! The table of [`Rejection`]s declares each one once. To add one, add a row.
//!
//! `problem` writes the bodies. A body never has anything from the request, or an error text of a library
//! (H-8).

use std::error::Error;
use std::fmt;

use poem::Response;
use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Map;

use super::names::Names;
use super::problem::problem;
use crate::error::{SessionError, TokenError};

/// Declares every refusal once. A row has the name and its meaning, then status, code and sentence, then the
/// header of the answer. It makes the enum, its documentation and the answers.
macro_rules! rejections {
    ($(
        #[doc = $meaning:literal]
        $(#[doc = $more:literal])*
        $name:ident $({ $(#[doc = $field_doc:literal])+ $field:ident: $type:ty })?
            => $status:literal, $code:literal, $detail:literal, $header:expr;
    )+) => {
        /// Why a request was refused. It is a `poem` error: return it from a handler with `?`.
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
            $(
                #[doc = concat!(stringify!($status), " `", $code, "`:", $meaning)]
                $(#[doc = $more])*
                $name $({ $(#[doc = $field_doc])+ $field: $type })?,
            )+
        }

        impl Rejection {
            const fn row(self) -> Row {
                match self {
                    $(Self::$name $({ $field })? => {
                        Row { status: $status, code: $code, detail: $detail, header: $header }
                    })+
                }
            }
        }

        // A refusal has a status of an error.
        const _: () = { $(assert!($status >= 400 && $status < 600);)+ };
    };
}

/// What a client gets with a refusal.
#[derive(Clone, Copy)]
struct Row {
    status: u16,
    /// For programs.
    code: &'static str,
    /// For people.
    detail: &'static str,
    header: Header,
}

/// The header that goes with a refusal.
#[derive(Clone, Copy)]
enum Header {
    None,
    /// `WWW-Authenticate` without an error, where no token was sent (RFC 6750, section 3.1).
    Challenge,
    /// `WWW-Authenticate` with an error (RFC 6750, section 3).
    ChallengeWith(&'static str),
    /// `WWW-Authenticate` with the age in seconds that a login may have (RFC 9470).
    ChallengeFresh(u64),
    /// `WWW-Authenticate` with the scopes that are needed.
    ChallengeScopes(Scopes),
    /// `Retry-After`, in seconds.
    RetryAfter(u64),
}

rejections! {
    /// an API key was shown where only a person may act who is logged in
    /// (`#[require_auth(no_api_keys)]`).
    ApiKeyRefused
        => 403, "api_key_refused", "An API key cannot do this; log in",
        Header::None;

    /// more passwords wait to be checked or set than the server takes at once; ask again.
    Busy
        => 503, "busy", "The server is busy; try again in a moment",
        Header::RetryAfter(1);

    /// another site caused a request that carries cookies of this one.
    CrossOrigin
        => 403, "cross_origin", "This request was made by another site",
        Header::None;

    /// a development server was asked under a name that is not this machine's.
    DevelopmentOnly
        => 403, "permission_denied", "This server is in development mode and answers to localhost only: this request names another host; open it as http://localhost with its port",
        Header::None;

    /// a development server got a connection from another machine, or through a port that Docker maps.
    DevelopmentPeer
        => 403, "permission_denied", "This server is in development mode and answers to its own machine only: this connection came from another address, as through a port that Docker maps; the log of the server says what to write",
        Header::None;

    /// the user must log in again (RFC 9470).
    FreshLoginRequired {
        /// The highest age of the login, in seconds.
        max_age: u64
    }
        => 401, "fresh_login_required", "This action needs a recent login; log in again",
        Header::ChallengeFresh(max_age);

    /// the user is known and lacks a scope.
    InsufficientScope {
        /// What the handler asks for.
        scopes: Scopes
    }
        => 403, "permission_denied", "You do not have permission to perform this action",
        Header::ChallengeScopes(scopes);

    /// a login was refused. Use it for an unknown user and for a wrong password.
    InvalidCredentials
        => 401, "invalid_credentials", "No active account was found with the given credentials",
        Header::Challenge;

    /// the `Authorization` header is malformed, or there are two.
    InvalidRequest
        => 401, "token_not_valid", "The Authorization header is malformed",
        Header::ChallengeWith(r#"error="invalid_request""#);

    /// the application is set up wrongly; the log says how.
    Misconfigured
        => 500, "server_error", "The server could not handle the request",
        Header::None;

    /// no credentials were sent.
    NotAuthenticated
        => 401, "not_authenticated", "Authentication credentials were not provided",
        Header::Challenge;

    /// the user is known and lacks a role, or a check refused.
    PermissionDenied
        => 403, "permission_denied", "You do not have permission to perform this action",
        Header::ChallengeWith(r#"error="insufficient_scope""#);

    /// there were too many attempts.
    RateLimited {
        /// How long to wait, in seconds.
        retry_after: u64
    }
        => 429, "rate_limited", "Too many attempts; try again later",
        Header::RetryAfter(retry_after);

    /// the user has no such session.
    SessionNotFound
        => 404, "session_not_found", "There is no such session",
        Header::None;

    /// the state of the session is unknown; ask again.
    StoreUnavailable
        => 503, "store_unavailable", "Sessions are not available at the moment; try again",
        Header::RetryAfter(1);

    /// the access token is expired and there is no refresh token to renew it.
    TokenExpired
        => 401, "token_expired", "Token is expired",
        Header::ChallengeWith(r#"error="invalid_token", error_description="expired""#);

    /// the token is forged, malformed, of an ended session, of the wrong kind, or ambiguous.
    TokenNotValid
        => 401, "token_not_valid", "Token is invalid or its session has ended",
        Header::ChallengeWith(r#"error="invalid_token""#);

    /// the token is good and its user is not active (see
    /// [`AuthUser::is_active`](crate::AuthUser::is_active)).
    UserInactive
        => 401, "user_inactive", "User is not found or not active",
        Header::ChallengeWith(r#"error="invalid_token""#);

    /// the token is good and its user is gone or blocked.
    UserNotFound
        => 401, "user_not_found", "User is not found or not active",
        Header::ChallengeWith(r#"error="invalid_token""#);
}

/// On the response to a login that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedLogin;

/// The scopes that a handler asks for. `Display` writes them with spaces between, as in a challenge.
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
        self.row().code
    }

    /// Tells whether the server is at fault, not the client.
    pub(crate) const fn is_outage(self) -> bool {
        self.row().status >= 500
    }
}

impl Header {
    /// Returns its name and value.
    fn line(self) -> Option<(HeaderName, HeaderValue)> {
        let with = match self {
            Self::None => return None,
            Self::RetryAfter(seconds) => return Some((header::RETRY_AFTER, HeaderValue::from(seconds))),
            Self::Challenge => String::new(),
            Self::ChallengeWith(error) => format!(", {error}"),
            Self::ChallengeFresh(max_age) => format!(
                r#", error="insufficient_user_authentication", error_description="a recent login is needed", max_age="{max_age}""#
            ),
            // A scope has no character that would end the quotes.
            Self::ChallengeScopes(scopes) => format!(r#", error="insufficient_scope", scope="{scopes}""#),
        };
        let challenge = HeaderValue::try_from(format!(r#"Bearer realm="api"{with}"#)).ok()?;
        Some((header::WWW_AUTHENTICATE, challenge))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().detail)
    }
}

impl Error for Rejection {}

impl ResponseError for Rejection {
    fn status(&self) -> StatusCode {
        // OK because the table refuses other statuses when it is compiled.
        StatusCode::from_u16(self.row().status).expect("the table has statuses of HTTP only")
    }

    fn as_response(&self) -> Response {
        let row = self.row();
        let mut response = problem(self.status(), row.detail, row.code, Map::new());
        if *self == Self::InvalidCredentials {
            // The middleware logs it, because it knows the address.
            response.extensions_mut().insert(FailedLogin);
        }
        if let Some((name, value)) = row.header.line() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<&SessionError> for Rejection {
    fn from(error: &SessionError) -> Self {
        match error {
            SessionError::Claims(_)
            | SessionError::HookTimedOut { .. }
            | SessionError::Store(_)
            | SessionError::Random(_)
            | SessionError::UserUnknown(_)
            | SessionError::Token(TokenError::KeysUnavailable) => Self::StoreUnavailable,
            SessionError::ClaimRefused { .. }
            | SessionError::TokenTooLarge { .. }
            | SessionError::Subject { .. }
            | SessionError::User(_) => Self::Misconfigured,
            // At a login: as for a wrong password, so that nobody learns that the account exists.
            SessionError::Inactive => Self::InvalidCredentials,
            SessionError::ApiKeyRefused => Self::ApiKeyRefused,
            SessionError::Vetoed => Self::PermissionDenied,
            SessionError::UserInactive => Self::UserInactive,
            SessionError::UserNotFound => Self::UserNotFound,
            SessionError::Token(TokenError::Expired) => Self::TokenExpired,
            SessionError::Expired
            | SessionError::Replaced
            | SessionError::RepeatedElsewhere
            | SessionError::Reused
            | SessionError::Revoked
            | SessionError::Token(_)
            | SessionError::TokenRevoked => Self::TokenNotValid,
        }
    }
}

/// Tells whether a session is over and its browser has no newer cookies, as far as can be known. A client
/// that has logged in anew has those of the next login, which have the same names.
pub(crate) const fn is_over(error: &SessionError) -> bool {
    matches!(
        error,
        SessionError::Expired
            | SessionError::Revoked
            | SessionError::Reused
            | SessionError::UserInactive
            | SessionError::UserNotFound
    )
}

/// Logs the cause, which the client does not get.
pub(crate) fn log(error: &SessionError) {
    // The log has said that the keys cannot be fetched (`key_set_failed`). Anybody can name a key that may be
    // new, as often as they like.
    let is_logged = matches!(error, SessionError::Token(TokenError::KeysUnavailable));
    if Rejection::from(error).is_outage() && !is_logged {
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
