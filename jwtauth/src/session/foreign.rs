//! Tokens that another service has issued on its own ([`Compat`](crate::Compat)). A deny-list decides which
//! are refused. Its values expire with the tokens that they concern.
//!
//! Own sessions are an allow-list: a token without a record is refused. Tokens of another service have no
//! record when they first arrive. So this list holds what was revoked, and everything else is valid:
//!
//! | value | key: a hash of | holds |
//! |---|---|---|
//! | a token was revoked | its kind and `jti` | nothing |
//! | a refresh token was exchanged | its kind and `jti` | the id of the session that was opened for it |
//! | tokens of a subject were revoked | the subject | up to which `iat`, and the one session that was spared |
//!
//! An access token is valid until it expires, and opens no session. A refresh token is *exchanged* once for
//! an own session. That session begins at generation 1, and the token counts as its generation 0. So if it
//! comes again, the same state machine decides as for every session (`record`): the same pair inside the
//! grace window, reuse after it.
//!
//! # Invariants
//!
//! 1. A revocation first writes to the list, then looks for a session. An exchange first has its session in
//!    the store, then looks at the list; so does each later answer with the same pair. So either the
//!    revocation sees the session, or the exchange sees the revocation. The two values of one token have
//!    different keys, so neither overwrites the other.
//! 2. A value is kept as long as its token can be valid, however leeway and lifetimes are set later.
//! 3. No session is opened for a token that is past its `exp`, with or without leeway: it would be over from
//!    the start.
//! 4. Without `Compat` there is no list, and no token has a `foreign` part: nothing here runs.
//!
//! The time of the login is unknown: `iat` is when a token was made, and Django's refresh asks for no
//! password. So `auth_time` is that of the token, or else the year 1970, which is never recent enough for a
//! fresh login.

use std::sync::Arc;
use std::time::Duration;

use super::{AccessState, IssuedTokens, PendingLogin, Renewal, Sessions};
use crate::config::Config;
use crate::device::Device;
use crate::error::{ConfigError, SessionError, StoreError, TokenError};
use crate::events::Event;
use crate::id::SessionId;
use crate::key;
use crate::record::{RevocationReason, Session};
use crate::store::{NewValue, SessionStore, ValueKey, ValueStore};
use crate::token::access::Access;
use crate::token::named_token::NamedToken;
use crate::token::refresh::Refresh;
use crate::token::simplejwt::{Foreign, Origin};

#[derive(Debug)]
pub(super) struct DenyList(Arc<dyn ValueStore>);

/// By how much the clock may be wrong for a while before a revoked token of another service is forgotten too
/// early.
const CLOCK_IS_WRONG: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Which tokens of a subject are refused, even if they were never seen.
struct NotBefore {
    /// Tokens issued at this time or earlier, in Unix seconds, by the clock.
    at: u64,
    /// The session that continues, though it was opened for one of them.
    except: Option<SessionId>,
}

impl NotBefore {
    fn to_bytes(&self) -> Vec<u8> {
        let except = self.except.iter().flat_map(|id| *id.as_bytes());
        self.at.to_be_bytes().into_iter().chain(except).collect()
    }

    /// Damaged bytes refuse everything.
    fn from_bytes(bytes: &[u8]) -> Self {
        let at = bytes.first_chunk().map_or(u64::MAX, |at| u64::from_be_bytes(*at));
        Self { at, except: bytes.get(8..).and_then(session_of) }
    }

    fn refuses(&self, foreign: &Foreign, opened: Option<SessionId>) -> bool {
        foreign.issued_at <= self.at && (opened.is_none() || opened != self.except)
    }
}

fn session_of(bytes: &[u8]) -> Option<SessionId> {
    bytes.try_into().ok().map(SessionId::from_bytes)
}

fn hash(label: &str, text: &str) -> ValueKey {
    ValueKey::from_bytes(key::digest(label, text))
}

fn key_of_revoked(token: &Foreign) -> ValueKey {
    hash("jwtauth foreign token revoked v1", &token.name)
}

fn key_of_exchange(token: &Foreign) -> ValueKey {
    hash("jwtauth foreign token exchanged v1", &token.name)
}

fn key_of_not_before(subject: &str) -> ValueKey {
    hash("jwtauth not before v1", subject)
}

impl DenyList {
    pub(super) fn of(config: &Config, store: &Arc<dyn SessionStore>) -> Result<Option<Self>, ConfigError> {
        if config.tokens.compat.is_none() {
            return Ok(None);
        }
        let values = Arc::clone(store).value_store().ok_or(ConfigError::NotKept {
            what: "values",
            needed_by: "TokenConfig::compat",
            method: "value_store",
        })?;
        Ok(Some(Self(values)))
    }

    /// Refuses a token that was revoked, alone or with all tokens of its subject. `opened` is the session
    /// that it was exchanged for, if any.
    async fn check(
        &self,
        subject: &str,
        token: &Foreign,
        opened: Option<SessionId>,
        now: u64,
    ) -> Result<(), SessionError> {
        if self.0.load_value(key_of_revoked(token), now).await?.is_some() {
            return Err(SessionError::TokenRevoked);
        }
        if self.not_before(subject, now).await?.is_some_and(|it| it.refuses(token, opened)) {
            return Err(SessionError::Revoked);
        }
        Ok(())
    }

    async fn not_before(&self, subject: &str, now: u64) -> Result<Option<NotBefore>, StoreError> {
        let bytes = self.0.load_value(key_of_not_before(subject), now).await?;
        Ok(bytes.as_deref().map(NotBefore::from_bytes))
    }
}

impl Sessions {
    /// Returns a time of another service, which is by the clock, as a time of sessions.
    fn ours(&self, time: u64) -> u64 {
        time.saturating_add(self.clock.ahead())
    }

    /// Returns when a token is surely over, whatever the leeway is set to.
    fn over_at(&self, token: &Foreign) -> u64 {
        self.ours(token.expires_at).saturating_add(Config::MAX_LEEWAY.as_secs())
    }

    /// Returns until when the list keeps what is known of a token, in Unix seconds. Its time is by the clock
    /// of another service. If the clock here is wrong for a while, the token may be good for that much
    /// longer.
    fn kept_until(&self, token: &Foreign) -> u64 {
        self.over_at(token).saturating_add(CLOCK_IS_WRONG.as_secs())
    }

    /// Returns the list. It exists wherever a token can have a `foreign` part.
    fn deny_list(&self) -> Result<&DenyList, SessionError> {
        self.deny_list.as_ref().ok_or_else(|| TokenError::WrongKind.into())
    }

    pub(super) async fn check_foreign(
        &self,
        access: &Access,
        token: &Foreign,
    ) -> Result<AccessState, SessionError> {
        self.deny_list()?.check(&access.subject, token, None, self.clock.now()).await?;
        let user = access.user.clone().ok_or(TokenError::Expired)?;
        Ok(AccessState::Sessionless(user))
    }

    /// Checks that a refresh token of another service was neither revoked nor exchanged. Spends nothing.
    pub(super) async fn check_unspent(&self, refresh: &Refresh, token: &Foreign) -> Result<(), SessionError> {
        let (list, now) = (self.deny_list()?, self.clock.now());
        if now >= self.ours(token.expires_at) {
            return Err(TokenError::Expired.into());
        }
        if list.0.load_value(key_of_exchange(token), now).await?.is_some() {
            return Err(SessionError::Expired);
        }
        list.check(&refresh.subject, token, None, now).await
    }

    /// Exchanges a refresh token of another service for an own session, once. Of concurrent calls one opens
    /// the session, and the others get its tokens.
    pub(super) async fn exchange(
        &self,
        refresh: &Refresh,
        token: &Foreign,
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        let (list, now) = (self.deny_list()?, self.clock.now());
        let key = key_of_exchange(token);
        if let Some(known) = list.0.load_value(key, now).await? {
            return self.exchange_again(refresh, token, &known, client).await;
        }
        if now >= self.ours(token.expires_at) {
            return Err(TokenError::Expired.into());
        }
        list.check(&refresh.subject, token, None, now).await?;
        let session = self.draft_exchange(refresh, token, client, now)?;
        self.ask_for_user(&session).await?;
        self.ask_before_login(&session).await?;
        // Tokens first: if they cannot be handed out, no session is left behind.
        let own = self.own_claims(&session).await?;
        let mut issued = self.issue(session.clone(), &own, now)?;
        // Kept as long as the session: anyone who has only the old token can still end it.
        let until = self.kept_until(token).max(session.absolute_expires_at);
        let value = NewValue::new(key, session.id.as_bytes().to_vec(), now, until).keeps_out();
        let uncounted = self.uncounted.add(&session);
        let effects = self.effects_with_answer(&session, Vec::new());
        let (store, id, opened) = (Arc::clone(&list.0), session.id, Arc::new(session.clone()));
        issued.pending =
            Some(Box::new(PendingLogin::new(session.clone(), effects.clone(), None, Some(uncounted))));
        let insert = async move { store.insert_with_value(session, effects, value).await };
        let events =
            |known: &Option<Vec<u8>>| known.is_none().then_some(Event::Exchanged { session: opened });
        if let Some(known) = self.report_after(insert, events).await? {
            return self.exchange_again(refresh, token, &known, client).await;
        }
        self.confirm_exchange(refresh, token, id).await?;
        Ok(issued)
    }

    /// Answers a refresh token that was exchanged before, as the first generation of its session.
    async fn exchange_again(
        &self,
        refresh: &Refresh,
        token: &Foreign,
        known: &[u8],
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        let session = session_of(known).ok_or(SessionError::Revoked)?;
        let first = Refresh { subject: Arc::clone(&refresh.subject), session, generation: 0, foreign: None };
        let Renewal::Issued(mut issued) = self.spend(first, client, Duration::ZERO).await? else {
            return Err(SessionError::Expired);
        };
        // The call that opened the session may have been dropped before it did this.
        self.confirm_exchange(refresh, token, session).await?;
        // The answer that had it first may never have left.
        let effects = self.effects_with_answer(&issued.session, Vec::new());
        issued.pending = Some(Box::new(PendingLogin::new(issued.session.clone(), effects, None, None)));
        Ok(issued)
    }

    /// Revokes a session again if its token was revoked during the exchange.
    async fn confirm_exchange(
        &self,
        refresh: &Refresh,
        token: &Foreign,
        session: SessionId,
    ) -> Result<(), SessionError> {
        let checked = self.deny_list()?.check(&refresh.subject, token, Some(session), self.clock.now()).await;
        if let Err(SessionError::Revoked | SessionError::TokenRevoked) = checked {
            self.revoke_for(session, RevocationReason::Requested).await?;
        }
        checked
    }

    /// Returns the session for an exchange. Nobody knows it yet.
    fn draft_exchange(
        &self,
        refresh: &Refresh,
        token: &Foreign,
        client: &Device,
        now: u64,
    ) -> Result<Session, SessionError> {
        let absolute_expires_at =
            self.ours(token.issued_at).saturating_add(self.config.absolute_ttl.as_secs());
        Ok(Session {
            auth_time: token.auth_time.map_or(0, |at| self.ours(at.min(token.issued_at))),
            generation: 1,
            device: client.clone(),
            last_address: client.address,
            ..self.new_session((*refresh.subject).into(), now, absolute_expires_at)?
        })
    }

    /// Revokes a token of another service, even if it was never seen, and the session that it was exchanged
    /// for. Returns whether it was not revoked before.
    pub(super) async fn revoke_foreign(
        &self,
        token: &NamedToken,
        foreign: &Foreign,
        reason: RevocationReason,
    ) -> Result<bool, SessionError> {
        // Of one that was exchanged, the end of its session is reported.
        let event = Event::TokenRevoked { session: token.session, token: token.token };
        let event = self.exchanged_for(foreign).await?.is_none().then_some(event);
        let is_new = self.deny(foreign, event).await?;
        // It may have been exchanged meanwhile. Nobody exchanges it any more.
        if let Some(session) = self.exchanged_for(foreign).await? {
            let exchanged = NamedToken { session, foreign: None, ..token.clone() };
            let Some(session) = self.record_of(&exchanged).await? else { return Ok(is_new) };
            return Ok(self.revoke_for(session.id, reason).await? || is_new);
        }
        Ok(is_new)
    }

    /// Returns the session that a token was exchanged for.
    async fn exchanged_for(&self, token: &Foreign) -> Result<Option<SessionId>, SessionError> {
        let exchanged = self.deny_list()?.0.load_value(key_of_exchange(token), self.clock.now()).await?;
        Ok(exchanged.as_deref().and_then(session_of))
    }

    /// Writes a token to the list, and reports `event` if that is new. Returns whether it could be used and
    /// was not there.
    ///
    /// One that has expired is written too: the clock may go back. An existing value is written again: the
    /// call that wrote it may not have it on disk yet.
    async fn deny(&self, token: &Foreign, event: Option<Event>) -> Result<bool, SessionError> {
        let (list, key, now) = (self.deny_list()?, key_of_revoked(token), self.clock.now());
        let is_new = now < self.over_at(token) && list.0.load_value(key, now).await?.is_none();
        let value = NewValue::new(key, Vec::new(), now, self.kept_until(token)).keeps_out();
        // No value is ever removed, so this one is kept.
        let store = Arc::clone(&list.0);
        let save = async move { store.save_value(value).await };
        self.report_after(save, move |_| event.filter(|_| is_new)).await?;
        Ok(is_new)
    }

    /// Tells whether there may be users of whom this service knows nothing: those of another one.
    pub(crate) const fn knows_foreign_subjects(&self) -> bool {
        self.deny_list.is_some()
    }

    /// Refuses the tokens that another service has issued for a subject up to now. Called before all sessions
    /// of the subject are revoked, or all but one, so that no token opens a missed session in between.
    pub(super) async fn deny_subject(
        &self,
        subject: &str,
        except: Option<SessionId>,
    ) -> Result<(), SessionError> {
        let Some(list) = &self.deny_list else { return Ok(()) };
        let now = self.clock.now();
        // The other service's clock may be ahead.
        let at = now.saturating_sub(self.clock.ahead()).saturating_add(self.config.tokens.leeway.as_secs());
        // Our own may have gone back.
        let at = list.not_before(subject, now).await?.map_or(at, |before| before.at.max(at));
        let last = self.ours(at).saturating_add((Config::MAX_TTL + Config::MAX_LEEWAY).as_secs());
        let bytes = NotBefore { at, except }.to_bytes();
        let value = NewValue::new(key_of_not_before(subject), bytes, now, last).keeps_out();
        self.within(list.0.save_value(value)).await?;
        Ok(())
    }

    /// Tells whether an own refresh token was spent or revoked alone before another service made an access
    /// token from it. The other service still accepts it.
    ///
    /// It works more than once there, so reuse proves no theft, and nothing is revoked.
    pub(super) fn was_spent(&self, session: &Session, origin: Origin) -> bool {
        let (Origin { generation, used_at }, grace) = (origin, self.config.refresh_grace.as_secs());
        let used_at = self.ours(used_at);
        if session.has_revoked(session.refresh_id) {
            // The time is unknown. A token one generation older would have been answered with this one.
            return true;
        }
        match session.generation.checked_sub(generation) {
            // Current, or newer than the record, which has then lost a write.
            Some(0) | None => false,
            Some(1) => used_at >= session.rotated_at.saturating_add(grace),
            // The time is no longer known, and it is longer ago than most access tokens live.
            Some(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TokenId;

    #[test]
    fn what_was_written_of_a_subject_is_read_again_and_damage_refuses_everything() {
        let token = |issued_at| Foreign {
            name: "access a".into(),
            token: TokenId::from_bytes([3; 16]),
            issued_at,
            expires_at: 900,
            auth_time: None,
        };
        let (spared, other) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        for except in [None, Some(spared)] {
            let read = NotBefore::from_bytes(&NotBefore { at: 200, except }.to_bytes());
            assert!(read.refuses(&token(200), None) && !read.refuses(&token(201), None));
            assert!(read.refuses(&token(200), Some(other)));
            assert_eq!(read.refuses(&token(200), Some(spared)), except.is_none());
        }
        for bytes in [&[][..], &[0; 7]] {
            assert!(NotBefore::from_bytes(bytes).refuses(&token(u64::MAX), None));
        }
        assert!(NotBefore::from_bytes(&[0xff; 20]).refuses(&token(1), Some(spared)));
    }
}
