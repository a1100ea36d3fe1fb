//! [`Verifier`] as a middleware, and [`TokenUser`] as an extractor behind it. No sessions, no cookies.

use poem::http::header;
use poem::{Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result};

use super::credentials::Sent;
use super::reject::{self, Rejection};
use super::token_header::bearer;
use crate::error::SessionError;
use crate::token::stateless::TokenUser;
use crate::verifier::Verifier;

impl<E: Endpoint> Middleware<E> for Verifier {
    type Output = VerifierEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
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
        request.extensions_mut().insert(self.verifier.clone());
        let mut response = self.inner.call(request).await?.into_response();
        response.headers_mut().append(header::VARY, header::HeaderValue::from_static("Authorization"));
        Ok(response)
    }
}

impl<'a> FromRequest<'a> for TokenUser {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let Some(verifier) = request.data::<Verifier>() else {
            tracing::error!(target: "jwtauth", "`TokenUser` needs a `Verifier` in front: add `.with(verifier)` to the app");
            return Err(Rejection::Misconfigured.into());
        };
        match bearer(request.headers()) {
            Sent::Absent => Err(Rejection::NotAuthenticated.into()),
            Sent::One(token) => verifier.verify(&token).await.map_err(|error| {
                let error = SessionError::Token(error);
                reject::log(&error);
                Rejection::from(&error).into()
            }),
            Sent::Unreadable | Sent::Conflict => Err(Rejection::InvalidRequest.into()),
        }
    }
}
