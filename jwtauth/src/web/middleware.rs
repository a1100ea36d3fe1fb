//! [`JwtAuth`] and [`Verifier`] as poem's middlewares: from the request to the finished answer.
//!
//! Each puts one [`Handle`] on the request, asks the gate of the app if there is one, calls the app, and
//! finishes the answer. If a clone is further out already, it only calls the app.
//!
//! The end of both stands here twice: as one function it costs each request 400 instructions, because
//! requests and answers are moved once more.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use poem::error::ResponseError as _;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::answer::problem::{as_page, problem_error};
use super::answer::wording::Wording;
use super::headers::navigation::wants_page;
use super::request::authority::Authority;
use super::request::handle::Handle;
use super::state::{JwtAuth, Verifier};
use crate::session::in_moments;

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

    async fn call(&self, mut request: Request) -> Result<Response> {
        let state = self.jwtauth.state();
        let wants_page = wants_page(request.headers());
        if let Some(refusal) = state.local_only.as_ref().and_then(|only| only.refusal(&request)) {
            return shown(Err(problem_error(refusal.as_response())), wants_page);
        }
        // A clone of this middleware is further out and finishes the answer. Two handles would verify twice,
        // and each would set its own cookies.
        let authority = Authority::Sessions(self.jwtauth.clone());
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::put_on(&mut request, authority);
        // All that may wait is done in moments: see `Sessions::is_current`.
        let languages = state.wording.languages(&request);
        let refusal = match state.gate.get() {
            Some(gate) => in_moments(pin!(gate.admit(&request))).await.err(),
            None => None,
        };
        let result = match refusal {
            None => in_moments(pin!(self.inner.call(request))).await.map(IntoResponse::into_response),
            Some(refusal) => Err(refusal),
        };
        let result = state.wording.apply(result, languages.as_deref(), wants_page);
        let result = match handle.finish(result) {
            Ok(finished) => finished,
            Err(waiting) => in_moments(pin!(waiting)).await,
        };
        shown(result, wants_page)
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

    async fn call(&self, mut request: Request) -> Result<Response> {
        let authority = Authority::Verifier(Arc::clone(self.verifier.state()));
        // A clone of this middleware is further out and finishes the answer.
        if request.data::<Handle>().is_some_and(|handle| handle.is_of(&authority)) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let handle = Handle::put_on(&mut request, authority);
        let wants_page = wants_page(request.headers());
        let refusal = match self.verifier.state().gate.get() {
            Some(gate) => gate.admit(&request).await.err(),
            None => None,
        };
        let result = match refusal {
            None => self.inner.call(request).await.map(IntoResponse::into_response),
            Some(refusal) => Err(refusal),
        };
        let result = Wording::default().apply(result, None, wants_page);
        let result = match handle.finish(result) {
            Ok(finished) => finished,
            Err(waiting) => waiting.await,
        };
        shown(result, wants_page)
    }
}

/// Gives a refusal the form that the client can show.
fn shown(result: Result<Response>, wants_page: bool) -> Result<Response> {
    if wants_page { as_page(result) } else { result }
}
