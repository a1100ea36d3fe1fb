//! The rotation of refresh tokens: the answer to a spent one, and the events. The rules are in `record`.
//!
//! # Invariants
//!
//! 1. An answer that is repeated has the same refresh token. Its access token is the same too, or one with an
//!    id of its own.
//! 2. Nothing is spent if the answer cannot be written.
//! 3. A token that was presented is judged to the end, also if nobody waits for the answer: so nobody hides
//!    that a spent one was used. A client that hung up presents it again, and gets the same successor.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::end::MayEnd;
use super::moment::Moment;
use super::verify::alive;
use super::{IssuedTokens, PendingLogin, Sessions, Tokens};
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::events::Event;
use crate::id::{SessionId, TokenId};
use crate::record::{Rotation, Session, Successor};
use crate::store::RotationRequest;
use crate::token::MAX_LEN;
use crate::token::refresh::Refresh;

/// How often tokens are written again that were refreshed meanwhile.
const WRITTEN_AGAIN: usize = 8;

/// What came of a silent refresh.
pub(crate) enum Renewal {
    /// New tokens.
    Issued(IssuedTokens),
    /// A request that its client had made before it got the newest tokens: it is let in, once, and gets none.
    Late(Session),
}

impl Sessions {
    /// Spends a refresh token and issues its successor (RFC 9700, section 4.14.2).
    ///
    /// If many clients present one token at the same time, one rotates it and the others get the same
    /// successor. So does a client that lost the answer, for as long as nobody has used it.
    pub(crate) async fn refresh_pair(
        &self,
        refresh: Refresh,
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        match self.renew(refresh, client, Duration::ZERO).await? {
            Renewal::Issued(issued) => Ok(issued),
            Renewal::Late(_) => Err(SessionError::Expired),
        }
    }

    /// Likewise, for a request that has a genuine access token of the same session beside it that is not good
    /// any more, or none.
    ///
    /// A browser puts cookies on a request when it makes it, and may send it much later. So a pair that was
    /// replaced is let in for as long as an access token lives.
    pub(crate) async fn refresh_silently(
        &self,
        access: Option<TokenId>,
        refresh: Refresh,
        client: &Device,
    ) -> Result<Renewal, SessionError> {
        // With `revoke_on_refresh` nothing that was replaced is good.
        let late = match access {
            Some(_) if !self.config.tokens.revoke_on_refresh => self.config.access_ttl,
            _ => Duration::ZERO,
        };
        let renewal = self.renew(refresh, client, late).await?;
        if let (Renewal::Late(session), Some(access)) = (&renewal, access) {
            if session.has_revoked(access) {
                return Err(SessionError::TokenRevoked);
            }
            tracing::debug!(target: "jwtauth", event = "late_request", session = session.id.log_id());
        }
        Ok(renewal)
    }

    async fn renew(
        &self,
        refresh: Refresh,
        client: &Device,
        late: Duration,
    ) -> Result<Renewal, SessionError> {
        match refresh.foreign.clone() {
            Some(foreign) => self.exchange(&refresh, &foreign, client).await.map(Renewal::Issued),
            None => self.spend(refresh, client, late).await,
        }
    }

    /// Spends a generation of a session, and issues the next tokens.
    pub(super) async fn spend(
        &self,
        refresh: Refresh,
        client: &Device,
        late: Duration,
    ) -> Result<Renewal, SessionError> {
        let now = self.clock.now();
        let before = self.record_before(&refresh).await?;
        let own = self.own_claims_before(&before, now).await?;
        let successor = successor(TokenId::random()?, TokenId::random()?, client);
        let (rotation, session) = self.rotate(refresh, successor, now, late).await?;
        if rotation == Rotation::Late {
            return Ok(Renewal::Late(session));
        }
        // Others may be told of something else first.
        let rotated_in = (rotation == Rotation::Rotated).then(Moment::now);
        let issued = IssuedTokens { rotated_in, ..self.issue(session, &own, now)? };
        self.tell_rotation(rotation, &issued.session, client).await;
        Ok(Renewal::Issued(issued))
    }

    /// Writes the tokens of a session again, with its user and claims as they are now. Spends nothing. Used
    /// before `first`, those of the same request, have left.
    ///
    /// Only a login is sure to be the one request that has its tokens. What a refresh has brought may have
    /// left with the answer of another request, so it is written again as it was, or with an access token of
    /// its own (N-28).
    pub(crate) async fn issue_again(
        &self,
        id: SessionId,
        first: &str,
        client: &Device,
    ) -> Result<IssuedTokens, SessionError> {
        for _ in 0..WRITTEN_AGAIN {
            let session = self.find(id).await?.ok_or(SessionError::Expired)?;
            let own = self.own_claims(&session).await?;
            let issued = self.issue(Session::clone(&session), &own, self.clock.now())?;
            if session.generation == 0 || issued.access.expose() == first {
                return Ok(issued);
            }
            let now = self.clock.now();
            let mut policy = self.config.rotation();
            policy.writes_again = true;
            let successor = successor(TokenId::random()?, TokenId::random()?, client);
            let request = RotationRequest {
                register: self.config.register(),
                ..RotationRequest::new(id, session.generation, now, policy, successor)
            };
            let (rotation, session) =
                self.within(self.store.rotate(request)).await?.ok_or(SessionError::Expired)?;
            // Otherwise it was refreshed or has ended since it was looked at.
            if rotation == Rotation::Reissued {
                return self.issue(session, &own, now);
            }
        }
        Err(SessionError::TokenRevoked)
    }

    /// Returns the record of the session that a genuine token is about to spend. Called before anything is
    /// spent or revoked: no token of another subject does that.
    pub(super) async fn record_before(&self, refresh: &Refresh) -> Result<Arc<Session>, SessionError> {
        self.known(refresh.session, &refresh.subject).await?.ok_or(SessionError::Expired)
    }

    /// Spends the generation that a genuine token names, and returns the session at the next one. Ask
    /// [`Self::record_before`] first.
    ///
    /// `late` is how long after the last rotation the client that made it is let in with the token before.
    pub(super) async fn rotate(
        &self,
        spent: Refresh,
        successor: Successor,
        now: u64,
        late: Duration,
    ) -> Result<(Rotation, Session), SessionError> {
        let Refresh { session, generation, .. } = spent;
        let mut policy = self.config.rotation();
        policy.late = late;
        if self.hooks.has_claims() || !self.access.writes_alike() {
            // The same access token would have other bytes.
            policy.rewrite = Duration::ZERO;
        }
        let request = RotationRequest {
            register: self.config.register(),
            ..RotationRequest::new(session, generation, now, policy, successor)
        };
        let following = self.ends.follow(MayEnd::These(slice::from_ref(&request.session)));
        let store = Arc::clone(&self.store);
        let rotate = async move { store.rotate(request).await };
        let events = move |rotated: &Option<(Rotation, Session)>| {
            rotated.as_ref().and_then(|(rotation, session)| event_of(*rotation, session, successor))
        };
        let (rotation, session) = self.report_after(rotate, events).await?.ok_or(SessionError::Expired)?;
        if rotation != Rotation::Reused {
            following.ended_nothing();
        }
        match rotation {
            Rotation::Rotated | Rotation::Late | Rotation::CaughtUp => {}
            Rotation::Repeated | Rotation::Reissued => {
                tracing::debug!(target: "jwtauth", event = "refresh_repeated", session = session.id.log_id());
            }
            Rotation::Elsewhere => return Err(SessionError::RepeatedElsewhere),
            // The first request of a queue.
            Rotation::Undated
                if !late.is_zero() && session.agent.is_some_and(|it| successor.agent == Some(it)) =>
            {
                return Ok((Rotation::Late, session));
            }
            Rotation::Undated => return Err(TokenError::Expired.into()),
            Rotation::Reused => return Err(SessionError::Reused),
            Rotation::Over(state) => {
                alive(state)?;
            }
        }
        Ok((rotation, session))
    }

    /// Reports new tokens.
    pub(super) async fn tell_rotation(&self, rotation: Rotation, session: &Session, client: &Device) {
        if !rotation.issues() {
            return;
        }
        let session = Arc::new(session.clone());
        self.emit(Event::Refresh { session: Arc::clone(&session) }).await;
        if self.changed_devices.is_new(&session, client) {
            self.emit(Event::DeviceChanged { session, device: client.clone() }).await;
        }
    }

    /// Asks the application for the user and for its claims, before anything is spent. Also fails if the
    /// claims would make the next token too large.
    pub(super) async fn own_claims_before(
        &self,
        session: &Session,
        now: u64,
    ) -> Result<Map<String, Value>, SessionError> {
        // Of a session that is over, `rotate` returns the reason.
        if !session.is_live_at(now) {
            return Ok(Map::new());
        }
        self.ask_for_user(session).await?;
        if !self.hooks.has_claims() {
            return Ok(Map::new());
        }
        let own = self.own_claims(session).await?;
        if session.is_sliding() {
            self.issue_sliding(session, &own, now, MAX_LEN)?;
        } else {
            self.issue(session.clone(), &own, now)?;
        }
        Ok(own)
    }

    /// Spends a refresh token and issues its successor, for a client that stores its tokens itself.
    ///
    /// A client that lost the answer asks again with the same token. It gets the same refresh token, for as
    /// long as that was not used.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is not a token of this application. [`SessionError::Expired`],
    ///   [`SessionError::Replaced`] or [`SessionError::Revoked`] if its session is over.
    /// - [`SessionError::Reused`] if its successor was used, and the grace window is over. Its session is now
    ///   revoked. The first time it is [`TokenError::Expired`] instead, if a machine has spent it whose clock
    ///   was ahead of this one. Nothing is revoked then.
    /// - [`SessionError::RepeatedElsewhere`] if another client spent it, and
    ///   [`refuse_repeats_elsewhere`](crate::TokenConfig::refuse_repeats_elsewhere) is set.
    /// - [`SessionError::UserNotFound`], [`SessionError::UserInactive`] and [`SessionError::UserUnknown`] if
    ///   [`before_refresh`](crate::JwtAuthBuilder::before_refresh) says so, or failed. Nothing is spent.
    /// - [`SessionError::Claims`], [`SessionError::ClaimRefused`] and [`SessionError::TokenTooLarge`] if
    ///   [`access_claims`](crate::JwtAuthBuilder::access_claims) failed, or its claims do not fit into a
    ///   token. Nothing is spent.
    /// - [`SessionError::Vetoed`] and [`SessionError::HookTimedOut`] for a token of another service
    ///   ([`Compat`](crate::Compat)) that is new here.
    /// - [`SessionError::Store`] if the store failed. The token may be spent: ask again with the same one.
    pub async fn refresh(&self, refresh: &str, client: &Device) -> Result<Tokens, SessionError> {
        let (tokens, pending) = self.refresh_with_answer(refresh, client).await?;
        if let Some(pending) = pending {
            self.hand_out(*pending).await?;
        }
        Ok(tokens)
    }

    /// Likewise, for an answer that leaves later. A token of another service opens a session.
    pub(crate) async fn refresh_with_answer(
        &self,
        refresh: &str,
        client: &Device,
    ) -> Result<(Tokens, Option<Box<PendingLogin>>), SessionError> {
        let mut issued = self.refresh_pair(self.read_refresh(refresh)?, client).await?;
        let pending = issued.pending.take();
        Ok((self.hand_over(issued), pending))
    }

    /// Tells whether the tokens just issued are still the newest of a live session.
    ///
    /// `false` after a logout or a later rotation: a slow answer must not bring old cookies back. A database
    /// is not asked again by a request that has neither waited nor blocked since its rotation.
    pub(crate) async fn is_current(&self, issued: &IssuedTokens) -> Result<bool, SessionError> {
        if self.store.is_shared() && issued.rotated_in.is_some_and(Moment::lasts) {
            return Ok(true);
        }
        let session = self.load(issued.session.id).await?;
        Ok(session.is_some_and(|session| {
            session.is_live_at(self.clock.now()) && session.generation == issued.session.generation
        }))
    }
}

/// Names the tokens that a client is to get.
pub(super) fn successor(refresh: TokenId, access: TokenId, client: &Device) -> Successor {
    Successor { address: client.address, agent: Some(client.agent_mark()), ..Successor::new(refresh, access) }
}

/// Returns what is to be reported of a token that was presented by the client to which `successor` goes.
fn event_of(rotation: Rotation, session: &Session, successor: Successor) -> Option<Event> {
    let shared = || Arc::new(session.clone());
    let elsewhere =
        |refused| Event::RepeatedElsewhere { session: shared(), client_address: successor.address, refused };
    match rotation {
        Rotation::CaughtUp => Some(Event::StoreBehind { session: shared() }),
        Rotation::Reused => Some(Event::ReuseDetected { session: shared() }),
        Rotation::Elsewhere => Some(elsewhere(true)),
        Rotation::Repeated | Rotation::Reissued if session.was_spent_by_another(successor) => {
            Some(elsewhere(false))
        }
        _ => None,
    }
}
