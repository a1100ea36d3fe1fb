//! Hooks of the application: told what happens, and asked before a login.
//!
//! # Invariants
//!
//! 1. Hooks run one after the other, in the order in which they were added, and a request waits for them.
//! 2. What has happened is on disk before a hook hears of it, and no hook can undo it or make its answer fail: one
//!    that hangs is given up on, one that panics is logged.
//! 3. A hook that has begun runs to its end, also when its request is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use crate::error::SessionError;
use crate::event::Event;
use crate::record::Session;
use crate::user::Identity;

type Told<T> = Box<dyn Fn(T) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Asked<T> = Box<dyn Fn(T) -> Pin<Box<dyn Future<Output = Result<(), Veto>> + Send>> + Send + Sync>;

/// A hook's refusal of a login. The client hears 403 `permission_denied`; the reason goes to the log.
///
/// ```
/// use jwtauth::Veto;
///
/// assert_eq!(Veto::new("outside of office hours").reason(), "outside of office hours");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veto(String);

impl Veto {
    /// Refuses, and says why to the log.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// The hooks of an application.
#[derive(Default)]
pub(crate) struct Hooks {
    events: Vec<Told<Event>>,
    authenticated: Vec<Told<Identity>>,
    logins: Vec<Asked<Arc<Session>>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl Hooks {
    pub(crate) fn on_event<F, Fut>(&mut self, hook: F)
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.events.push(Box::new(move |event| Box::pin(hook(event))));
    }

    pub(crate) fn on_authenticated<F, Fut>(&mut self, hook: F)
    where
        F: Fn(Identity) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.authenticated.push(Box::new(move |who| Box::pin(hook(who))));
    }

    pub(crate) fn before_login<F, Fut>(&mut self, hook: F)
    where
        F: Fn(Arc<Session>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Veto>> + Send + 'static,
    {
        self.logins.push(Box::new(move |session| Box::pin(hook(session))));
    }
}

impl Sessions {
    /// Tells the log, the metrics and the hooks what has happened.
    pub(crate) async fn emit(&self, event: Event) {
        event.log();
        #[cfg(feature = "metrics")]
        metrics::counter!("jwtauth_events_total", "event" => event.name()).increment(1);
        if !self.hooks.events.is_empty() {
            let hooks = Arc::clone(&self.hooks);
            self.run(async move {
                for hook in &hooks.events {
                    hook(event.clone()).await;
                }
            })
            .await;
        }
    }

    /// Tells the hooks who was found to be calling, once a request.
    pub(crate) async fn authenticated(&self, who: &Identity) {
        if !self.hooks.authenticated.is_empty() {
            let (hooks, who) = (Arc::clone(&self.hooks), who.clone());
            self.run(async move {
                for hook in &hooks.authenticated {
                    hook(who.clone()).await;
                }
            })
            .await;
        }
    }

    /// Runs hooks that cannot change the answer. A task of their own, so that they outlive a dropped request.
    async fn run(&self, hooks: impl Future<Output = ()> + Send + 'static) {
        let after: Duration = self.config.store_timeout;
        match tokio::time::timeout(after, tokio::spawn(hooks)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                tracing::error!(target: "jwtauth", "a hook panicked; the others behind it were left out")
            }
            Err(_) => {
                tracing::error!(target: "jwtauth", ?after, "a hook takes too long; the answer does not wait for it any more")
            }
        }
    }

    /// Asks the hooks whether a session may be opened.
    pub(super) async fn ask_before_login(&self, session: &Session) -> Result<(), SessionError> {
        if self.hooks.logins.is_empty() {
            return Ok(());
        }
        let session = Arc::new(session.clone());
        for hook in &self.hooks.logins {
            if let Err(veto) = hook(Arc::clone(&session)).await {
                tracing::info!(target: "jwtauth", event = "login_vetoed", reason = ?veto.reason());
                return Err(SessionError::Vetoed);
            }
        }
        Ok(())
    }
}
