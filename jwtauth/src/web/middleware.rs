//! [`JwtAuth`], the middleware that everything hangs on.
//!
//! It puts one [`Handle`] on each request, which asks the default guard, if there is one, and finishes the answer.
//! Around a part of an app that it is around already, it does nothing at all.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use poem::http::header;
use poem::http::uri::Scheme;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::authority::Authority;
use super::builder::JwtAuthBuilder;
use super::client::Clients;
use super::cookie::CookieStyle;
use super::cross_origin::CrossOrigin;
use super::default_guard::DefaultGuard;
use super::handle::Handle;
use super::jwks::JwksEndpoint;
use super::reject::Rejection;
use super::token_header::TokenHeader;
use super::wording::Wording;
use crate::error::ConfigError;
use crate::session::{KeyRing, Sessions, Sweeper};

/// Logins for a poem application: put it around the app with `.with(jwtauth)`, outermost.
///
/// Of another `JwtAuth`, or a [`Verifier`](crate::Verifier), around the same route the innermost decides who is calling.
///
/// Cheap to clone; clones share one store. When the last one is dropped the background sweep stops
/// and the store is closed.
#[derive(Clone)]
pub struct JwtAuth(Arc<Shared>);

/// What all clones share.
pub(crate) struct Shared {
    /// Before `sessions`, so that it stops first.
    pub(crate) _sweeper: Option<Sweeper>,
    pub(crate) sessions: Arc<Sessions>,
    #[cfg(feature = "accounts")]
    pub(crate) accounts: Option<crate::accounts::Accounts>,
    pub(crate) cookies: CookieStyle,
    /// Where programs put their access token.
    pub(crate) token_header: TokenHeader,
    pub(crate) wording: Wording,
    pub(crate) cross_origin: CrossOrigin,
    /// What is asked of everybody, except where the app is public.
    pub(crate) default_guard: Option<DefaultGuard>,
    pub(crate) clients: Clients,
    /// Whether only this machine may ask.
    pub(crate) local_only: bool,
    /// Whether it was said already that a browser will drop the cookies.
    pub(crate) warned: AtomicBool,
}

impl JwtAuth {
    /// Starts to configure one. See [`JwtAuthBuilder`] for the settings and their defaults.
    pub fn builder() -> JwtAuthBuilder {
        JwtAuthBuilder::default()
    }

    /// One line for localhost: a random secret, sessions in memory, cookies that work over plain http.
    ///
    /// Everybody is logged out when the process ends. Requests that name another host than
    /// `localhost`, `127.0.0.1` or `[::1]` are refused.
    ///
    /// # Errors
    ///
    /// [`ConfigError::DevMode`] if `JWTAUTH_ENV=production` is set, or in a release build unless
    /// `JWTAUTH_ALLOW_DEV=1` is set; [`ConfigError::Random`] if there is no randomness.
    pub fn dev() -> std::result::Result<Self, ConfigError> {
        JwtAuthBuilder::dev()
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    #[cfg(feature = "testing")]
    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Returns the sessions, for tasks that belong to no request.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Returns the keys of access tokens, to be changed while the program runs.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        self.0.sessions.keys()
    }

    /// Returns an endpoint that publishes the public keys, to be put at `/.well-known/jwks.json`.
    ///
    /// It always answers with the keys as they are at the time, [`KeyRing::jwks`]. There are none unless a
    /// [`key`](JwtAuthBuilder::key) signs: a secret is never published.
    #[must_use]
    pub fn jwks(&self) -> JwksEndpoint {
        JwksEndpoint::new(self.keys().clone())
    }
}

#[cfg(feature = "accounts")]
impl JwtAuth {
    /// Returns the accounts, or `None` unless [`JwtAuthBuilder::accounts`] was called.
    #[must_use]
    pub fn accounts(&self) -> Option<&crate::accounts::Accounts> {
        self.0.accounts.as_ref()
    }
}

impl fmt::Debug for JwtAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuth").field("sessions", &self.0.sessions).finish_non_exhaustive()
    }
}

impl<E: Endpoint> Middleware<E> for JwtAuth {
    type Output = JwtAuthEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        JwtAuthEndpoint { inner, shared: Arc::clone(&self.0) }
    }
}

/// The endpoint that [`JwtAuth`] makes of another one.
pub struct JwtAuthEndpoint<E> {
    inner: E,
    shared: Arc<Shared>,
}

impl<E> fmt::Debug for JwtAuthEndpoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthEndpoint").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Endpoint for JwtAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if self.shared.local_only
            && !(is_local(&request) && is_from_here(request.remote_addr().as_socket_addr()))
        {
            return Err(Rejection::DevelopmentOnly.into());
        }
        let drops_cookies = self.shared.cookies.secure && is_plain_http(&request);
        // A clone of this middleware further out has begun, and finishes the answer: two handles
        // would verify twice, and each set cookies of its own.
        let authority = Authority::Sessions(Arc::clone(&self.shared));
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::new(authority);
        let languages = self.shared.wording.languages(&request);
        let result = handle.run(request, self.shared.default_guard.as_ref(), &self.inner).await;
        let result = self.shared.wording.apply(result, languages.as_deref());
        let response = handle.finish(result).await?;
        if drops_cookies && response.headers().contains_key(header::SET_COOKIE) {
            self.shared.warn_of_dropped_cookies();
        }
        Ok(response)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Says once why nobody stays logged in: the server cannot see that a browser dropped its cookies.
    fn warn_of_dropped_cookies(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "jwtauth",
                "cookies were sent over plain http, and browsers drop them because they are Secure: serve https, \
                 let the proxy in front say `X-Forwarded-Proto: https`, use localhost, or call `.insecure_cookies()` for a test"
            );
        }
    }
}

/// Tells whether a browser most likely sees this request as plain http, from a name that is not its own machine's.
///
/// What the header says decides nothing but a line in the log. Browsers always name a host; a test may not.
fn is_plain_http(request: &Request) -> bool {
    let names_host =
        request.headers().contains_key(header::HOST) || request.original_uri().authority().is_some();
    let behind_tls =
        request.header("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    *request.scheme() == Scheme::HTTP && names_host && !behind_tls && !is_local(request)
}

/// Tells whether a request came from this machine, or by no network at all: a header says what its sender likes.
fn is_from_here(peer: Option<&SocketAddr>) -> bool {
    peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback())
}

/// Tells whether the request names this machine as its host; a request without a host does not.
fn is_local(request: &Request) -> bool {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = request.original_uri().authority().map(|authority| authority.as_str());
    let Some(host) = header.or(authority) else { return false };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_here() {
        for (peer, here) in [
            ("127.0.0.1:4000", true),
            ("127.9.9.9:4000", true),
            ("[::1]:4000", true),
            ("[::ffff:127.0.0.1]:4000", true),
            ("192.0.2.7:4000", false),
            ("0.0.0.0:4000", false),
            ("[::ffff:192.0.2.7]:4000", false),
            ("[2001:db8::7]:4000", false),
        ] {
            assert_eq!(is_from_here(Some(&peer.parse().unwrap())), here, "{peer}");
        }
        assert!(is_from_here(None));
    }
}
