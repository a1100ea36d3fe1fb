//! Hooks of the application: they hear of events, can refuse a login or a refresh, and add claims. `reporter`
//! says when they hear.
//!
//! # Invariants
//!
//! 1. Hooks run one after the other, in the order in which they were added, and a request waits for them.
//! 2. No hook for events makes a request fail: a hook that hangs is abandoned, a hook that panics is logged.
//! 3. A hook for events runs to its end once it has begun, even if its request is dropped. A hook that is
//!    asked a question is dropped with its login.
//! 4. The hooks for users and for claims are asked before a refresh token is spent. So if one fails, or
//!    claims do not fit, no session is lost.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::Sessions;
use crate::claims::RESERVED;
use crate::compat::Compat;
use crate::error::{BoxError, SessionError};
use crate::events::Event;
use crate::record::Session;
use crate::user::{AuthUser, Identity, TokenSource};

type EventHook<T> = Box<dyn Fn(T) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type LoginHook<T> = Box<dyn Fn(T) -> Pin<Box<dyn Future<Output = Result<(), Veto>> + Send>> + Send + Sync>;
type UserHook = Box<
    dyn Fn(Arc<Session>) -> Pin<Box<dyn Future<Output = Result<Standing, BoxError>> + Send>> + Send + Sync,
>;
type Claims =
    Box<dyn Fn(Arc<Session>) -> Pin<Box<dyn Future<Output = Result<Value, BoxError>> + Send>> + Send + Sync>;

/// A hook's refusal of a login. The client gets 403 `permission_denied`; the reason goes to the log.
///
/// ```
/// use jwtauth::Veto;
///
/// assert_eq!(Veto::new("outside of office hours").reason(), "outside of office hours");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veto(String);

impl Veto {
    /// Refuses the login. The reason goes to the log.
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

/// What a user may do now, as a hook says.
#[derive(Debug)]
pub(super) struct OwnerRights {
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// What a hook knows of the user of a session.
enum Standing {
    Active(OwnerRights),
    Inactive,
    Gone,
    /// The session is none of its own.
    Another,
}

#[derive(Default)]
pub(crate) struct Hooks {
    events: Vec<EventHook<Event>>,
    authenticated: Vec<EventHook<Identity>>,
    logins: Vec<LoginHook<Arc<Session>>>,
    users: Vec<UserHook>,
    claims: Option<Claims>,
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

    /// Adds a hook that looks users up before a refresh. It is asked about sessions that `concerns` picks.
    pub(crate) fn before_refresh<U, F, Fut>(&mut self, concerns: fn(&Session) -> bool, hook: F)
    where
        U: AuthUser,
        F: Fn(Identity) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<U>, BoxError>> + Send + 'static,
    {
        self.users.push(Box::new(move |session| {
            let found = concerns(&session).then(|| hook(Identity::new(session, TokenSource::Refresh)));
            Box::pin(async move {
                let Some(found) = found else { return Ok(Standing::Another) };
                Ok(match found.await? {
                    Some(user) if user.is_active() => {
                        Standing::Active(OwnerRights { roles: user.roles(), scopes: user.scopes() })
                    }
                    Some(_) => Standing::Inactive,
                    None => Standing::Gone,
                })
            })
        }));
    }

    pub(crate) fn access_claims<F, Fut, C>(&mut self, hook: F)
    where
        F: Fn(Arc<Session>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, BoxError>> + Send + 'static,
        C: Serialize,
    {
        self.claims = Some(Box::new(move |session| {
            let claims = hook(session);
            Box::pin(async move { Ok(serde_json::to_value(claims.await?)?) })
        }));
    }

    /// Tells whether a hook knows which users are still there.
    pub(super) const fn know_users(&self) -> bool {
        !self.users.is_empty()
    }

    pub(super) const fn has_claims(&self) -> bool {
        self.claims.is_some()
    }

    pub(super) const fn hear_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Tells the hooks of an event. Returns whether they finished within `after`.
    pub(super) async fn tell(self: Arc<Self>, event: Event, after: Duration) -> bool {
        let told = async move {
            for hook in &self.events {
                hook(event.clone()).await;
            }
        };
        run(told, after).await
    }
}

impl Sessions {
    /// Tells whether the application hears of each caller.
    pub(crate) fn tells_of_callers(&self) -> bool {
        !self.hooks.authenticated.is_empty()
    }

    /// Tells the hooks who is calling, once per request.
    pub(crate) async fn authenticated(&self, who: &Identity) {
        if self.tells_of_callers() {
            let (hooks, who) = (Arc::clone(&self.hooks), who.clone());
            let told = async move {
                for hook in &hooks.authenticated {
                    hook(who.clone()).await;
                }
            };
            run(told, self.config.storage.timeout).await;
        }
    }

    /// Asks the application for its claims in the next access token of a session.
    pub(super) async fn own_claims(&self, session: &Session) -> Result<Map<String, Value>, SessionError> {
        let Some(hook) = &self.hooks.claims else { return Ok(Map::new()) };
        let after = self.config.storage.timeout;
        let claims = match tokio::time::timeout(after, hook(Arc::new(session.clone()))).await {
            Ok(claims) => claims.map_err(SessionError::Claims)?,
            Err(_) => return Err(SessionError::Claims(format!("no answer within {after:?}").into())),
        };
        let refused = |problem: String| Err(SessionError::ClaimRefused { problem });
        let Value::Object(claims) = claims else {
            return refused("claims are the members of a struct or a map, and this is something else".into());
        };
        let of_compat = self.config.tokens.compat.as_ref().map(Compat::user_id);
        if let Some(name) = RESERVED.into_iter().chain(of_compat).find(|name| claims.contains_key(*name)) {
            return refused(format!("`{name}` is a claim of jwtauth's own: take another name"));
        }
        if !crate::token::can_be_read(&claims) {
            return refused("they nest deeper than 16 levels".into());
        }
        Ok(claims)
    }

    /// Asks the hooks whether a session may be opened. Together they have as long as a change of the store.
    pub(super) async fn ask_before_login(&self, session: &Session) -> Result<(), SessionError> {
        if self.hooks.logins.is_empty() {
            return Ok(());
        }
        let session = Arc::new(session.clone());
        let asked = async {
            for hook in &self.hooks.logins {
                hook(Arc::clone(&session)).await?;
            }
            Ok::<(), Veto>(())
        };
        let after = self.config.storage.timeout;
        match tokio::time::timeout(after, asked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(veto)) => {
                tracing::info!(target: "jwtauth", event = "login_vetoed", reason = ?veto.reason());
                Err(SessionError::Vetoed)
            }
            Err(_) => Err(SessionError::HookTimedOut { after }),
        }
    }

    /// Asks the hooks whether the user of a session is still there, and what they may do. One that knows the
    /// user is enough; `None` if none does. Together they have as long as a change of the store.
    pub(super) async fn ask_for_user(&self, session: &Session) -> Result<Option<OwnerRights>, SessionError> {
        if self.hooks.users.is_empty() {
            return Ok(None);
        }
        let of = Arc::new(session.clone());
        let asked = async {
            let mut refusal = Ok(None);
            for hook in &self.hooks.users {
                match hook(Arc::clone(&of)).await.map_err(SessionError::UserUnknown)? {
                    Standing::Active(rights) => return Ok(Some(rights)),
                    Standing::Inactive => refusal = Err(SessionError::UserInactive),
                    Standing::Gone => refusal = refusal.and(Err(SessionError::UserNotFound)),
                    Standing::Another => {}
                }
            }
            refusal
        };
        let after = self.config.storage.timeout;
        let answer = tokio::time::timeout(after, asked).await;
        answer.unwrap_or(Err(SessionError::HookTimedOut { after })).inspect_err(|error| {
            if matches!(error, SessionError::UserInactive | SessionError::UserNotFound) {
                tracing::info!(target: "jwtauth", event = "refresh_refused", session = session.id.log_id(), "{error}");
            }
        })
    }
}

/// Runs hooks that cannot change the answer, in a task of their own, so that they outlive a dropped request.
///
/// Returns whether they finished within `after`. If not, they continue, and nobody waits.
async fn run(hooks: impl Future<Output = ()> + Send + 'static, after: Duration) -> bool {
    match tokio::time::timeout(after, tokio::spawn(hooks.in_current_span())).await {
        Ok(Ok(())) => true,
        Ok(Err(_)) => {
            tracing::error!(target: "jwtauth", "a hook panicked; the others behind it were left out");
            true
        }
        Err(_) => {
            tracing::error!(target: "jwtauth", ?after, "a hook takes too long; nobody waits for it any more");
            false
        }
    }
}
