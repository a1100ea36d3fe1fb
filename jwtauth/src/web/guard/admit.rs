//! What `#[require_auth]` and [`RequireAuth`](super::require_auth::RequireAuth) check before a handler runs.
//!
//! # Invariants
//!
//! 1. Nothing of the body is read here.
//! 2. Without a [`JwtAuth`](crate::JwtAuth) or a [`Verifier`](crate::Verifier) in front, the request fails
//!    with an error that names place and fix. It never passes (H-11).

use poem::error::ResponseError;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::local_path::login_url;
use super::policy::{Need, Policy};
use crate::notice::misconfigured;
use crate::user::Identity;
use crate::web::answer::problem::page;
use crate::web::answer::rejection::Rejection;
use crate::web::headers::navigation::{takes_page, wants_page};
use crate::web::request::handle::Handle;
use crate::web::request::origin::Sites;
use crate::web::request::outcome::Caller;
use crate::web::request::wiring::missing;

/// Lets a request through if its caller meets the conditions.
///
/// # Errors
///
/// A [`Rejection`] as poem's error, or a redirect to the login page if the policy names one.
pub async fn guard(request: &Request, policy: &Policy) -> poem::Result<()> {
    admit(request, policy, policy.needs).await
}

/// Like [`guard`], with needs that were collected at start.
pub(crate) async fn admit(request: &Request, policy: &Policy, needs: &[Need]) -> poem::Result<()> {
    let Some(handle) = request.data::<Handle>() else {
        let fix = missing(request);
        misconfigured(fix, format_args!("{}: {fix}", policy.site));
        let refused = refuse(request, Rejection::Misconfigured);
        // There is no middleware that would do it.
        let is_shown = wants_page(request.headers());
        return Err(if is_shown {
            poem::Error::from_response(page(refused.as_response()))
        } else {
            refused.into()
        });
    };
    let sites = if policy.any_site { Sites::Any } else { Sites::Own };
    let refused = match handle.caller(request, sites).await {
        Ok(Caller::Known(identity)) => unmet(handle, policy, needs, identity),
        Ok(Caller::Anonymous { bearer: false, .. }) if policy.optional => None,
        Ok(Caller::Anonymous { why, .. }) => Some(*why),
        Err(why) => Some(why),
    };
    match refused {
        None => Ok(()),
        Some(why) => Err(redirected(request, policy, refuse(request, why).into())),
    }
}

/// Refuses a request. With the feature `testing`, a test can see that a guard did it and not the handler.
fn refuse(request: &Request, why: Rejection) -> Rejection {
    #[cfg(feature = "testing")]
    super::refusal_note::note(request, why);
    #[cfg(not(feature = "testing"))]
    let _ = request;
    why
}

/// Returns why the caller may not go on, if so. Roles come first: without them, a fresh login does not help.
/// An API key comes before all: it has no login.
fn unmet(handle: &Handle, policy: &Policy, needs: &[Need], who: &Identity) -> Option<Rejection> {
    if (policy.no_api_keys || policy.max_age.is_some()) && who.api_key().is_some() {
        return Some(Rejection::ApiKeyRefused);
    }
    let lacks = |need: &Need| {
        let why = need.unmet(who)?;
        let (roles, scopes) = (who.roles(), who.scopes());
        tracing::debug!(target: "jwtauth", asked = %need, ?roles, ?scopes, "a user lacks a role or scope that is required");
        Some(why)
    };
    needs.iter().find_map(lacks).or_else(|| {
        let max_age = policy.max_age?;
        let age = handle.age_of_login(who);
        (age > max_age).then_some(Rejection::FreshLoginRequired { max_age })
    })
}

/// Turns a refusal that a login can solve into a redirect to the login page, if a browser is opening a page
/// (H-13). Scripts and other programs get the refusal.
pub fn redirected(request: &Request, policy: &Policy, error: poem::Error) -> poem::Error {
    let Some(login) = policy.redirect else { return error };
    let mends = error.downcast_ref::<Rejection>().is_some_and(|why| why.status() == StatusCode::UNAUTHORIZED);
    // Of a program. A proxy in front, or a service beside this one, may have put its own login there.
    let with_token =
        || request.data::<Handle>().is_some_and(|handle| handle.credentials(request).has_bearer());
    if !mends || with_token() || !is_navigation(request) {
        return error;
    }
    let location = login_url(login, request).and_then(|url| HeaderValue::try_from(url).ok());
    let Some(location) = location else { return error };
    poem::Error::from_response(
        Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, location)
            .header(header::CACHE_CONTROL, "no-store")
            .finish(),
    )
}

/// Tells whether a browser is about to show the answer as a page.
fn is_navigation(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && takes_page(request.headers())
}

/// Refuses to run a handler if an outage made its `Option<..>` argument `None`.
///
/// # Errors
///
/// The [`Rejection`] that poem's `Option` has hidden.
pub fn settled(request: &Request) -> poem::Result<()> {
    match request.data::<Handle>().and_then(Handle::outage) {
        Some(rejection) => Err(rejection.into()),
        None => Ok(()),
    }
}
