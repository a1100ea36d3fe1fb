//! Whether a token belongs to a live session. Rotation is in `rotate`.

use std::sync::Arc;

use super::Sessions;
use crate::error::{SessionError, TokenError};
use crate::id::SessionId;
use crate::record::{RevocationReason, Session, SessionState};
use crate::registry::TokenKind;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::user::TokenUser;

/// How far ahead an access token may be dated, in seconds. It lives for so much longer at most.
const FAR_AHEAD: u64 = 60 * 60;

#[derive(Debug)]
pub(crate) enum AccessState {
    /// Valid, of a live session.
    Live(Arc<Session>),
    /// Valid, without a session: another service has issued it.
    Sessionless(TokenUser),
    /// Expired, otherwise good. Its session was not looked at.
    Expired,
    /// Revoked alone: its session is alive.
    Revoked,
}

impl Sessions {
    /// Verifies an access token. An expired one is returned as such.
    pub(crate) fn read_access(&self, token: &str) -> Result<Verified<Access>, TokenError> {
        self.access.verify(token, &self.access_expected(self.clock.now()))
    }

    pub(crate) fn read_refresh(&self, token: &str) -> Result<Refresh, TokenError> {
        self.refresh.verify(token, &self.refresh_expected(self.clock.now()))
    }

    /// Checks a genuine access token against its session, so that the next call after a revocation sees it.
    pub(crate) async fn check(&self, access: &Verified<Access>) -> Result<AccessState, SessionError> {
        let Verified::Valid(access) = access else { return Ok(AccessState::Expired) };
        if let Some(foreign) = &access.foreign {
            return self.check_foreign(access, foreign).await;
        }
        let session = self.live(access.session, &access.subject).await?;
        if session.has_revoked(access.token) {
            return Ok(AccessState::Revoked);
        }
        if access.origin.is_some_and(|it| self.was_spent(&session, it)) {
            return Err(SessionError::TokenRevoked);
        }
        let replaced = access.token != session.access_id;
        if replaced && self.replacement().end(TokenKind::Access, session.rotated_at).is_some() {
            // Counts as expired: its refresh token, if present, gets the next one.
            return Ok(AccessState::Expired);
        }
        if self.is_far_ahead(access.issued_at) {
            // By a clock that was wrong. It would live for as much longer.
            return Ok(AccessState::Expired);
        }
        match access.origin {
            Some(origin) => self.confirm_rotation(&session, origin.generation),
            None if session.is_of_current(access.token, access.issued_at) => {
                self.confirm_rotation(&session, session.generation);
            }
            None => {}
        }
        Ok(AccessState::Live(session))
    }

    /// Tells whether something of this session was issued by a clock that was far ahead of this one.
    pub(super) fn is_far_ahead(&self, issued_at: u64) -> bool {
        issued_at > self.clock.now().saturating_add(FAR_AHEAD)
    }

    /// Returns the live session that a genuine token names.
    pub(super) async fn live(&self, id: SessionId, subject: &str) -> Result<Arc<Session>, SessionError> {
        let session = self.known(id, subject).await?.ok_or(SessionError::Expired)?;
        alive(session.state_at(self.clock.now()))?;
        Ok(session)
    }

    /// Returns the record of the session that a genuine token names, alive or not; `None` if there is none.
    pub(super) async fn known(
        &self,
        id: SessionId,
        subject: &str,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        let record = self.load(id).await?;
        // Equal in every own token (J-19).
        if record.as_ref().is_some_and(|session| session.subject != subject) {
            return Err(TokenError::Claim("sub").into());
        }
        // No token was ever issued for an API key.
        if record.as_ref().is_some_and(|session| session.api_key.is_some()) {
            return Err(TokenError::WrongKind.into());
        }
        Ok(record)
    }

    /// Returns a live session by its id.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn find(&self, id: SessionId) -> Result<Option<Arc<Session>>, SessionError> {
        let now = self.clock.now();
        Ok(self.load(id).await?.filter(|session| session.is_live_at(now)))
    }

    /// Notes that a genuine token of a generation was presented: if it is the newest, the answer to the last
    /// rotation has arrived.
    pub(crate) fn confirm_rotation(&self, session: &Session, generation: u64) {
        if !session.confirmed && session.generation == generation {
            self.store.confirm(session.id, generation);
        }
    }

    /// Returns the live session of a refresh token that can be exchanged. Spends nothing.
    ///
    /// So a spent one is good for as long as it is answered with its successor. Anyone who has a copy would
    /// otherwise learn from a question that costs nothing when its owner has spent it, and ask for the
    /// successor right then.
    pub(super) async fn check_refresh(&self, refresh: &Refresh) -> Result<Arc<Session>, SessionError> {
        let session = self.live(refresh.session, &refresh.subject).await?;
        let is_spent = refresh.generation < session.generation
            && !session.answers(refresh.generation, self.clock.now(), self.config.refresh_grace);
        // It revokes nothing here: this call does not use it.
        if is_spent || session.has_revoked(session.refresh_id) {
            return Err(SessionError::Expired);
        }
        self.confirm_rotation(&session, refresh.generation);
        Ok(session)
    }
}

/// Why a session cannot be used, if so.
pub(super) fn alive(state: SessionState) -> Result<(), SessionError> {
    match state {
        SessionState::Live => Ok(()),
        SessionState::Expired => Err(SessionError::Expired),
        SessionState::Revoked(RevocationReason::Replaced) => Err(SessionError::Replaced),
        SessionState::Revoked(_) => Err(SessionError::Revoked),
    }
}
