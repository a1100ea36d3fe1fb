//! The settings by which an application hears of events, and may refuse a login. What runs the hooks is in `session`.

use std::future::Future;
use std::sync::Arc;

use super::builder::JwtAuthBuilder;
use crate::event::Event;
use crate::record::Session;
use crate::session::Veto;
use crate::user::Identity;

impl JwtAuthBuilder {
    /// Adds a hook that is told what happens to sessions, after it is on disk and before the answer leaves.
    ///
    /// Hooks run in the order in which they were added. None can make a request fail: one that panics is logged, and
    /// one that takes longer than [`store_timeout`](Self::store_timeout) is not waited for any more. A process that
    /// ends at the wrong moment, or a request that is dropped while its change is being written, loses its event.
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

    /// Adds a hook that is told who is calling, once for each request of a logged-in user that asks.
    ///
    /// It runs before the handler does, for each of them: keep it short. The rest is as with
    /// [`on_event`](Self::on_event).
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
    /// It sees the session as it would be, with its subject, roles and device. Hooks are asked in the order in which
    /// they were added; the first refusal stands.
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
}
