//! Who decides about the caller of a request: the sessions of a [`JwtAuth`], or the keys of a
//! [`Verifier`](crate::web::state::Verifier). Everything that differs between the two in a request is here.

use std::sync::Arc;

use poem::Request;
use poem::http::HeaderValue;

use super::outcome::{Caller, Cookies, by_session, by_token, known_before};
use crate::web::answer::rejection::Rejection;
use crate::web::client::Client;
use crate::web::headers::credentials::{Credentials, PlainTokens};
use crate::web::headers::cross_origin::RefusalLine;
use crate::web::state::{JwtAuth, VerifierState};

/// The middleware that put a handle on a request.
#[derive(Clone)]
pub(crate) enum Authority {
    /// Cookies and bearer tokens of this service's sessions.
    Sessions(JwtAuth),
    /// Bearer tokens of another service.
    Verifier(Arc<VerifierState>),
}

impl Authority {
    /// Tells whether both are clones of one middleware.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sessions(own), Self::Sessions(other)) => Arc::ptr_eq(own.state(), other.state()),
            (Self::Verifier(own), Self::Verifier(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Returns the `JwtAuth`; `None` for a `Verifier`.
    pub(crate) const fn sessions(&self) -> Option<&JwtAuth> {
        match self {
            Self::Sessions(jwtauth) => Some(jwtauth),
            Self::Verifier(_) => None,
        }
    }

    /// Returns the credentials of a request, as far as they are read.
    pub(crate) fn credentials<'r>(&self, request: &'r Request) -> Credentials<'r> {
        match self {
            Self::Sessions(jwtauth) => {
                let state = jwtauth.state();
                Credentials::of(request.headers(), &state.token_header, &state.cookies.names)
            }
            Self::Verifier(state) => Credentials::bearer_of(request.headers(), &state.token_header),
        }
    }

    /// Returns the tokens of a request that has no more than it needs.
    pub(crate) fn plain_tokens<'r>(&self, request: &'r Request) -> Option<PlainTokens<'r>> {
        let state = self.sessions()?.state();
        if state.sessions.tells_of_callers() {
            // The hook is told of each request, after it was looked at in full.
            return None;
        }
        PlainTokens::of(request.headers(), &state.token_header, &state.cookies.names)
    }

    /// Returns the caller if they were let in before with these tokens, and nothing has changed since.
    pub(crate) fn known_before(&self, tokens: PlainTokens<'_>) -> Option<Caller> {
        known_before(self.sessions()?.state(), tokens)
    }

    /// Tells whether a request is refused because another site caused it. Without cookies no site could.
    pub(crate) fn refuses_origin(&self, request: &Request) -> bool {
        match self {
            Self::Sessions(jwtauth) => jwtauth.state().cross_origin.refuses(request),
            Self::Verifier(_) => false,
        }
    }

    /// Notes a request that is refused for that, and returns what the log says of it.
    pub(crate) fn line_of_refusal(&self, route: Option<&str>) -> RefusalLine {
        match self {
            Self::Sessions(jwtauth) => jwtauth.state().cross_origin.told.note(route),
            Self::Verifier(_) => RefusalLine::Nothing,
        }
    }

    /// Decides who is calling, and what happens to the cookies.
    pub(crate) async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        client: Client<'_>,
    ) -> Result<(Caller, Cookies), Rejection> {
        match self {
            Self::Sessions(jwtauth) => by_session(jwtauth.state(), credentials, client).await,
            Self::Verifier(state) => {
                // Boxed, or the other branch's future would be as large as this one.
                Box::pin(by_token(state, &credentials.bearer)).await.map(|caller| (caller, Cookies::Keep))
            }
        }
    }

    /// Returns the time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Sessions(jwtauth) => jwtauth.sessions().now(),
            Self::Verifier(state) => state.verification.now(),
        }
    }

    /// Returns the headers of a request that an answer depends on (RFC 9110, section 12.5.5).
    pub(crate) fn vary(&self) -> HeaderValue {
        match self {
            Self::Sessions(jwtauth) => jwtauth.state().token_header.vary().clone(),
            Self::Verifier(_) => HeaderValue::from_static("Authorization"),
        }
    }
}
