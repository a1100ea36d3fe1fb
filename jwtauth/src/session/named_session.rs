//! Revokes the session that a token names, whether or not the token is good now.
//!
//! A token of this application names its session at any time and under any settings (`token::named_token`). A
//! logout must revoke that session when the clock was put back, or when the issuer has another name by now.
//! So everything that revokes by a token starts here, and everything that lets somebody in starts in
//! `verify`.
//!
//! # Invariants
//!
//! 1. The subject of the token is that of the record, or nothing is revoked (J-19).
//! 2. `Ok` says that the session is over. A session that could not be looked up is an error.

use std::sync::Arc;

use super::Sessions;
use super::verify::alive;
use crate::error::{SessionError, TokenError};
use crate::record::{RevocationReason, Session};
use crate::registry::TokenKind;
use crate::token::named_token::NamedToken;

impl Sessions {
    pub(crate) fn name_access(&self, token: &str) -> Result<NamedToken, TokenError> {
        self.access.name(token)
    }

    pub(crate) fn name_refresh(&self, token: &str) -> Result<NamedToken, TokenError> {
        self.refresh.name(token)
    }

    pub(crate) fn name_sliding(&self, token: &str) -> Result<NamedToken, TokenError> {
        self.sliding.name(token)
    }

    /// Reads the token of a bearer header: an access token or a sliding one.
    pub(crate) fn name_bearer(&self, token: &str) -> Result<NamedToken, TokenError> {
        // The first reason tells the most.
        self.name_access(token).or_else(|refused| self.name_sliding(token).map_err(|_| refused))
    }

    pub(crate) fn name_any(&self, token: &str) -> Result<NamedToken, TokenError> {
        self.name_bearer(token).or_else(|refused| self.name_refresh(token).map_err(|_| refused))
    }

    /// Returns the record of the session that a token names, alive or not; `None` if there is none.
    pub(crate) async fn record_of(&self, token: &NamedToken) -> Result<Option<Arc<Session>>, SessionError> {
        if token.foreign.is_some() {
            return Ok(None);
        }
        let record = self.known(token.session, &token.subject).await?;
        if let Some(session) = &record {
            match token.generation {
                Some(generation) => self.confirm_rotation(session, generation),
                None if session.is_of_current(token.token, token.issued_at) => {
                    self.confirm_rotation(session, session.generation);
                }
                None => {}
            }
        }
        Ok(record)
    }

    /// Returns the live session that a token names, or why there is none. The outer error: unknown.
    pub(crate) async fn live_session_of(
        &self,
        token: &NamedToken,
    ) -> Result<Result<Arc<Session>, SessionError>, SessionError> {
        let session = match self.record_of(token).await {
            Ok(Some(session)) => session,
            Ok(None) | Err(SessionError::Token(_)) => return Ok(Err(SessionError::Expired)),
            Err(error) => return Err(error),
        };
        Ok(match alive(session.state_at(self.clock.now())) {
            Ok(()) if session.has_revoked(token.token) => Err(SessionError::TokenRevoked),
            Ok(()) => Ok(session),
            Err(over) => Err(over),
        })
    }

    /// Revokes the session that a token names; a token that another service has issued on its own, itself.
    /// Returns whether it was not revoked before.
    ///
    /// A session that has expired is revoked too: the clock may go back.
    pub(crate) async fn revoke_named(
        &self,
        token: &NamedToken,
        reason: RevocationReason,
    ) -> Result<bool, SessionError> {
        if let Some(foreign) = &token.foreign {
            return self.revoke_foreign(token, foreign, reason).await;
        }
        match self.record_of(token).await? {
            Some(session) => self.revoke_for(session.id, reason).await,
            None => Ok(false),
        }
    }

    /// Likewise for somebody who asks for one that is not over yet.
    pub(crate) async fn revoke_live(&self, token: &NamedToken) -> Result<(), SessionError> {
        if token.foreign.is_none() {
            self.is_live(self.recorded(token).await?.as_ref(), token)?;
        }
        if self.revoke_named(token, RevocationReason::Requested).await? {
            Ok(())
        } else {
            Err(self.over(token))
        }
    }

    /// Revokes a token of any kind, given as text, and not its session: that does
    /// [`revoke_jwt_tree`](Self::revoke_jwt_tree).
    ///
    /// One that has expired is revoked too, as long as its session is kept: it may be good where the clock is
    /// not ahead. It is an error all the same, because it is over here.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is not a token of this application, or has expired.
    ///   [`SessionError::Expired`], [`SessionError::Replaced`] or [`SessionError::Revoked`] if it, or its
    ///   session, is over.
    /// - [`SessionError::Store`] if the store failed.
    pub async fn revoke_jwt(&self, token: &str) -> Result<(), SessionError> {
        self.revoke_alone(&self.name_any(token)?).await
    }

    /// Revokes the session of a token of any kind, given as text.
    ///
    /// The times of the token and the present settings do not matter: a token that this application has
    /// issued names its session. A token that has expired or was spent revokes that session too, if it is
    /// alive.
    ///
    /// # Errors
    ///
    /// Those of [`revoke_jwt`](Self::revoke_jwt).
    pub async fn revoke_jwt_tree(&self, token: &str) -> Result<(), SessionError> {
        self.revoke_live(&self.name_any(token)?).await
    }

    pub(crate) async fn revoke_alone(&self, token: &NamedToken) -> Result<(), SessionError> {
        if token.foreign.is_some() {
            return self.revoke_live(token).await;
        }
        let session = self.recorded(token).await?;
        let live = self.is_live(&session, token);
        let id = match token.kind {
            // Of the newest, the record knows the id.
            TokenKind::Refresh => session.refresh_id,
            TokenKind::Access | TokenKind::Sliding => token.token,
        };
        if session.revoked.is_some() || session.has_revoked(id) || self.is_replaced(&session, token) {
            return live.and(Err(SessionError::Expired));
        }
        // One that has expired too: it may be good where the clock is not ahead (N-8).
        let is_new = self.revoke_token_until(&session, id, token.expires_at).await?;
        live?;
        if self.clock.now() >= token.expires_at.saturating_add(self.config.tokens.leeway.as_secs()) {
            return Err(TokenError::Expired.into());
        }
        if is_new { Ok(()) } else { Err(SessionError::Expired) }
    }

    /// Tells whether a token cannot be used any more because its session has newer ones.
    fn is_replaced(&self, session: &Session, token: &NamedToken) -> bool {
        let generation = token.generation.unwrap_or(session.generation);
        match token.kind {
            TokenKind::Access => {
                let end = self.replacement().end(token.kind, session.rotated_at);
                token.token != session.access_id && end.is_some()
            }
            TokenKind::Refresh => generation < session.generation,
            TokenKind::Sliding => !self.is_under_way(session, generation),
        }
    }

    async fn recorded(&self, token: &NamedToken) -> Result<Arc<Session>, SessionError> {
        self.record_of(token).await?.ok_or_else(|| self.over(token))
    }

    fn is_live(&self, session: &Session, token: &NamedToken) -> Result<(), SessionError> {
        alive(session.state_at(self.clock.now())).map_err(|over| match over {
            SessionError::Expired => self.over(token),
            over => over,
        })
    }

    /// Why there is nothing to revoke: the token itself says so, or only its session is over.
    fn over(&self, token: &NamedToken) -> SessionError {
        let has_expired = self.clock.now() >= token.expires_at;
        if has_expired { TokenError::Expired.into() } else { SessionError::Expired }
    }
}
