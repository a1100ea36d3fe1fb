//! The set of public keys, for services that verify access tokens (RFC 7517, section 5).

use std::fmt;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response, Result};

use crate::session::KeyRing;

/// How long the answer may be cached. A new key should be in the ring for longer before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers GET and HEAD with the public keys. [`JwtAuth::jwks`](crate::JwtAuth::jwks) makes it.
///
/// HMAC keys are secrets and never published. Without any other key, the set is empty. The answer is the same
/// for everybody, so it may be cached for 5 minutes (`Cache-Control: public, max-age=300`).
#[derive(Clone)]
pub struct JwksEndpoint(KeyRing);

impl JwksEndpoint {
    pub(crate) fn new(keys: KeyRing) -> Self {
        Self(keys)
    }
}

impl fmt::Debug for JwksEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksEndpoint").finish_non_exhaustive()
    }
}

impl Endpoint for JwksEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let refused = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
            return Ok(refused.header(header::ALLOW, "GET, HEAD").finish());
        }
        Ok(Response::builder()
            .content_type("application/jwk-set+json")
            .header(header::CACHE_CONTROL, CACHE)
            // Caches keep it for pages of all origins, and CORS answers each of them differently.
            .header(header::VARY, "Origin")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .body(self.0.jwks().to_string()))
    }
}
