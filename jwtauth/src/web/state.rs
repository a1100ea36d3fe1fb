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
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use poem::{Request, Result};
use tokio::runtime::Handle;

use super::answer::cookie::CookieStyle;
use super::answer::wording::Wording;
use super::client::Clients;
use super::headers::cross_origin::CrossOrigin;
use super::headers::token_header::TokenHeader;
use super::jwks::JwksEndpoint;
use super::local_only::LocalOnly;
use crate::error::TokenError;
use crate::notice::misconfigured;
#[cfg(unix)]
use crate::operator::OperatorSocket;
use crate::operator::{Operator, OperatorTarget};
use crate::session::{KeyRing, Sessions, Sweeper};
use crate::user::{OtherKind, TokenUser};
use crate::verifier::Verification;

/// The guard of a whole app, which runs before anything behind the middleware.
pub(crate) trait Gate: fmt::Debug + Send + Sync {
    /// Lets a request through, or says why not. The request has its handle already.
    fn admit<'r>(&'r self, request: &'r Request) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'r>>;
}

/// The gate of a middleware, if it has one.
///
/// The middleware can be given away as data of requests too, where its gate stands in front of nothing. Then
/// nothing of it runs, except that `.data(..)` puts a clone on each request, and the clone ends with the
/// request. If nothing was put behind the gate before that, the log tells of the mistake.
///
/// A reference to the middleware, or an `Arc` of it, can be data too. Of that nothing runs at all, so the log
/// tells a minute after the gate was made.
#[derive(Debug)]
pub(crate) struct FrontGate {
    gate: Option<Box<dyn Gate>>,
    /// Whether it stands in front of something, or the log has said that it does not.
    is_settled: Arc<AtomicBool>,
}

/// How long a program may take until the application is behind its gate.
const SET_UP: Duration = Duration::from_secs(60);

/// Where a value of a middleware comes from, as long as its gate is not settled.
#[derive(Debug, Default)]
struct CloneTrace {
    own: Arc<()>,
    /// That of the value it is a clone of, if it is one.
    of: Option<Weak<()>>,
    is_of_clone: bool,
}

impl FrontGate {
    /// Returns the gate of a value of this middleware.
    pub(crate) fn new(gate: Option<impl Gate + 'static>, middleware: &'static str) -> Self {
        let gate = gate.map(|gate| Box::new(gate) as Box<dyn Gate>);
        let is_settled = Arc::new(AtomicBool::new(gate.is_none()));
        if gate.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(look_later(Arc::downgrade(&is_settled), middleware));
        }
        Self { is_settled, gate }
    }

    pub(crate) fn get(&self) -> Option<&dyn Gate> {
        self.gate.as_deref()
    }

    /// Notes that the application has put something behind it.
    pub(crate) fn settle(&self) {
        self.is_settled.store(true, Ordering::Relaxed);
    }

    fn trace(&self, of: Option<&CloneTrace>) -> Option<CloneTrace> {
        let of = of.filter(|_| !self.is_settled.load(Ordering::Relaxed))?;
        Some(CloneTrace {
            own: Arc::default(),
            of: Some(Arc::downgrade(&of.own)),
            is_of_clone: of.of.is_some(),
        })
    }

    /// Notes the end of one value of the middleware. On a request is a clone of a clone, which ends before it
    /// and has no clones itself.
    fn ends(&self, trace: Option<&CloneTrace>, middleware: &str) {
        let was_on_request = |trace: &CloneTrace| {
            let outlived = trace.of.as_ref().is_some_and(|of| of.strong_count() > 0);
            trace.is_of_clone && outlived && Arc::weak_count(&trace.own) == 0
        };
        if trace.is_some_and(was_on_request) && !self.is_settled.swap(true, Ordering::Relaxed) {
            misconfigured(
                "gate in front of nothing",
                format_args!(
                    "`{middleware}` denies by default and is in front of nothing, so handlers without a guard are open: \
                     it is a middleware, so write `.with(..)` and not only `.data(..)`"
                ),
            );
        }
    }
}

/// Tells of a gate that is in front of nothing when the program must have been set up.
async fn look_later(is_settled: Weak<AtomicBool>, middleware: &'static str) {
    tokio::time::sleep(SET_UP).await;
    if is_settled.upgrade().is_some_and(|settled| !settled.swap(true, Ordering::Relaxed)) {
        misconfigured(
            "gate in front of nothing",
            format_args!(
                "`{middleware}` denies by default and is in front of nothing a minute after it was made: if this program serves \
                 requests, handlers without a guard are open. It is a middleware, so write `.with(..)` and not only `.data(..)`"
            ),
        );
    }
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
pub struct JwtAuth(Arc<JwtAuthState>, Option<CloneTrace>);

/// What all clones share.
pub(crate) struct JwtAuthState {
    /// Before `sessions`, so that it is gone before the store is closed.
    #[cfg(unix)]
    pub(crate) _operator_socket: Option<OperatorSocket>,
    /// Likewise, so that it stops first.
    pub(crate) _sweeper: Option<Sweeper>,
    pub(crate) operator_target: Arc<OperatorTarget>,
    pub(crate) sessions: Arc<Sessions>,
    #[cfg(feature = "accounts")]
    pub(crate) accounts: Option<crate::accounts::Accounts>,
    pub(crate) cookies: CookieStyle,
    pub(crate) token_header: TokenHeader,
    pub(crate) wording: Wording,
    pub(crate) cross_origin: CrossOrigin,
    pub(crate) gate: FrontGate,
    pub(crate) clients: Clients,
    /// If only this machine may send requests.
    pub(crate) local_only: Option<LocalOnly>,
    /// Whether the log has said already that cookies are dropped: by everybody, and by programs.
    pub(crate) dropped_cookies_logged: [AtomicBool; 2],
    /// The kinds of user that were held and asked for in the log already.
    pub(crate) logged_kinds: Mutex<BTreeSet<(String, &'static str)>>,
}

impl Clone for JwtAuth {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.0.gate.trace(self.1.as_ref()))
    }
}

impl Drop for JwtAuth {
    fn drop(&mut self) {
        self.0.gate.ends(self.1.as_ref(), "JwtAuth");
    }
}

impl JwtAuth {
    pub(crate) fn from_state(state: JwtAuthState) -> Self {
        Self(Arc::new(state), Some(CloneTrace::default()))
    }

    pub(crate) const fn state(&self) -> &Arc<JwtAuthState> {
        &self.0
    }

    /// Returns the sessions, for tasks outside of a request.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Returns what carries out requests of operators, as the program `jwtauth` makes them, on this value's
    /// store. It keeps the store open.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator::here(Arc::clone(&self.0.operator_target))
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
    /// Logs that a handler asks for another type of user than the session has: the first time as a warning,
    /// because two types for one user may be a mistake of the application.
    pub(crate) fn tell_of_kind(&self, other: &OtherKind) {
        let mut told = self.logged_kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert((other.held.clone(), other.asked)) {
            tracing::warn!(target: "jwtauth", "403: {other}");
        } else {
            tracing::debug!(target: "jwtauth", "403: {other}");
        }
    }

    /// Logs once why nobody stays logged in. The server cannot see that a client dropped its cookies.
    pub(crate) fn warn_of_dropped_cookies(&self, who: DroppedBy) {
        if self.dropped_cookies_logged[who as usize].swap(true, Ordering::Relaxed) {
            return;
        }
        match who {
            DroppedBy::Everybody => tracing::warn!(
                target: "jwtauth",
                "cookies were sent over plain http, and browsers drop them because they are Secure: serve https, \
                 let the proxy in front send `X-Forwarded-Proto: https`, use localhost, or call `.insecure_cookies()` for a test"
            ),
            DroppedBy::Programs => tracing::warn!(
                target: "jwtauth",
                "Secure cookies were sent over http://localhost to a program that is no browser. Browsers and curl 7.79 keep them; \
                 requests, httpx and old curl drop them, and are not logged in: call `.insecure_cookies()` on the builder for a test, \
                 or use `JwtAuth::dev()?`"
            ),
        }
    }
}

/// Who drops `Secure` cookies that were sent over plain http.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DroppedBy {
    Everybody = 0,
    /// Those that are no browsers: this machine was asked for as localhost.
    Programs = 1,
}

#[doc = include_str!("../docs/verifier.md")]
pub struct Verifier(Arc<VerifierState>, Option<CloneTrace>);

/// What all clones share.
pub(crate) struct VerifierState {
    pub(crate) verification: Verification,
    pub(crate) token_header: TokenHeader,
    pub(crate) gate: FrontGate,
}

impl Clone for Verifier {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.0.gate.trace(self.1.as_ref()))
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.0.gate.ends(self.1.as_ref(), "Verifier");
    }
}

impl Verifier {
    pub(crate) fn from_state(state: VerifierState) -> Self {
        Self(Arc::new(state), Some(CloneTrace::default()))
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
    /// [`TokenError::KeysUnavailable`] if there are no keys to verify with, or if the token names a key that
    /// may be new and the set cannot be fetched now: answer 503, not 401. All others say why the token is
    /// refused.
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
