//! The settings by which an application hears of events, may refuse a login, and adds claims to access
//! tokens. What runs the hooks is in `session`.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::JwtAuthBuilder;
use crate::error::BoxError;
use crate::event::Event;
use crate::record::Session;
use crate::session::Veto;
use crate::user::Identity;
use crate::web::answer::rejection::Rejection;

impl JwtAuthBuilder {
    /// Adds a hook that gets each event of a session, after the change is on disk and before the answer
    /// leaves.
    ///
    /// Hooks run in the order in which they were added. None can make a request fail. One that panics is
    /// logged. One that takes longer than [`store_timeout`](Self::store_timeout) is not waited for any more.
    /// An event is lost if the process ends at the wrong moment, or if a request is dropped while its change
    /// is being written. The sweep reports sessions that expire ([`Event::SessionExpired`]). It goes on
    /// without the hooks after they took too long three times.
    ///
    /// ```
    /// use jwtauth::{Event, JwtAuth};
    ///
    /// let builder = JwtAuth::builder().on_event(|event| async move {
    ///     if let Event::ReuseDetected { session } = event {
    ///         println!("somebody else had a token of {}: write them an e-mail", session.subject);
    ///     }
    /// });
    /// ```
    pub fn on_event<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_event(hook);
        self
    }

    /// Adds a hook that gets the caller's [`Identity`], once for each authenticated request.
    ///
    /// It runs before the handler does, so keep it short. The rest is as with [`on_event`](Self::on_event).
    pub fn on_authenticated<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Identity) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_authenticated(hook);
        self
    }

    /// Adds a hook that is asked before a session is opened, and may refuse: 403 `permission_denied`.
    ///
    /// That goes for sessions of another service's tokens too ([`Compat`](crate::Compat)); each request with
    /// a token that was refused asks again.
    ///
    /// It sees the session as it would be, with its subject, roles and device. Hooks are asked in the order
    /// in which they were added; the first refusal stands. If they have not all answered within
    /// [`store_timeout`](Self::store_timeout), nobody is logged in and the answer is 503
    /// ([`SessionError::HookTimedOut`](crate::error::SessionError::HookTimedOut)).
    ///
    /// ```
    /// use jwtauth::{JwtAuth, Veto};
    ///
    /// let builder = JwtAuth::builder().before_login(|session| async move {
    ///     if session.subject == "guest" { Err(Veto::new("guests are on holiday")) } else { Ok(()) }
    /// });
    /// ```
    pub fn before_login<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Session>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Veto>> + Send + 'static,
    {
        self.hooks.before_login(hook);
        self
    }

    #[doc = include_str!("../../docs/access_claims.md")]
    pub fn access_claims<F, Fut, C>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Session>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, BoxError>> + Send + 'static,
        C: Serialize,
    {
        self.hooks.access_claims(hook);
        self
    }

    /// Replaces the sentence `detail` of refusals by other words, or another language. `code` stays, for
    /// programs.
    ///
    /// The hook gets the refusal and the request's `Accept-Language` (RFC 9110, section 12.5.4), which is
    /// empty if there is none. It returns `None` for the usual sentence. The sentences about single fields of
    /// the ready-made routes stay as they are.
    ///
    /// ```
    /// use jwtauth::{JwtAuth, Rejection};
    ///
    /// let builder = JwtAuth::builder().translate(|why, languages| {
    ///     let german = languages.trim_start().starts_with("de");
    ///     (german && why == Rejection::InvalidCredentials).then(|| "Name oder Passwort ist falsch".into())
    /// });
    /// ```
    pub fn translate(
        mut self,
        hook: impl Fn(Rejection, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.wording.translate = Some(Box::new(hook));
        self
    }
}
