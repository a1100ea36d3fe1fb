//! Makes API keys.
//!
//! # Invariants
//!
//! 1. The text of a key leaves once, in an [`IssuedApiKey`], and is kept nowhere (K-1).
//! 2. A key has no role and no scope that its owner lacks (K-4).
//! 3. Either a change that ends or narrows the rights of the owner sees the session of the key, or the key is
//!    not handed out: its owner is looked at again when the key is on disk (K-6).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Sessions;
use super::open::check_room;
use crate::error::{ApiKeyError, ApiKeyNameProblem, SessionError, StoreError};
use crate::events::Event;
use crate::id::{SessionId, TokenId};
use crate::key;
use crate::plain_text::{has_visible, is_for_terminals};
use crate::record::{ApiKey, Session, Successor};
use crate::secret;
use crate::store::{LoginEffects, NewValue, ValueKey};
use crate::token::api_key_text;
use crate::user::AuthUser;

/// How long it is known that a form was sent, in seconds.
const FORM_KEPT: u64 = 7 * 24 * 60 * 60;

/// Which API key is asked for: see [`OwnApiKeys`](crate::api_keys::OwnApiKeys) and
/// [`Sessions::create_api_key`].
///
/// ```
/// use jwtauth::api_keys::ApiKeyRequest;
/// use std::time::Duration;
///
/// let request = ApiKeyRequest::new("deploy from CI")
///     .scope("posts:write")
///     .ttl(Duration::from_secs(90 * 24 * 60 * 60));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ApiKeyRequest {
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    ttl: Option<Duration>,
    /// The text of a form that makes one key, however often it is sent.
    once: Option<String>,
}

impl ApiKeyRequest {
    /// Asks for a key without roles and scopes, for as long as a key may be valid.
    ///
    /// The name is for its owner: 1 to 64 characters without control characters, and one at least that can be
    /// seen. White space around it goes.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), roles: Vec::new(), scopes: Vec::new(), ttl: None, once: None }
    }

    /// Asks for a scope of its owner as well.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Asks for a role of its owner as well. A key has no role that it was not given.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Sets how long the key is valid: from 1 second to [`max_ttl`](crate::ApiKeyConfig::max_ttl), which is
    /// the default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

#[cfg(feature = "pages")]
impl ApiKeyRequest {
    /// Says which form it is of. One user makes one key with it. An empty text names none.
    pub(crate) fn of_form(mut self, once: String) -> Self {
        self.once = Some(once).filter(|once| !once.is_empty());
        self
    }
}

/// An API key that was just made. Show it to its owner now: it cannot be had again. `Debug` redacts it.
#[must_use = "the key cannot be had again"]
pub struct IssuedApiKey {
    text: Zeroizing<String>,
    session: Session,
}

impl IssuedApiKey {
    /// Returns the key, for an `Authorization: Bearer` header. Never log it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// Returns the session of the key. Its id names the key, to revoke it.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }
}

impl fmt::Debug for IssuedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedApiKey").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Where a key was asked for, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApiKeyOrigin {
    /// The login that asked for it.
    pub(crate) login: Option<SessionId>,
    /// The address of the client.
    pub(crate) address: Option<IpAddr>,
}

impl Sessions {
    /// Makes an API key for a user. On disk when this returns.
    ///
    /// It checks nothing of whoever asks. For the user of a request take
    /// [`Auth::api_keys`](crate::Auth::api_keys), which needs a recent login.
    ///
    /// # Errors
    ///
    /// - [`ApiKeyError::Name`], [`ApiKeyError::Right`] and [`ApiKeyError::Ttl`] if the key is not allowed,
    ///   [`ApiKeyError::TooMany`] if the user has too many, [`ApiKeyError::Off`] if there are none here.
    /// - [`ApiKeyError::Session`] if the user is not active or does not fit into a session, or the store
    ///   failed: there is no key.
    pub async fn create_api_key<U: AuthUser>(
        &self,
        owner: &U,
        request: ApiKeyRequest,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        if !owner.is_active() {
            return Err(SessionError::Inactive.into());
        }
        let (made, once) = self.draft_api_key(&self.draft(owner)?, request)?;
        self.insert_api_key(made, once, ApiKeyOrigin::default(), async |key| {
            #[cfg(feature = "accounts")]
            self.confirm(owner, key.id).await?;
            #[cfg(not(feature = "accounts"))]
            let _ = key;
            Ok(())
        })
        .await
    }

    /// Makes an API key for the user who is logged in with `login`. It has no more rights than that login.
    pub(crate) async fn create_api_key_by(
        &self,
        login: &Session,
        request: ApiKeyRequest,
        origin: ApiKeyOrigin,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        let (made, once) = self.draft_api_key(login, request)?;
        self.insert_api_key(made, once, origin, async |key| {
            let login = self.live(login.id, &login.subject).await?;
            let lacks = |given: &[String], has: &[String]| given.iter().any(|name| !has.contains(name));
            // The copy of the user in the key would be an older one until the next change.
            let is_older = (&login.user, &login.user_kind) != (&key.user, &key.user_kind);
            if is_older || lacks(&key.roles, &login.roles) || lacks(&key.scopes, &login.scopes) {
                return Err(SessionError::Expired.into());
            }
            Ok(())
        })
        .await
    }

    /// Returns the live API keys of a subject, the newest first, each as its session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn api_keys(&self, subject: &str) -> Result<Vec<Session>, SessionError> {
        let mut keys = self.list(subject).await?;
        keys.retain(|session| session.api_key.is_some());
        Ok(keys)
    }

    /// Tells whether a subject has an API key of this id that was not revoked.
    pub(crate) async fn has_api_key(&self, subject: &str, id: SessionId) -> Result<bool, SessionError> {
        let own = |session: &Session| session.subject == subject && session.api_key.is_some();
        Ok(self.load(id).await?.is_some_and(|session| own(&session) && session.revoked.is_none()))
    }

    /// Returns how old the login may be that makes a key, in seconds.
    pub(crate) fn login_age_for_keys(&self) -> u64 {
        self.config.api_keys.as_ref().map_or(u64::MAX, |rules| rules.login_age.as_secs())
    }

    /// Returns how long a key may be valid, in seconds.
    #[cfg(feature = "pages")]
    pub(crate) fn longest_api_key(&self) -> u64 {
        self.config.api_keys.as_ref().map_or(0, |rules| rules.max_ttl.as_secs())
    }

    /// Returns a key that is in no store yet, with the name of its form, if it has one.
    fn draft_api_key(
        &self,
        owner: &Session,
        request: ApiKeyRequest,
    ) -> Result<(IssuedApiKey, Option<ValueKey>), ApiKeyError> {
        let rules = self.config.api_keys.as_ref().ok_or(ApiKeyError::Off)?;
        let name = checked_name(&request.name)?;
        let ttl = request.ttl.unwrap_or(rules.max_ttl);
        if ttl < Duration::from_secs(1) || ttl > rules.max_ttl {
            return Err(ApiKeyError::Ttl { max: rules.max_ttl.as_secs() });
        }
        let roles = owned("role", request.roles, &owner.roles)?;
        let scopes = owned("scope", request.scopes, &owner.scopes)?;
        let (id, secret) = (SessionId::random()?, Zeroizing::new(secret::random()?));
        let text = api_key_text::write(&rules.prefix, id, &secret);
        let now = self.clock.now();
        let ends_at = now.saturating_add(ttl.as_secs());
        let session = Session {
            roles: roles.clone(),
            scopes: scopes.clone(),
            user: owner.user.clone(),
            user_kind: owner.user_kind.clone(),
            // Nobody has proved who they are: no login of a key is recent.
            auth_time: 0,
            absolute_expires_at: ends_at,
            expires_at: ends_at,
            api_key: Some(ApiKey { roles, scopes, ..ApiKey::new(name, api_key_text::hash(&text)) }),
            // Nobody has tokens with these ids.
            ..Session::new(id, &owner.subject, now, Successor::new(TokenId::random()?, TokenId::random()?))
        };
        check_room(&session)?;
        let once = request.once.map(|once| place_of_form(&owner.subject, &once));
        Ok((IssuedApiKey { text, session }, once))
    }

    async fn insert_api_key(
        &self,
        made: IssuedApiKey,
        once: Option<ValueKey>,
        origin: ApiKeyOrigin,
        confirm: impl AsyncFnOnce(&Session) -> Result<(), ApiKeyError>,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        let session = &made.session;
        let now = self.clock.now();
        let once = match (once, Arc::clone(&self.store).value_store()) {
            (Some(place), Some(values)) => {
                if self.within(values.load_value(place, now)).await?.is_some() {
                    return Err(ApiKeyError::FormSent);
                }
                let until = now.saturating_add(FORM_KEPT);
                let id = session.id.as_bytes().to_vec();
                Some((values, NewValue::new(place, id, now, until).keeps_out()))
            }
            _ => None,
        };
        self.check_number(&session.subject, 1).await?;
        // Until it is claimed nobody has the key.
        let unclaimed = self.unclaimed(session.id);
        let max_sessions = self.config.api_keys.as_ref().map(|rules| rules.max_keys);
        let effects = LoginEffects { max_sessions, settled: Some(self.settled()), ..LoginEffects::default() };
        let inserted = match once {
            Some((values, value)) => {
                let insert = values.insert_with_value(session.clone(), effects, value);
                self.within(insert).await.map(|known| known.is_none())
            }
            None => self.within(self.store.insert(session.clone(), effects)).await.map(|()| true),
        };
        match inserted {
            Ok(true) => {}
            // The other one of two that came at once.
            Ok(false) => {
                unclaimed.claim();
                return Err(ApiKeyError::FormSent);
            }
            // It may stand, or come later.
            Err(error @ SessionError::Store(StoreError::TimedOut { .. })) => return Err(error.into()),
            Err(error) => {
                // The store has undone it.
                unclaimed.claim();
                return Err(error.into());
            }
        }
        confirm(session).await?;
        // Another one may have come meanwhile.
        self.check_number(&session.subject, 0).await?;
        let ApiKeyOrigin { login, address: client_address } = origin;
        let session = Arc::new(session.clone());
        self.emit(Event::ApiKeyCreated { session, login, client_address }).await;
        unclaimed.claim();
        Ok(made)
    }

    /// Refuses a key if its subject would have too many, with `more` than there are.
    ///
    /// Of two that are made at once, as the last one that may be, both can be refused.
    async fn check_number(&self, subject: &str, more: usize) -> Result<(), ApiKeyError> {
        let max = self.config.api_keys.as_ref().map_or(0, |rules| rules.max_keys);
        let keys = self.api_keys(subject).await?.len() + more;
        if keys <= max { Ok(()) } else { Err(ApiKeyError::TooMany { max }) }
    }
}

/// Returns where it stands that a form was sent.
fn place_of_form(subject: &str, once: &str) -> ValueKey {
    let form = format!("{}:{once}{subject}", once.len());
    ValueKey::from_bytes(key::digest("jwtauth api key form v1", &form))
}

fn checked_name(name: &str) -> Result<String, ApiKeyError> {
    let name = name.trim();
    let refuse = |problem| Err(ApiKeyError::Name { problem });
    let (got, max) = (name.chars().count(), ApiKey::MAX_NAME);
    if !(1..=max).contains(&got) {
        return refuse(ApiKeyNameProblem::Length { got, max });
    }
    if name.chars().any(is_for_terminals) {
        return refuse(ApiKeyNameProblem::Control);
    }
    if !has_visible(name) {
        return refuse(ApiKeyNameProblem::Unseen);
    }
    Ok(name.to_owned())
}

/// Returns what was asked for, each once, if the owner has it.
fn owned(kind: &'static str, asked: Vec<String>, has: &[String]) -> Result<Vec<String>, ApiKeyError> {
    let mut given: Vec<String> = Vec::new();
    for name in asked {
        if !has.contains(&name) {
            return Err(ApiKeyError::Right { kind, name });
        }
        if !given.contains(&name) {
            given.push(name);
        }
    }
    Ok(given)
}
