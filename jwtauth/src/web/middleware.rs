//! [`JwtAuth`] and [`Verifier`] as poem's middlewares: from the request to the finished answer.
//!
//! Each puts one [`Handle`] on the request, asks the gate of the app if there is one, calls the app, and
//! finishes the answer. If a clone is further out already, it only calls the app.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use poem::error::ResponseError as _;
use poem::http::header;
use poem::http::uri::Scheme;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::answer::problem::{as_page, problem_error};
use super::answer::rejection::Rejection;
use super::answer::wording::Wording;
use super::headers::navigation::wants_page;
use super::request::authority::Authority;
use super::request::handle::Handle;
use super::state::{Gate, JwtAuth, Verifier};
use crate::host::HostPort;

impl<E: Endpoint> Middleware<E> for JwtAuth {
    type Output = JwtAuthEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        self.state().gate.settle();
        JwtAuthEndpoint::new(inner, self.clone())
    }
}

/// The endpoint that [`JwtAuth`] makes of another one.
pub struct JwtAuthEndpoint<E> {
    inner: E,
    jwtauth: JwtAuth,
}

impl<E> JwtAuthEndpoint<E> {
    /// Puts a part of this library behind the middleware. The application is not behind its gate yet.
    pub(crate) const fn new(inner: E, jwtauth: JwtAuth) -> Self {
        Self { inner, jwtauth }
    }
}

impl<E> fmt::Debug for JwtAuthEndpoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthEndpoint").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Endpoint for JwtAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let state = self.jwtauth.state();
        let wants_page = wants_page(request.headers());
        if state.local_only && !(is_local(&request) && is_from_here(request.remote_addr().as_socket_addr())) {
            return shown(Err(problem_error(Rejection::DevelopmentOnly.as_response())), wants_page);
        }
        let drops_cookies = state.cookies.secure && is_plain_http(&request);
        // A clone of this middleware is further out and finishes the answer. Two handles would verify twice,
        // and each would set its own cookies.
        let authority = Authority::Sessions(self.jwtauth.clone());
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::new(authority);
        let languages = state.wording.languages(&request);
        let result = run(&handle, request, state.gate.get(), &self.inner).await;
        let result = state.wording.apply(result, languages.as_deref(), wants_page);
        let response = shown(handle.finish(result).await, wants_page)?;
        if drops_cookies && response.headers().contains_key(header::SET_COOKIE) {
            state.warn_of_dropped_cookies();
        }
        Ok(response)
    }
}

impl<E: Endpoint> Middleware<E> for Verifier {
    type Output = VerifierEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        self.state().gate.settle();
        VerifierEndpoint { inner, verifier: self.clone() }
    }
}

/// The endpoint that a [`Verifier`] makes of another one.
#[derive(Debug)]
pub struct VerifierEndpoint<E> {
    inner: E,
    verifier: Verifier,
}

impl<E: Endpoint> Endpoint for VerifierEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let authority = Authority::Verifier(Arc::clone(self.verifier.state()));
        // A clone of this middleware is further out and finishes the answer.
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::new(authority);
        let wants_page = wants_page(request.headers());
        let result = run(&handle, request, self.verifier.state().gate.get(), &self.inner).await;
        let result = Wording::default().apply(result, None, wants_page);
        shown(handle.finish(result).await, wants_page)
    }
}

/// Passes a request on with its handle, if the gate of the middleware allows it.
async fn run<E: Endpoint>(
    handle: &Handle,
    mut request: Request,
    gate: Option<&dyn Gate>,
    inner: &E,
) -> Result<Response> {
    request.extensions_mut().insert(handle.clone());
    if let Some(gate) = gate {
        gate.admit(&request).await?;
    }
    inner.call(request).await.map(IntoResponse::into_response)
}

/// Gives a refusal the form that the client can show.
fn shown(result: Result<Response>, wants_page: bool) -> Result<Response> {
    if wants_page { as_page(result) } else { result }
}

/// Tells whether a browser probably sees this request as plain http from another machine.
///
/// The header decides only about a line in the log. Browsers always name a host; a test may not.
fn is_plain_http(request: &Request) -> bool {
    let names_host =
        request.headers().contains_key(header::HOST) || request.original_uri().authority().is_some();
    let behind_tls =
        request.header("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    *request.scheme() == Scheme::HTTP && names_host && !behind_tls && !is_local(request)
}

/// Tells whether a request came from this machine, or by no network. Headers prove nothing.
fn is_from_here(peer: Option<&SocketAddr>) -> bool {
    peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback())
}

/// Tells whether the request names this machine as its host. Without a host it does not.
fn is_local(request: &Request) -> bool {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = request.original_uri().authority().map(|authority| authority.as_str());
    header.or(authority).and_then(HostPort::parse).is_some_and(|host| host.is_this_machine())
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
