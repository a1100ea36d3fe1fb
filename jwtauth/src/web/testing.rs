//! For the tests of an application: log in without a password, and find out which routes are open.
//!
//! Needs the feature `testing`: name jwtauth under `[dev-dependencies]` once more, with `features =
//! ["testing"]`. No server is needed: an app is called directly, with its middlewares.

use std::fmt;

use poem::http::uri::Scheme;
use poem::http::{self, Method, StatusCode, header};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Body, Endpoint, IntoResponse, Request, RequestParts, Response};
use serde_json::Value;

use crate::device::Device;
use crate::record::Session;
use crate::session::Eviction;
pub use crate::store::sample::{account, session};
use crate::user::AuthUser;
use crate::web::answer::rejection::Rejection;
use crate::web::guard::refusal_note::Refusal;
use crate::web::state::JwtAuth;

#[doc = include_str!("../docs/testing_login.md")]
pub async fn login<U: AuthUser>(jwtauth: &JwtAuth, user: &U) -> Login {
    let shared = jwtauth.state();
    let issued = match shared.sessions.open(user, Device::default(), Vec::new(), Eviction::AtOnce).await {
        Ok(issued) => issued,
        Err(error) => panic!("{:?} cannot be logged in: {error}", user.subject()),
    };
    let names = &shared.cookies.names;
    let (access, refresh) = (issued.access.expose(), issued.refresh.expose());
    Login {
        cookies: format!("{}={access}; {}={refresh}", names.access, names.refresh),
        bearer: format!("{} {access}", shared.token_header.scheme()),
        session: issued.session,
    }
}

/// What a client has after a login. `Debug` shows no token.
#[derive(Clone)]
pub struct Login {
    cookies: String,
    bearer: String,
    session: Session,
}

impl Login {
    /// Returns the `Cookie` header of a browser: access and refresh token.
    #[must_use]
    pub fn cookies(&self) -> &str {
        &self.cookies
    }

    /// Returns the `Authorization` header of a program: `Bearer` and the access token, or what
    /// [`token_header`](crate::ClientConfig::token_header) and
    /// [`token_scheme`](crate::ClientConfig::token_scheme) make of it.
    #[must_use]
    pub fn bearer(&self) -> &str {
        &self.bearer
    }

    /// Returns the session, as it was at the login.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("session", &self.session.id.log_id()).finish_non_exhaustive()
    }
}

#[doc = include_str!("../docs/open_routes.md")]
pub async fn open_routes<E, R>(app: &E, routes: R) -> OpenRoutes
where
    E: Endpoint,
    R: IntoIterator,
    R::Item: AsRef<str>,
{
    let mut found = OpenRoutes::default();
    for route in routes {
        let route = route.as_ref();
        let refusal = Refusal::default();
        let answer = app.call(stranger(route, refusal.clone())).await;
        let answer = answer.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        let status = answer.status();
        match refusal.take().or(told(answer).await) {
            Some(why) if why.is_outage() => found.failed.push(route.into()),
            Some(_) => {}
            None if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
                found.missing.push(route.into());
            }
            None => found.open.push(route.into()),
        }
    }
    found
}

/// What [`open_routes`] found, in the order asked. It equals a list of routes if these are open and none is
/// missing or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRoutes {
    /// Routes that allow anonymous users.
    pub open: Vec<String>,
    /// Routes that do not exist: 404 or 405. A handler may answer so itself: ask for something that it has.
    pub missing: Vec<String>,
    /// Routes with an unknown result. The log says why.
    pub failed: Vec<String>,
}

impl OpenRoutes {
    fn are(&self, routes: &[&str]) -> bool {
        self.missing.is_empty() && self.failed.is_empty() && self.open == routes
    }
}

impl<const N: usize> PartialEq<[&str; N]> for OpenRoutes {
    fn eq(&self, routes: &[&str; N]) -> bool {
        self.are(routes)
    }
}

impl PartialEq<[&str]> for OpenRoutes {
    fn eq(&self, routes: &[&str]) -> bool {
        self.are(routes)
    }
}

impl PartialEq<&[&str]> for OpenRoutes {
    fn eq(&self, routes: &&[&str]) -> bool {
        self.are(routes)
    }
}

/// Makes an anonymous request, as a server would: with the path as its original URI.
fn stranger(route: &str, refusal: Refusal) -> Request {
    let parsed =
        route.split_once(' ').filter(|(_, path)| path.starts_with('/')).and_then(|(method, path)| {
            // HTTP's methods are in capitals. Any other would count as missing.
            let method = Method::from_bytes(method.as_bytes())
                .ok()
                .filter(|_| !method.bytes().any(|b| b.is_ascii_lowercase()))?;
            http::Request::builder().method(method).uri(path).header(header::HOST, "localhost").body(()).ok()
        });
    let Some(request) = parsed else { panic!("{route:?} is no route: write \"GET /me\"") };
    let mut parts = RequestParts::from((
        request.into_parts().0,
        LocalAddr::default(),
        RemoteAddr::default(),
        Scheme::HTTPS,
    ));
    parts.extensions.insert(refusal);
    Request::from_parts(parts, Body::empty())
}

/// Returns the rejection in an answer, if there is one.
async fn told(answer: Response) -> Option<Rejection> {
    if answer.content_type() != Some("application/problem+json") {
        return None;
    }
    let problem: Value = answer.into_body().into_json().await.ok()?;
    let code = problem.get("code")?.as_str()?;
    [Rejection::NotAuthenticated, Rejection::Misconfigured, Rejection::StoreUnavailable]
        .into_iter()
        .find(|why| why.code() == code)
}
