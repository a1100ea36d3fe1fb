//! Who decides whom a request is from: the sessions of a [`JwtAuth`](super::middleware::JwtAuth), or the keys of a
//! [`Verifier`](super::verifier::Verifier). All that tells the two apart in a request is here.

use std::sync::Arc;

use poem::Request;
use poem::http::HeaderValue;

use super::authenticate::{Caller, Cookies, by_session, by_token};
use super::client::Client;
use super::credentials::Credentials;
use super::middleware::Shared;
use super::reject::Rejection;
use super::verifier::Trusted;

/// The middleware that put a handle on a request.
#[derive(Clone)]
pub(crate) enum Authority {
    /// Cookies and bearer tokens of our own sessions.
    Sessions(Arc<Shared>),
    /// Bearer tokens of another service.
    Verifier(Arc<Trusted>),
}

impl Authority {
    /// Tells whether both are clones of one middleware.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sessions(own), Self::Sessions(other)) => Arc::ptr_eq(own, other),
            (Self::Verifier(own), Self::Verifier(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Returns what a request says about who is calling, as far as it is looked at.
    pub(super) fn credentials<'r>(&self, request: &'r Request) -> Credentials<'r> {
        match self {
            Self::Sessions(shared) => {
                Credentials::of(request.headers(), &shared.token_header, &shared.cookies.names)
            }
            Self::Verifier(_) => Credentials::bearer_of(request.headers()),
        }
    }

    /// Tells whether a request is refused because another site caused it. Without cookies none could.
    pub(super) fn refuses_origin(&self, request: &Request) -> bool {
        match self {
            Self::Sessions(shared) => shared.cross_origin.refuses(request),
            Self::Verifier(_) => false,
        }
    }

    /// Decides who is calling, and what happens to the cookies.
    pub(super) async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        client: Client<'_>,
    ) -> Result<(Caller, Cookies), Rejection> {
        match self {
            Self::Sessions(shared) => by_session(shared, credentials, client).await,
            Self::Verifier(trusted) => {
                // Boxed, or the future of those with sessions would carry this one's room along.
                Box::pin(by_token(trusted, &credentials.bearer)).await.map(|caller| (caller, Cookies::Keep))
            }
        }
    }

    /// Returns the time that everything is decided by, in Unix seconds.
    pub(super) fn now(&self) -> u64 {
        match self {
            Self::Sessions(shared) => shared.sessions.now(),
            Self::Verifier(trusted) => trusted.verification.now(),
        }
    }

    /// Returns the headers of a request that an answer depends on (RFC 9110, section 12.5.5).
    pub(super) fn vary(&self) -> HeaderValue {
        match self {
            Self::Sessions(shared) => shared.token_header.vary().clone(),
            Self::Verifier(_) => HeaderValue::from_static("Authorization"),
        }
    }
}
