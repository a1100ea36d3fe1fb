//! Tokens that another service has issued on its own ([`Compat`](crate::Compat)): each opens a session when it is first
//! seen, so that it can be listed and ended as any other.
//!
//! # Invariants
//!
//! 1. The store decides in one step whether a token is new: of many who bring the same one each gets the same session,
//!    and one that was ended is never new again.
//! 2. Who ends a session by a token that nobody has seen leaves it there, ended: what is not there is not remembered.
//! 3. No token opens a session once it has expired, leeway or not. So its record may go when the leeway is over.
//!
//! When the user typed a password is not known: `iat` is when a token was made, which Django's refresh does without asking
//! anybody. So `auth_time` is what the token says of it, else the year 1970: never recent enough where that matters.

use std::sync::Arc;

use super::Sessions;
use super::end::MayEnd;
use crate::config::Config;
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::event::Event;
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, RevocationReason, Session};
use crate::store::{LoginEffects, NotBefore};
use crate::token::access::{Access, Verified};
use crate::token::foreign::{Foreign, Origin};
use crate::token::refresh::Refresh;

impl Sessions {
    /// Returns the session of an access token that has no record yet: new, if another service has issued the token.
    pub(super) async fn adopt_access(&self, access: &Access) -> Result<Arc<Session>, SessionError> {
        let Some(foreign) = &access.foreign else { return Err(SessionError::Expired) };
        self.open_for(self.draft_access(access, foreign)?, foreign).await
    }

    /// Likewise for a refresh token.
    pub(super) async fn adopt_refresh(
        &self,
        refresh: &Refresh,
        client: &Device,
    ) -> Result<Arc<Session>, SessionError> {
        let Some(foreign) = &refresh.foreign else { return Err(SessionError::Expired) };
        self.open_for(self.draft_refresh(refresh, foreign, client)?, foreign).await
    }

    /// Returns the session that a genuine access token names, for who is about to end it, and whether that was all there
    /// was to do: a token that nobody has seen yet is remembered as ended.
    pub(crate) async fn end_unseen_access(
        &self,
        token: &str,
        reason: RevocationReason,
    ) -> Result<(SessionId, bool), SessionError> {
        let access = match self.access.verify(token, &self.access_expected(self.clock.now()))? {
            Verified::Valid(access) => access,
            Verified::Expired(access) => return Ok((access.session, false)),
        };
        let ended = match &access.foreign {
            Some(foreign) if self.store.load(access.session).await?.is_none() => {
                self.end_unseen(self.draft_access(&access, foreign)?, foreign, reason).await?
            }
            _ => false,
        };
        Ok((access.session, ended))
    }

    /// Likewise for a token of a bearer header, which may be one of another kind.
    pub(crate) async fn end_unseen_bearer(
        &self,
        token: &str,
        reason: RevocationReason,
    ) -> Result<(SessionId, bool), SessionError> {
        match self.end_unseen_access(token, reason).await {
            Err(SessionError::Token(TokenError::WrongKind)) => Ok((self.session_of_sliding(token)?, false)),
            other => other,
        }
    }

    /// Likewise for a refresh token, whatever its generation.
    pub(crate) async fn end_unseen_refresh(
        &self,
        token: &str,
        reason: RevocationReason,
    ) -> Result<(SessionId, bool), SessionError> {
        let refresh = self.refresh.verify(token, &self.refresh_expected(self.clock.now()))?;
        let ended = match &refresh.foreign {
            Some(foreign) if self.store.load(refresh.session).await?.is_none() => {
                let draft = self.draft_refresh(&refresh, foreign, &Device::default())?;
                self.end_unseen(draft, foreign, reason).await?
            }
            _ => false,
        };
        Ok((refresh.session, ended))
    }

    /// Ends a token of either kind that nobody has seen yet, without asking whether it may come in. Returns whether it
    /// was one.
    pub(super) async fn end_unseen_token(&self, token: &str) -> Result<bool, SessionError> {
        if self.config.compat.is_none() {
            return Ok(false);
        }
        let ended = match self.end_unseen_access(token, RevocationReason::Requested).await {
            Err(SessionError::Token(_)) => self.end_unseen_refresh(token, RevocationReason::Requested).await,
            found => found,
        };
        match ended {
            Ok((_, ended)) => Ok(ended),
            // Who reads it says what is wrong with it.
            Err(SessionError::Token(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a session for a token, and returns it; or that which was opened before.
    async fn open_for(&self, draft: Session, foreign: &Foreign) -> Result<Arc<Session>, SessionError> {
        if self.clock.now() >= foreign.expires_at {
            return Err(TokenError::Expired.into());
        }
        self.ask_before_login(&draft).await?;
        let (id, subject) = (draft.id, draft.subject.clone());
        // One that it crowds out is among these.
        let _told = self.ends.follow(MayEnd::Of { subject: &subject, except: Some(id) });
        let (session, is_new) = self.adopt(draft).await?.ok_or(SessionError::Revoked)?;
        if is_new {
            self.emit(Event::Adopted { session: Arc::clone(&session) }).await;
        }
        Ok(session)
    }

    /// Keeps in mind that a token has ended, and returns whether it had not been seen before.
    async fn end_unseen(
        &self,
        draft: Session,
        foreign: &Foreign,
        reason: RevocationReason,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        if now >= foreign.expires_at {
            return Ok(false);
        }
        let id = draft.id;
        let ended = Session { revoked: Some(Revocation { at: now, reason }), ..draft };
        let is_new = self.adopt(ended).await?.is_some_and(|(_, is_new)| is_new);
        if is_new {
            self.emit(Event::SessionRevoked { session: id, reason }).await;
        }
        Ok(is_new)
    }

    /// Puts a session into the store unless it is there. Returns what is there, and whether it is this one.
    async fn adopt(&self, draft: Session) -> Result<Option<(Arc<Session>, bool)>, SessionError> {
        let opening =
            LoginEffects { max_sessions: Some(self.config.max_sessions), ..LoginEffects::default() };
        let adopted = self.within(self.store.adopt(draft.clone(), opening, self.clock.now())).await?;
        // Of many who bring one token at once, each has drafted another session.
        Ok(adopted.map(|session| {
            let is_new = *session == draft;
            (session, is_new)
        }))
    }

    fn draft_access(&self, access: &Access, foreign: &Foreign) -> Result<Session, SessionError> {
        let draft = self.draft_of(access.session, &access.subject, foreign);
        // Nobody has a refresh token of it.
        Ok(Session { absolute_expires_at: draft.expires_at, refresh_id: TokenId::random()?, ..draft })
    }

    fn draft_refresh(
        &self,
        refresh: &Refresh,
        foreign: &Foreign,
        client: &Device,
    ) -> Result<Session, SessionError> {
        let draft = self.draft_of(refresh.session, &refresh.subject, foreign);
        let limit = foreign.issued_at.saturating_add(self.config.absolute_ttl.as_secs());
        Ok(Session {
            absolute_expires_at: limit.max(draft.expires_at),
            // Nobody has an access token of it yet.
            access_id: TokenId::random()?,
            last_address: client.address,
            device: client.clone(),
            ..draft
        })
    }

    /// Returns the session that stands for a token, as far as it is the same for both kinds.
    fn draft_of(&self, id: SessionId, subject: &str, foreign: &Foreign) -> Session {
        let expires_at = foreign.expires_at.saturating_add(self.config.leeway.as_secs());
        Session {
            id,
            subject: subject.into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            user: None,
            created_at: foreign.issued_at,
            auth_time: foreign.auth_time.map_or(0, |at| at.min(foreign.issued_at)),
            absolute_expires_at: expires_at,
            expires_at,
            generation: 0,
            rotated_at: self.clock.now(),
            refresh_id: foreign.token,
            access_id: foreign.token,
            revoked_tokens: Vec::new(),
            device: Device::default(),
            last_address: None,
            adopted: true,
            revoked: None,
        }
    }

    /// Tells whether a refresh token of ours was spent here before another service made an access token of it, or has
    /// ended alone: at the other one it works on.
    ///
    /// There it works more than once, so it cannot be told who used it; whoever has its successor is let in.
    pub(super) fn was_spent(&self, session: &Session, origin: Origin) -> bool {
        let (Origin { generation, used_at }, grace) = (origin, self.config.refresh_grace.as_secs());
        if session.has_revoked(session.refresh_id) {
            // When is not known, and the one before it would have been answered with it.
            return true;
        }
        match session.generation.checked_sub(generation) {
            // Current, or newer than a record that has lost a write.
            Some(0) | None => false,
            Some(1) => used_at >= session.rotated_at.saturating_add(grace),
            // When it was spent is not known any more, and that is longer ago than an access token mostly lives.
            Some(_) => true,
        }
    }

    /// Tells whether two tokens are a pair that another service has issued: all that they have in common is their subject.
    pub(crate) fn is_foreign_pair(&self, access: &str, refresh: &str) -> bool {
        let now = self.clock.now();
        let access = match self.access.verify(access, &self.access_expected(now)) {
            Ok(Verified::Valid(access) | Verified::Expired(access)) => access,
            Err(_) => return false,
        };
        let Ok(refresh) = self.refresh.verify(refresh, &self.refresh_expected(now)) else { return false };
        access.foreign.is_some() && refresh.foreign.is_some() && access.subject == refresh.subject
    }

    /// Which tokens of another service are refused from now on, for who ends all sessions of a subject: those that were
    /// issued up to now. `None` where no such tokens are taken.
    pub(crate) fn not_before(&self) -> Option<NotBefore> {
        self.config.compat.as_ref()?;
        // The other service's clock may be ahead; and however lifetimes are set later, none is longer.
        let at = self.clock.now().saturating_add(self.config.leeway.as_secs());
        Some(NotBefore { at, until: at.saturating_add(Config::MAX_TTL.as_secs()) })
    }
}
