//! The application's hooks: for events, to refuse a login or refresh, to add claims to access tokens.
//! `session` runs them.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::JwtAuthBuilder;
use crate::error::BoxError;
use crate::events::Event;
use crate::record::Session;
use crate::session::Veto;
use crate::user::{AuthUser, Identity, check_kind};
use crate::web::answer::rejection::Rejection;

impl JwtAuthBuilder {
    /// Adds a hook that gets each event, after the change is on disk and before the answer leaves.
    ///
    /// Hooks run in the order in which they were added. None can make a request fail. A panic of a hook is
    /// logged. A hook that takes longer than [`StorageConfig::timeout`](crate::StorageConfig::timeout) is not
    /// waited for. An event is lost if the process ends before the hook runs. The sweep reports sessions that
    /// expire ([`Event::SessionExpired`]). After its hooks took too long three times, it continues without
    /// them.
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
    /// It runs before the handler, so keep it short. The rest is as with [`on_event`](Self::on_event).
    pub fn on_authenticated<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Identity) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_authenticated(hook);
        self
    }

    /// Adds a hook that can refuse a login before the session is opened: 403 `permission_denied`.
    ///
    /// It is also called for a session that is opened for another service's token
    /// ([`Compat`](crate::Compat)). After a refusal, each request with such a token calls it again.
    ///
    /// It gets the session as it would be, with its subject, roles and device. Hooks are called in the order
    /// in which they were added, and the first refusal counts. If they have not all answered within
    /// [`StorageConfig::timeout`](crate::StorageConfig::timeout), nobody is logged in and the answer is 503
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

    #[doc = include_str!("../../docs/before_refresh.md")]
    pub fn before_refresh<U, F, Fut>(mut self, hook: F) -> Self
    where
        U: AuthUser,
        F: Fn(Identity) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<U>, BoxError>> + Send + 'static,
    {
        self.hooks.before_refresh(|session| check_kind::<U>(session).is_ok(), hook);
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

    /// Replaces the sentence `detail` of refusals, for example in another language. `code` stays the same.
    ///
    /// The hook gets the refusal and the request's `Accept-Language` (RFC 9110, section 12.5.4), or an empty
    /// text. It returns `None` for the usual sentence. Sentences about single fields of the ready-made routes
    /// do not change.
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
