//! [`JwtAuth`] with its sessions, and [`Verifier`] with keys alone to put in front of an app.
//!
//! `settings` makes both, `request` asks them, and `middleware` puts them around an app.
//!
//! # Invariants
//!
//! 1. All clones of one value share one state.
//! 2. Nothing changes once it is built, except what the state itself guards (sessions, keys, warnings).

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use poem::{Request, Result};

use super::answer::cookie::CookieStyle;
use super::answer::wording::Wording;
use super::client::Clients;
use super::headers::cross_origin::CrossOrigin;
use super::headers::token_header::TokenHeader;
use super::jwks::JwksEndpoint;
use crate::error::TokenError;
use crate::session::{KeyRing, Sessions, Sweeper};
use crate::user::{OtherKind, TokenUser};
use crate::verifier::Verification;

/// The guard of a whole app, which runs before anything behind the middleware.
pub(crate) trait Gate: fmt::Debug + Send + Sync {
    /// Lets a request through, or says why not. The request has its handle already.
    fn admit<'r>(&'r self, request: &'r Request) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'r>>;
}

/// Logins for a poem application: put it around the app with `.with(jwtauth)`, outermost.
///
/// If another `JwtAuth` or a [`Verifier`] is around the same route, the innermost decides who is calling.
///
/// A handler behind it can take the same value as an argument, `jwtauth: &JwtAuth`, to use its
/// [`keys`](Self::keys) for example.
///
/// Cheap to clone: clones share one store. When the last one is dropped, the background sweep stops and the
/// store is closed.
#[derive(Clone)]
pub struct JwtAuth(Arc<JwtAuthState>);

/// What all clones share.
pub(crate) struct JwtAuthState {
    /// Before `sessions`, so that it stops first.
    pub(crate) _sweeper: Option<Sweeper>,
    pub(crate) sessions: Arc<Sessions>,
    #[cfg(feature = "accounts")]
    pub(crate) accounts: Option<crate::accounts::Accounts>,
    pub(crate) cookies: CookieStyle,
    pub(crate) token_header: TokenHeader,
    pub(crate) wording: Wording,
    pub(crate) cross_origin: CrossOrigin,
    pub(crate) gate: Option<Box<dyn Gate>>,
    pub(crate) clients: Clients,
    /// Whether only this machine may send requests.
    pub(crate) local_only: bool,
    /// Whether the log has said already that browsers drop the cookies.
    pub(crate) warned: AtomicBool,
    /// The kinds of user that were held and asked for in the log already.
    pub(crate) told_kinds: Mutex<BTreeSet<(String, &'static str)>>,
}

impl JwtAuth {
    pub(crate) fn from_state(state: JwtAuthState) -> Self {
        Self(Arc::new(state))
    }

    pub(crate) const fn state(&self) -> &Arc<JwtAuthState> {
        &self.0
    }

    /// Returns the sessions, for tasks outside of a request.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Returns the keys of access tokens, which can be changed while the program runs.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        self.0.sessions.keys()
    }

    /// Returns an endpoint that publishes the public keys. Put it at `/.well-known/jwks.json`.
    ///
    /// It answers with the present keys, [`KeyRing::jwks`]. There are none unless a
    /// [`key`](crate::JwtAuthBuilder::key) signs: a secret is never published.
    #[must_use]
    pub fn jwks(&self) -> JwksEndpoint {
        JwksEndpoint::new(self.keys().clone())
    }
}

#[cfg(feature = "accounts")]
impl JwtAuth {
    /// Returns the accounts, if [`JwtAuthBuilder::accounts`](crate::JwtAuthBuilder::accounts) was called.
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

impl fmt::Debug for JwtAuthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthState").finish_non_exhaustive()
    }
}

impl JwtAuthState {
    /// Tells whether the log has not named these two kinds of user yet.
    pub(crate) fn is_told_first(&self, other: &OtherKind) -> bool {
        let mut told = self.told_kinds.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((other.held.clone(), other.asked))
    }

    /// Logs once why nobody stays logged in. The server cannot see that a browser dropped its cookies.
    pub(crate) fn warn_of_dropped_cookies(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "jwtauth",
                "cookies were sent over plain http, and browsers drop them because they are Secure: serve https, \
                 let the proxy in front send `X-Forwarded-Proto: https`, use localhost, or call `.insecure_cookies()` for a test"
            );
        }
    }
}

#[doc = include_str!("../docs/verifier.md")]
#[derive(Clone)]
pub struct Verifier(Arc<VerifierState>);

/// What all clones share.
pub(crate) struct VerifierState {
    pub(crate) verification: Verification,
    pub(crate) token_header: TokenHeader,
    pub(crate) gate: Option<Box<dyn Gate>>,
}

impl Verifier {
    pub(crate) fn from_state(state: VerifierState) -> Self {
        Self(Arc::new(state))
    }

    pub(crate) const fn state(&self) -> &Arc<VerifierState> {
        &self.0
    }

    /// Verifies an access token: form, signature and every claim.
    ///
    /// Waits for the network only when the keys are too old, or the token names an unknown key.
    ///
    /// # Errors
    ///
    /// [`TokenError::KeysUnavailable`] if there are no keys to verify with: answer 503, not 401. All others
    /// say why the token is refused.
    pub async fn verify(&self, token: &str) -> std::result::Result<TokenUser, TokenError> {
        self.0.verification.verify(token).await
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verification { issuer, audience, .. } = &self.0.verification;
        f.debug_struct("Verifier").field("issuer", issuer).field("audience", audience).finish_non_exhaustive()
    }
}
