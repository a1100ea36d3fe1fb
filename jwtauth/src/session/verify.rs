//! Whether a token belongs to a live session, and the rotation of refresh tokens.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::delivery::Delivery;
use super::end::MayEnd;
use super::{IssuedTokens, Sessions, Tokens};
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::event::Event;
use crate::id::{SessionId, TokenId};
use crate::record::{Rotation, Session, SessionState, Successor};
use crate::registry::TokenKind;
use crate::store::RotationRequest;
use crate::token::MAX_LEN;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::user::TokenUser;

#[derive(Debug)]
pub(crate) enum AccessState {
    /// Valid, of a live session.
    Live(Arc<Session>),
    /// Valid, without a session: another service has issued it.
    Sessionless(TokenUser),
    /// Expired, otherwise good. Its session was not looked at.
    Expired,
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
        if session.has_revoked(access.token) || access.origin.is_some_and(|it| self.was_spent(&session, it)) {
            return Err(SessionError::Expired);
        }
        let replaced = access.token != session.access_id;
        if replaced && self.replacement().end(TokenKind::Access, session.rotated_at).is_some() {
            // Counts as expired: its refresh token, if present, gets the next one.
            return Ok(AccessState::Expired);
        }
        Ok(AccessState::Live(session))
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
        let record = self.store.load(id).await?;
        // Equal in every own token (J-19).
        if record.as_ref().is_some_and(|session| session.subject != subject) {
            return Err(TokenError::Claim("sub").into());
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
        Ok(self.store.load(id).await?.filter(|session| session.is_live_at(now)))
    }

    /// Spends a refresh token and issues its successor (RFC 9700, section 4.14.2).
    ///
    /// If many clients present one token at the same time, one rotates it and the others get the same
    /// successor. So does a client that lost the answer and asks again inside the grace window, which starts
    /// when the answer leaves (see `delivery`).
    pub(crate) async fn refresh_pair(
        &self,
        refresh: Refresh,
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        match refresh.foreign.clone() {
            Some(foreign) => self.exchange(&refresh, &foreign, client).await,
            None => self.spend(refresh, client).await,
        }
    }

    /// Spends a generation of a session, and issues the next tokens.
    pub(super) async fn spend(
        &self,
        refresh: Refresh,
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        let now = self.clock.now();
        let own = self.own_claims_of(refresh.session, now).await?;
        let successor =
            Successor { address: client.address, ..Successor::new(TokenId::random()?, TokenId::random()?) };
        let (rotation, session) = self.rotate(refresh, successor, now).await?;
        let mut issued = self.issue(session, &own, now)?;
        issued.delivery = self.tell_rotation(rotation, &issued.session, client).await;
        Ok(issued)
    }

    /// Writes the tokens of a session again, with its user and claims as they are now. Spends nothing. Used
    /// before they are handed out.
    pub(crate) async fn issue_again(&self, id: SessionId) -> Result<IssuedTokens, SessionError> {
        let session = self.find(id).await?.ok_or(SessionError::Expired)?;
        let own = self.own_claims(&session).await?;
        self.issue(Session::clone(&session), &own, self.clock.now())
    }

    /// Spends the generation that a genuine token names, and returns the session at the next one.
    pub(super) async fn rotate(
        &self,
        spent: Refresh,
        successor: Successor,
        now: u64,
    ) -> Result<(Rotation, Session), SessionError> {
        // Before anything is spent or revoked: no token of another subject does that.
        self.known(spent.session, &spent.subject).await?.ok_or(SessionError::Expired)?;
        let mut policy = self.config.rotation();
        let grace = policy.grace.as_secs();
        // With grace 0 there is none here either.
        if grace > 0 && self.deliveries.is_open(spent.session, spent.generation, now, grace) {
            policy.grace = Duration::MAX;
        }
        let Refresh { session, generation, .. } = spent;
        let register = self.config.register();
        let presented =
            RotationRequest { register, ..RotationRequest::new(session, generation, now, policy, successor) };
        let following = self.ends.follow(MayEnd::These(slice::from_ref(&presented.session)));
        let (rotation, session) =
            self.within(self.store.rotate(presented)).await?.ok_or(SessionError::Expired)?;
        if rotation != Rotation::Reused {
            following.ended_nothing();
        }
        match rotation {
            Rotation::Rotated => {}
            Rotation::Repeated => {
                tracing::debug!(target: "jwtauth", event = "refresh_repeated", session = session.id.log_id());
            }
            Rotation::CaughtUp => self.emit(Event::StoreBehind { session: Arc::new(session.clone()) }).await,
            Rotation::Reused => {
                self.emit(Event::ReuseDetected { session: Arc::new(session) }).await;
                return Err(SessionError::Reused);
            }
            Rotation::Over(state) => {
                alive(state)?;
            }
        }
        Ok((rotation, session))
    }

    /// Reports new tokens, and follows them until their answer leaves.
    pub(super) async fn tell_rotation(
        &self,
        rotation: Rotation,
        session: &Session,
        client: &Device,
    ) -> Option<Delivery> {
        if !rotation.issues() {
            return None;
        }
        let delivery = self.deliveries.start(session, self.config.refresh_grace.as_secs());
        let session = Arc::new(session.clone());
        self.emit(Event::Refresh { session: Arc::clone(&session) }).await;
        if self.changed_devices.is_new(&session, client) {
            self.emit(Event::DeviceChanged { session, device: client.clone() }).await;
        }
        Some(delivery)
    }

    /// Asks the application for its claims, if it has any, before anything is spent. Also fails if they would
    /// make the next token too large.
    pub(super) async fn own_claims_of(
        &self,
        session: SessionId,
        now: u64,
    ) -> Result<Map<String, Value>, SessionError> {
        if !self.hooks.has_claims() {
            return Ok(Map::new());
        }
        match self.store.load(session).await? {
            Some(session) if session.is_live_at(now) => {
                let own = self.own_claims(&session).await?;
                if session.is_sliding() {
                    self.issue_sliding(&session, &own, MAX_LEN)?;
                } else {
                    self.issue(Session::clone(&session), &own, now)?;
                }
                Ok(own)
            }
            // `rotate` returns the reason.
            _ => Ok(Map::new()),
        }
    }

    /// Spends a refresh token and issues its successor, for a client that stores its tokens itself.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is not a token of this application. [`SessionError::Expired`] or
    ///   [`SessionError::Revoked`] if its session is over.
    /// - [`SessionError::Reused`] if it was spent before, outside the grace window. Its session is now
    ///   revoked.
    /// - [`SessionError::Claims`], [`SessionError::ClaimRefused`] and [`SessionError::TokenTooLarge`] if
    ///   [`access_claims`](crate::JwtAuthBuilder::access_claims) failed, or its claims do not fit into a
    ///   token. Nothing is spent.
    /// - [`SessionError::Vetoed`] and [`SessionError::HookTimedOut`] for a token of another service
    ///   ([`Compat`](crate::Compat)) that is new here.
    /// - [`SessionError::Store`] if the store failed. The token may be spent, and is accepted inside the
    ///   grace window.
    pub async fn refresh(&self, refresh: &str, client: &Device) -> Result<Tokens, SessionError> {
        self.refresh_pair(self.read_refresh(refresh)?, client).await.map(|issued| self.hand_over(issued))
    }

    /// Returns the live session of a current refresh token. Spends nothing.
    pub(super) async fn check_refresh(&self, refresh: &Refresh) -> Result<Arc<Session>, SessionError> {
        let session = self.live(refresh.session, &refresh.subject).await?;
        // A spent token revokes nothing here: this call does not use it.
        if refresh.generation < session.generation || session.has_revoked(session.refresh_id) {
            return Err(SessionError::Expired);
        }
        Ok(session)
    }

    /// Tells whether the tokens just issued are still the newest of a live session.
    ///
    /// `false` after a logout or a later rotation: a slow answer must not bring old cookies back.
    pub(crate) async fn is_current(&self, issued: &IssuedTokens) -> Result<bool, SessionError> {
        let session = self.store.load(issued.session.id).await?;
        Ok(session.is_some_and(|session| {
            session.is_live_at(self.clock.now()) && session.generation == issued.session.generation
        }))
    }
}

pub(super) fn alive(state: SessionState) -> Result<(), SessionError> {
    match state {
        SessionState::Live => Ok(()),
        SessionState::Expired => Err(SessionError::Expired),
        SessionState::Revoked(_) => Err(SessionError::Revoked),
    }
}
