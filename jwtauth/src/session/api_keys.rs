//! API keys that are shown: whose they are, and whether they are good now.
//!
//! A key names its session, and its session keeps the hash of the key. So one look-up of a record says
//! everything, and all that ends a session ends a key. How a key is made is in `new_api_key`.
//!
//! # Invariants
//!
//! 1. The record is that of an API key and has the hash of this text, or nothing of it is used (K-1).
//! 2. The next request after a revocation sees it: the record is asked each time, or it has not changed.
//! 3. The application is asked whether the owner is still there as often as for a login, which is refreshed
//!    when its access token has expired (K-6). What it says that the owner may do narrows the key (K-4).

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Sessions;
use super::hooks::OwnerRights;
use super::verify::alive;
use crate::clock::seconds_since;
use crate::error::{SessionError, TokenError};
use crate::id::SessionId;
use crate::record::{RevocationReason, Session, SessionState};
use crate::secret::alike;
use crate::token::api_key_text;

/// How many keys are remembered whose owner was asked for: a few MB, if each owner has ten roles.
const MAX_ASKED: usize = 8_192;

/// When the application was asked for the owner of a key, and what it has said of them.
#[derive(Clone, Debug)]
struct OwnerAnswer {
    at: u64,
    rights: Option<Arc<OwnerRights>>,
}

/// What the application has said of the owners of keys.
pub(super) struct AskedOwners(Cache<SessionId, OwnerAnswer>);

impl Default for AskedOwners {
    fn default() -> Self {
        Self(Cache::new(MAX_ASKED))
    }
}

impl fmt::Debug for AskedOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedOwners").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Reads the id of the session that an API key names. `None` if the text is another kind of token.
    pub(crate) fn read_api_key(&self, text: &str) -> Option<Result<SessionId, TokenError>> {
        api_key_text::read(&self.config.api_keys.as_ref()?.prefix, text)
    }

    /// Returns the live session of an API key, and notes that the key was used.
    ///
    /// `id` is from [`Self::read_api_key`].
    pub(crate) async fn check_api_key(
        &self,
        id: SessionId,
        text: &str,
    ) -> Result<Arc<Session>, SessionError> {
        let before = self.store.stamp(id);
        let session = self.record_of_api_key(id, text).await?;
        let now = self.clock.now();
        match session.state_at(now) {
            // A program can tell its user.
            SessionState::Expired => return Err(TokenError::Expired.into()),
            state => alive(state)?,
        }
        let (rights, ask_again_at) = self.ask_for_owner(&session, now).await?;
        let session = match rights {
            Some(rights) => within(session, &rights),
            None => session,
        };
        if session.use_is_due(now) {
            // Nobody waits for it. What the record says then is remembered the next time.
            self.store.confirm(id, now);
        } else if let Some(stamp) = before {
            self.know_api_key(stamp, text, &session, ask_again_at);
        }
        Ok(session)
    }

    /// Revokes an API key, whether it is good now or not: the clock may go back. `id` is from
    /// [`Self::read_api_key`].
    pub(crate) async fn revoke_api_key(&self, id: SessionId, text: &str) -> Result<bool, SessionError> {
        let session = self.record_of_api_key(id, text).await?;
        self.revoke_for(session.id, RevocationReason::Requested).await
    }

    /// Returns the record of an API key, alive or not.
    async fn record_of_api_key(&self, id: SessionId, text: &str) -> Result<Arc<Session>, SessionError> {
        let hash = api_key_text::hash(text);
        let is_its =
            |session: &Arc<Session>| session.api_key.as_ref().is_some_and(|key| alike(&key.hash, &hash));
        Ok(self.load(id).await?.filter(is_its).ok_or(TokenError::ApiKeyUnknown)?)
    }

    /// Asks the hooks whether the owner of a key is still there, and what they may do, unless that was done
    /// lately. Returns when to ask again, too.
    async fn ask_for_owner(
        &self,
        session: &Session,
        now: u64,
    ) -> Result<(Option<Arc<OwnerRights>>, u64), SessionError> {
        if !self.hooks.know_users() {
            return Ok((None, u64::MAX));
        }
        let lasts = self.config.access_ttl.as_secs();
        let asked = match self.asked_owners.0.get(&session.id) {
            Some(asked) if seconds_since(asked.at, now).is_some_and(|since| since < lasts) => asked,
            _ => {
                let rights = self.ask_for_user(session).await?.map(Arc::new);
                let asked = OwnerAnswer { at: now, rights };
                self.asked_owners.0.insert(session.id, asked.clone());
                asked
            }
        };
        Ok((asked.rights, asked.at.saturating_add(lasts)))
    }
}

/// Returns the session without what its owner does not have.
fn within(session: Arc<Session>, rights: &OwnerRights) -> Arc<Session> {
    let has_all = |given: &[String], has: &[String]| given.iter().all(|name| has.contains(name));
    if has_all(&session.roles, &rights.roles) && has_all(&session.scopes, &rights.scopes) {
        return session;
    }
    let mut session = Arc::unwrap_or_clone(session);
    session.roles.retain(|role| rights.roles.contains(role));
    session.scopes.retain(|scope| rights.scopes.contains(scope));
    Arc::new(session)
}
