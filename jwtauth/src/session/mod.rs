//! The life of a session: login, verification, rotation, revocation, sweep, and notice of its end.
//!
//! Joins tokens, which know no store, and stores, which know no tokens. Knows no HTTP: cookies, headers and
//! status codes are in `web`.
//!
//! # Invariants
//!
//! 1. A token only names a record. Who the user is comes from the record. Only `foreign` handles tokens of
//!    another service.
//! 2. A token is handed out only after the store has acknowledged the state that it stands for.
//! 3. Functions that begin with `read_` verify a token, to let somebody in. Those that begin with `name_` ask
//!    which session it names, to end that. All others take what these returned, so no token is verified twice
//!    for one of both. One exception: under `Compat`, `read_any` and `name_any` may check a token of another
//!    service twice, because the header of that token does not name its kind.

#[cfg(feature = "accounts")]
mod account_changes;
mod api_keys;
mod devices;
mod end;
mod foreign;
mod hooks;
mod issued_tokens;
mod kept_api_key_rules;
#[cfg(feature = "accounts")]
mod kept_role_scopes;
mod kept_secret_mark;
mod key_ring;
mod known_callers;
#[cfg(feature = "pages")]
mod live_count;
mod moment;
mod named_session;
mod new_api_key;
mod open;
mod pending_login;
mod reporter;
mod revoke;
mod rotate;
#[cfg(feature = "pages")]
mod same_form;
#[cfg(feature = "pages")]
mod since_start;
mod sliding_tokens;
mod sweep;
mod token_registry;
mod trail;
mod unclaimed_session;
mod uncounted_sessions;
mod verify;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use serde_json::{Map, Value};

use self::api_keys::AskedOwners;
use self::devices::ChangedDevices;
use self::end::Ends;
pub use self::end::{EndReason, SessionEnd};
use self::foreign::DenyList;
pub(crate) use self::hooks::Hooks;
pub use self::hooks::Veto;
pub(crate) use self::issued_tokens::IssuedTokens;
use self::issued_tokens::Token;
pub use self::issued_tokens::Tokens;
pub(crate) use self::kept_api_key_rules::kept_api_key_rules;
#[cfg(feature = "accounts")]
pub(crate) use self::kept_role_scopes::kept_role_scopes;
pub use self::key_ring::{KeyInfo, KeyRing};
pub(crate) use self::known_callers::CompanionToken;
use self::known_callers::KnownCallers;
#[cfg(feature = "pages")]
pub(crate) use self::live_count::LiveCounter;
pub(crate) use self::moment::in_moments;
pub(crate) use self::new_api_key::ApiKeyOrigin;
pub use self::new_api_key::{ApiKeyRequest, IssuedApiKey};
pub(crate) use self::open::Eviction;
pub(crate) use self::pending_login::PendingLogin;
use self::reporter::Reporter;
pub(crate) use self::rotate::Renewal;
#[cfg(feature = "pages")]
pub(crate) use self::same_form::SameForm;
#[cfg(feature = "pages")]
pub(crate) use self::since_start::{CountedEvent, SinceStart, Stretch};
pub(crate) use self::sliding_tokens::BearerToken;
pub(crate) use self::sweep::Sweeper;
pub(crate) use self::token_registry::{AnyToken, GoodToken};
use self::trail::Trail;
pub(crate) use self::trail::caused_by;
use self::uncounted_sessions::UncountedSessions;
pub(crate) use self::verify::AccessState;
use crate::claims::{ACCESS, AccessClaims, REFRESH, RefreshClaims};
use crate::clock::{Clock, Timeline};
use crate::config::Config;
use crate::error::{ConfigError, SessionError, StoreError};
use crate::id::SessionId;
use crate::record::Session;
use crate::right_name::scope_text;
use crate::store::{SessionStore, StoreFuture, TokenStore};
use crate::token::access::AccessTokens;
use crate::token::refresh::RefreshTokens;
use crate::token::sliding::SlidingTokens;
use crate::token::{Expected, Kinds};

/// The sessions of an application: list them, revoke them, renew the user in them.
///
/// A handler takes `sessions: &Sessions` as an argument. The argument checks nothing, so guard the handler.
/// Background tasks and admin tools use [`JwtAuth::sessions`](crate::JwtAuth::sessions). Call it in a tokio
/// runtime whose time is enabled.
///
/// ```
/// use jwtauth::{SessionId, Sessions, require_auth};
/// use poem::{Result, web::Path};
///
/// #[require_auth(role = "admin")]
/// async fn revoke(sessions: &Sessions, Path(id): Path<SessionId>) -> Result<()> {
///     sessions.revoke(id).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Sessions {
    config: Config,
    /// The length of the longest token that can be handed out, in bytes.
    max_token: usize,
    clock: Arc<Timeline>,
    store: Arc<dyn SessionStore>,
    /// The same store, if it keeps records of tokens.
    tokens: Option<Arc<dyn TokenStore>>,
    /// The same store, if it keeps accounts.
    #[cfg(feature = "accounts")]
    accounts: Option<Arc<dyn crate::store::AccountStore>>,
    /// The revoked tokens of another service, if such tokens are accepted.
    deny_list: Option<DenyList>,
    access: Arc<AccessTokens>,
    keys: KeyRing,
    refresh: RefreshTokens,
    sliding: SlidingTokens,
    known_callers: KnownCallers,
    changed_devices: ChangedDevices,
    asked_owners: AskedOwners,
    hooks: Arc<Hooks>,
    ends: Arc<Ends>,
    uncounted: Arc<UncountedSessions>,
    reporter: Reporter,
}

impl Sessions {
    pub(crate) fn new(
        config: Config,
        max_token: usize,
        tokens: Kinds,
        clock: Arc<dyn Clock>,
        store: Arc<dyn SessionStore>,
        hooks: Hooks,
    ) -> Result<Self, ConfigError> {
        let hooks = Arc::new(hooks);
        let keys = Arc::clone(&clock);
        let (trail, mark) = (Trail::of(&config, &store)?, store.time_mark());
        let reporter = Reporter {
            hooks: Arc::clone(&hooks),
            trail,
            patience: config.storage.timeout,
            #[cfg(feature = "pages")]
            since_start: Arc::new(SinceStart::new(clock.now())),
        };
        let set_back = reporter.tell_set_back(&mark);
        let clock = Arc::new(Timeline::new(clock, mark, set_back));
        let ends = Ends::new(Arc::clone(&store), Arc::clone(&clock) as _, config.storage.timeout);
        let registry = Arc::clone(&store).token_store();
        if config.storage.token_registry && registry.is_none() {
            return Err(ConfigError::NotKept {
                what: "records of tokens",
                needed_by: "StorageConfig::token_registry",
                method: "token_store",
            });
        }
        let access = Arc::new(tokens.access);
        // With `Compat`, the same keys sign refresh tokens.
        let longest = if config.tokens.compat.is_some() { config.refresh_ttl } else { config.access_ttl };
        let longest = (longest + config.tokens.leeway).as_secs();
        Ok(Self {
            keys: KeyRing::new(Arc::clone(&access), keys, longest),
            deny_list: DenyList::of(&config, &store)?,
            config,
            max_token,
            clock,
            #[cfg(feature = "accounts")]
            accounts: Arc::clone(&store).account_store(),
            tokens: registry,
            store,
            access,
            refresh: tokens.refresh,
            sliding: tokens.sliding,
            known_callers: KnownCallers::default(),
            changed_devices: ChangedDevices::default(),
            asked_owners: AskedOwners::default(),
            hooks,
            ends: Arc::new(ends),
            uncounted: Arc::default(),
            reporter,
        })
    }

    pub(crate) const fn has_compat(&self) -> bool {
        self.config.tokens.compat.is_some()
    }

    pub(crate) const fn has_api_keys(&self) -> bool {
        self.config.api_keys.is_some()
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) const fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Loads a session, with a time limit.
    async fn load(&self, id: SessionId) -> Result<Option<Arc<Session>>, SessionError> {
        let mut load = self.store.load(id);
        // Mostly it is at hand, and no timer is needed.
        match poll_fn(|cx| Poll::Ready(load.as_mut().poll(cx))).await {
            Poll::Ready(loaded) => Ok(loaded?),
            Poll::Pending => self.within(load).await,
        }
    }

    /// Waits for the store, with a time limit: a hanging disk or network must not hang every request.
    pub(crate) async fn within<T>(&self, change: StoreFuture<'_, T>) -> Result<T, SessionError> {
        let after = self.config.storage.timeout;
        let done = tokio::time::timeout(after, change).await;
        Ok(done.unwrap_or(Err(StoreError::TimedOut { after }))?)
    }

    /// Returns the current time of sessions in Unix seconds. It is that of the
    /// [`clock`](crate::JwtAuthBuilder::clock), and never goes back: after the clock was set back it goes on
    /// from where it was. All times in records are of it.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Returns what the clock shows, in Unix seconds: [`now`](Self::now) may be ahead of it.
    pub(crate) fn clock_time(&self) -> u64 {
        self.clock.shown()
    }

    /// Returns the time by which something may be deleted now, in Unix seconds.
    pub(crate) fn settled(&self) -> u64 {
        self.clock.settled(self.clock.now())
    }

    /// Returns the tokens of a login or refresh.
    fn hand_over(&self, issued: IssuedTokens) -> Tokens {
        let (expires_in, refresh_expires_in) = self.left(&issued.session);
        let IssuedTokens { session, access, refresh, .. } = issued;
        Tokens { access, refresh: Some(refresh), expires_in, refresh_expires_in, session }
    }

    /// Returns how long the newest tokens of a session are valid: access and refresh, in seconds.
    pub(crate) fn left(&self, session: &Session) -> (u64, u64) {
        let now = self.clock.now();
        let access = self.access_expiry(session, issued_at(session, now));
        (access.saturating_sub(now), session.expires_at.saturating_sub(now))
    }

    fn access_expected(&self, now: u64) -> Expected<'_> {
        self.expected(now, self.config.access_ttl.as_secs())
    }

    fn refresh_expected(&self, now: u64) -> Expected<'_> {
        self.expected(now, self.config.refresh_ttl.as_secs())
    }

    fn expected(&self, now: u64, max_ttl: u64) -> Expected<'_> {
        Expected {
            issuer: &self.config.issuer,
            audience: &self.config.audience,
            now,
            ahead: Some(self.clock.ahead()),
            leeway: self.config.tokens.leeway.as_secs(),
            max_ttl,
        }
    }

    /// Writes both tokens for a session as it is now. Two calls for one generation return the same refresh
    /// token.
    ///
    /// `own` are the claims of the application, from [`Self::own_claims`].
    fn issue(
        &self,
        session: Session,
        own: &Map<String, Value>,
        now: u64,
    ) -> Result<IssuedTokens, SessionError> {
        let (iat, ahead) = (issued_at(&session, now), self.clock.ahead_in_tokens());
        let access = self.access.issue(&self.claims_of(&session, own, ACCESS, iat, ahead));
        let refresh = self.refresh.issue(&RefreshClaims {
            iss: &self.config.issuer,
            aud: self.config.tokens.compat.as_ref().map(|_| &*self.config.audience),
            sub: &session.subject,
            sid: session.id.to_string(),
            generation: session.generation,
            jti: session.refresh_id.to_string(),
            iat: session.rotated_at.saturating_sub(ahead),
            exp: session.expires_at.saturating_sub(ahead),
            clock_ahead: ahead,
            token_type: REFRESH,
        });
        let got = access.len().max(refresh.len()) + later_growth(&session, ahead);
        if got > self.max_token {
            return Err(SessionError::TokenTooLarge { got, max: self.max_token });
        }
        let (access, refresh) = (Token::new(access), Token::new(refresh));
        Ok(IssuedTokens { session, access, refresh, pending: None, rotated_in: None })
    }

    /// Returns when an access token or sliding token that is issued at `now` expires, in Unix seconds.
    fn access_expiry(&self, session: &Session, now: u64) -> u64 {
        now.saturating_add(self.config.access_ttl.as_secs()).min(session.expires_at)
    }

    /// Returns the claims of an access token or sliding token that is valid from `now` on. Their times are by
    /// the clock, for others who read them.
    fn claims_of<'a>(
        &'a self,
        session: &'a Session,
        own: &'a Map<String, Value>,
        token_type: &'static str,
        now: u64,
        ahead: u64,
    ) -> AccessClaims<'a> {
        AccessClaims {
            iss: &self.config.issuer,
            aud: &self.config.audience,
            sub: &session.subject,
            client_id: self.config.tokens.compat.is_none().then(|| self.config.client_id()),
            sid: session.id.to_string(),
            jti: session.access_id.to_string(),
            iat: now.saturating_sub(ahead),
            exp: self.access_expiry(session, now).saturating_sub(ahead),
            auth_time: session.auth_time.saturating_sub(ahead),
            clock_ahead: ahead,
            token_type,
            roles: &session.roles,
            scope: scope_text(&session.scopes),
            own,
        }
    }
}

/// Returns by how many bytes the tokens of a session may get longer. A login leaves room for it, so that no
/// refresh fails later: if the clock is set back, tokens have one claim more.
const fn later_growth(session: &Session, ahead: u64) -> usize {
    /// `"clock_ahead":1234567890,` in base64.
    const CLAIM: usize = 34;
    if session.generation == 0 && ahead == 0 { CLAIM } else { 0 }
}

/// Returns when the access token or sliding token of a session that is written at `now` was issued: the same
/// token has the same claims.
const fn issued_at(session: &Session, now: u64) -> u64 {
    if session.access_issued_at == 0 { now } else { session.access_issued_at }
}

#[cfg(test)]
mod tests;
