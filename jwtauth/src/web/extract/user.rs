//! The caller as an argument of a handler. Logins and logouts are in `auth`.
//!
//! Each authenticates by itself, so they are safe in a plain `#[handler]` too. Behind `#[require_auth]` they
//! reuse the guard's result. An `Option` of one belongs behind `#[require_auth(optional)]`: alone it takes an
//! outage for an anonymous user. [`MaybeUser`] does not.

use std::ops::Deref;

use poem::{FromRequest, Request, RequestBody, Result};

use crate::record::Session;
use crate::user::{AuthUser, Identity, TokenUser};
use crate::web::answer::rejection::Rejection;
use crate::web::request::origin::Sites;
use crate::web::request::outcome::Caller;
use crate::web::request::wiring;

/// The calling user. Anonymous users are refused with 401.
///
/// ```
/// use jwtauth::{CurrentUser, require_auth};
///
/// #[require_auth]
/// async fn whoami(user: CurrentUser) -> String {
///     user.subject().to_owned()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CurrentUser<U = Identity>(pub U);

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

impl<'a, U: AuthUser> FromRequest<'a> for CurrentUser<U> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        current_user(request).await.map(Self)
    }
}

/// The calling user, or `None` for an anonymous user. For a plain `#[handler]`.
///
/// An `Option<CurrentUser>` there is poem's, which turns every error into `None`: an outage or a refused
/// bearer token would look like an anonymous user. Behind `#[require_auth(optional)]` both do the same.
///
/// ```
/// use jwtauth::MaybeUser;
/// use poem::handler;
///
/// #[handler]
/// async fn home(MaybeUser(user): MaybeUser) -> String {
///     user.map_or("hello, guest".into(), |user| format!("hello, {}", user.subject()))
/// }
/// ```
///
/// A user who is gone, not active, or of another [kind](AuthUser::KIND) counts as anonymous. The extractor
/// refuses with 401 a bearer token that is not good, with 403 an unsafe request that another site caused, and
/// with 503 if the answer is unknown.
#[derive(Clone, Copy, Debug)]
pub struct MaybeUser<U = Identity>(pub Option<U>);

impl<U> Deref for MaybeUser<U> {
    type Target = Option<U>;

    fn deref(&self) -> &Option<U> {
        &self.0
    }
}

impl<'a, U: AuthUser> FromRequest<'a> for MaybeUser<U> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let handle = wiring::handle(request, "`MaybeUser`")?;
        if let Caller::Anonymous { why, bearer } = handle.caller(request, Sites::AsGuarded).await? {
            return if *bearer { Err((*why).into()) } else { Ok(Self(None)) };
        }
        match handle.user(request).await {
            Ok(user) => Ok(Self(Some(user))),
            // Of another kind, gone, or not active.
            Err(Rejection::PermissionDenied | Rejection::UserInactive | Rejection::UserNotFound) => {
                Ok(Self(None))
            }
            Err(why) => Err(why.into()),
        }
    }
}

impl<'a> FromRequest<'a> for &'a Identity {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(wiring::handle(request, "`&Identity`")?.identity(request).await?)
    }
}

impl<'a> FromRequest<'a> for &'a Session {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        wiring::state(request, "`&Session`")?;
        Ok(session_of(wiring::handle(request, "`&Session`")?.identity(request).await?)?)
    }
}

/// Returns the session of a caller behind a `JwtAuth`. A caller with only a token of another service has
/// none. The client can correct that by exchanging its refresh token or by a login, so the server is not at
/// fault.
pub(crate) fn session_of(who: &Identity) -> std::result::Result<&Session, Rejection> {
    who.session().ok_or(Rejection::PermissionDenied)
}

/// Loads the caller as the application's user type, for types with `#[derive(AuthUser)]`.
///
/// # Errors
///
/// A [`Rejection`], as poem's error.
pub async fn current_user<U: AuthUser>(request: &Request) -> Result<U> {
    let handle = wiring::handle(request, std::any::type_name::<U>())?;
    Ok(handle.user(request).await?)
}

/// Returns who is logged in. An API key is refused.
pub(crate) async fn person(request: &Request) -> Result<&Identity> {
    let who = <&Identity>::from_request_without_body(request).await?;
    if who.api_key().is_some() { Err(Rejection::ApiKeyRefused.into()) } else { Ok(who) }
}

impl<'a> FromRequest<'a> for TokenUser {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(wiring::handle(request, "`TokenUser`")?.user(request).await?)
    }
}
