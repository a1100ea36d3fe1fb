//! Sliding tokens: one token that lets its holder in and renews itself.
//!
//! Its session is one like any other. What is spent for what, who wins a race, the grace window and what becomes of a
//! token that comes back late are those of a refresh token (`verify`); only what is handed out differs. In the
//! record both ids of such a session are the same ([`Session::is_sliding`]), so a store needs to know no more.
//!
//! # Invariants
//!
//! 1. A copy that was replaced lets nobody in: the newest one does, and the one before it inside the grace window, for
//!    requests that were under way.
//! 2. `exp` is never behind `refresh_exp`, which is the session's own `expires_at`.
//! 3. One session, one token: when that ends alone its session ends with it.

use serde_json::{Map, Value};

use super::{AccessState, Delivery, Sessions, Token, Tokens, alive};
use crate::claims::{SLIDING, SlidingClaims};
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::id::{SessionId, TokenId};
use crate::record::{Session, Successor};
use crate::token::MAX_LEN;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::token::sliding::Sliding;
use crate::user::AuthUser;

/// A genuine token of a bearer header.
#[derive(Debug)]
pub(crate) enum BearerToken {
    Access(Verified<Access>),
    Sliding(Verified<Sliding>),
}

impl Sessions {
    /// Opens a session for `user` with one sliding token: it is both access token and refresh token, as clients of
    /// djangorestframework-simplejwt's sliding tokens expect it.
    ///
    /// It is accepted for [`access_ttl`](crate::JwtAuthBuilder::access_ttl), and can be renewed for
    /// [`refresh_ttl`](crate::JwtAuthBuilder::refresh_ttl), by [`refresh_sliding`](Self::refresh_sliding). It is read from an
    /// `Authorization: Bearer` header, never from a cookie. The session is on disk when this returns.
    ///
    /// It goes out with every request. Whoever sees one request can go on in its place until the session ends: where
    /// that matters use [`login`](Self::login), whose refresh token is sent seldom.
    ///
    /// # Errors
    ///
    /// Those of [`login`](Self::login).
    pub async fn login_sliding<U: AuthUser>(&self, user: &U, client: Device) -> Result<Tokens, SessionError> {
        let mut session = self.draft_for(user, client)?;
        session.access_id = session.refresh_id;
        self.ask_before_login(&session).await?;
        let own = self.own_claims(&session).await?;
        let token = self.issue_sliding(&session, &own, self.max_token)?;
        self.insert(user, &session, Vec::new()).await?;
        Ok(self.hand_over_sliding(token, session, None))
    }

    /// Spends a sliding token and issues its successor, also when it lets nobody in any more.
    ///
    /// Inside the grace window the token before the newest is answered with that again, so a lost answer or two
    /// requests at a time do no harm.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is none of ours, or past its `refresh_exp`; [`SessionError::Expired`] or
    ///   [`SessionError::Revoked`] if its session is over.
    /// - [`SessionError::Reused`] if it was spent before, outside the grace window: its session is revoked now.
    /// - [`SessionError::Claims`], [`SessionError::ClaimRefused`] and [`SessionError::TokenTooLarge`] as in
    ///   [`refresh`](Self::refresh).
    /// - [`SessionError::Store`] if the store failed: the token may be spent, and is good inside the grace window.
    pub async fn refresh_sliding(&self, token: &str, client: &Device) -> Result<Tokens, SessionError> {
        let now = self.clock.now();
        let (Verified::Valid(sliding) | Verified::Expired(sliding)) = self.read_sliding(token)?;
        let Sliding { subject, session, generation, token } = sliding;
        // One that was ended alone inside its grace window is not answered either.
        if self.store.load(session).await?.is_some_and(|session| session.has_revoked(token)) {
            return Err(SessionError::Expired);
        }
        let own = self.own_claims_of(session, now).await?;
        let next = TokenId::random()?;
        let successor = Successor { address: client.address, ..Successor::new(next, next) };
        let spent = Refresh { subject, session, generation, foreign: None };
        let (rotation, session) = self.rotate(spent, successor, now).await?;
        // What is held to the limit of a cookie at a login, and by `update_user` in an access token, which says a little
        // less, must not be too large when it is too late to say so: here it need only be read again.
        let token = self.issue_sliding(&session, &own, MAX_LEN)?;
        let delivery = self.tell_rotation(rotation, &session, client).await;
        Ok(self.hand_over_sliding(token, session, delivery.as_ref()))
    }

    /// Verifies what a bearer header brings: an access token or a sliding one.
    pub(crate) fn read_bearer(&self, token: &str) -> Result<BearerToken, TokenError> {
        // By its looks first, so that neither kind is read twice.
        if !self.sliding.begins(token) {
            match self.read_access(token) {
                Err(TokenError::WrongKind) => {}
                read => return read.map(BearerToken::Access),
            }
        }
        self.read_sliding(token).map(BearerToken::Sliding)
    }

    /// Verifies a sliding token, whatever its generation, until its `refresh_exp`. One past its `exp` is told apart.
    pub(crate) fn read_sliding(&self, token: &str) -> Result<Verified<Sliding>, TokenError> {
        self.sliding.verify(token, &self.access_expected(self.clock.now()), self.config.refresh_ttl.as_secs())
    }

    /// Tells how things stand with what a bearer header brings.
    pub(crate) async fn check_bearer(&self, token: &BearerToken) -> Result<AccessState, SessionError> {
        match token {
            BearerToken::Access(access) => self.check(access).await,
            BearerToken::Sliding(sliding) => self.check_sliding(sliding).await,
        }
    }

    /// Tells how things stand with a genuine sliding token.
    pub(super) async fn check_sliding(
        &self,
        sliding: &Verified<Sliding>,
    ) -> Result<AccessState, SessionError> {
        match sliding {
            Verified::Valid(sliding) => self.check_holder(sliding, self.clock.now()).await,
            Verified::Expired(_) => Ok(AccessState::Expired),
        }
    }

    /// Returns session and id of a sliding token that lets nobody in any more, and can be renewed.
    pub(super) async fn renewable_sliding(
        &self,
        sliding: &Verified<Sliding>,
    ) -> Result<(SessionId, TokenId), SessionError> {
        let sliding = sliding.said();
        self.check_holder(sliding, self.clock.now()).await?;
        Ok((sliding.session, sliding.token))
    }

    /// Decides whether the holder of a genuine sliding token holds the one that counts, of a session that is alive.
    async fn check_holder(&self, sliding: &Sliding, now: u64) -> Result<AccessState, SessionError> {
        let session = self.store.load(sliding.session).await?.ok_or(SessionError::Expired)?;
        // Equal in every token we ever issued (J-19).
        if *session.subject != *sliding.subject {
            return Err(TokenError::Claim("sub").into());
        }
        alive(session.state_at(now))?;
        if session.has_revoked(sliding.token) {
            return Err(SessionError::Expired);
        }
        // One that is newer than the record is genuine: the store had lost a write.
        if sliding.generation < session.generation {
            let is_under_way = sliding.generation.saturating_add(1) == session.generation
                && now.saturating_sub(session.rotated_at) < self.config.refresh_grace.as_secs();
            if !is_under_way {
                return Err(SessionError::Expired);
            }
            if self.config.revoke_on_refresh {
                // Its holder may still ask for the one that counts.
                return Ok(AccessState::Expired);
            }
        }
        Ok(AccessState::Live(session))
    }

    /// Writes the one current token of a session: asked twice, this gives the same twice, if nothing was changed in
    /// the user meanwhile.
    ///
    /// `own` are the application's own claims, from [`Self::own_claims`].
    pub(super) fn issue_sliding(
        &self,
        session: &Session,
        own: &Map<String, Value>,
        max: usize,
    ) -> Result<Token, SessionError> {
        let token = self.sliding.issue(&SlidingClaims {
            access: self.claims_of(session, own, SLIDING, session.rotated_at),
            generation: session.generation,
            refresh_exp: session.expires_at,
        });
        let got = token.len();
        if got > max { Err(SessionError::TokenTooLarge { got, max }) } else { Ok(Token(token)) }
    }

    /// Returns until when the current sliding token of a session lets its holder in, in Unix seconds.
    fn lets_in_until(&self, session: &Session) -> u64 {
        session.rotated_at.saturating_add(self.config.access_ttl.as_secs()).min(session.expires_at)
    }

    /// Returns the token of a login or refresh whose answer is on its way.
    fn hand_over_sliding(&self, token: Token, session: Session, delivery: Option<&Delivery>) -> Tokens {
        let now = self.clock.now();
        if let Some(delivery) = delivery {
            delivery.left(now);
        }
        Tokens {
            access: token,
            refresh: None,
            expires_in: self.lets_in_until(&session).saturating_sub(now),
            refresh_expires_in: session.expires_at.saturating_sub(now),
            session,
        }
    }
}
