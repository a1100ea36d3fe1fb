//! Sliding tokens: one token that is both access token and refresh token.
//!
//! Its session is like any other. The rules for rotation, races, the grace window and late tokens are those
//! of refresh tokens (`verify`); only what is handed out differs. In the record both ids of such a session
//! are the same ([`Session::is_sliding`]), so a store needs no more information.
//!
//! # Invariants
//!
//! 1. A replaced copy is refused. Only the newest one is accepted, and the one before it inside the grace
//!    window, for requests that were under way.
//! 2. `exp` is never after `refresh_exp`, which is the session's own `expires_at`.
//! 3. One session, one token: revoking that token alone ends its session.

use std::time::Duration;

use serde_json::{Map, Value};

use super::open::Eviction;
use super::rotate::successor;
use super::{AccessState, PendingLogin, Sessions, Token, Tokens, issued_at, later_growth};
use crate::claims::{SLIDING, SlidingClaims};
use crate::device::Device;
use crate::error::{SessionError, TokenError};
use crate::id::TokenId;
use crate::record::Session;
use crate::token::MAX_LEN;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::token::sliding::Sliding;
use crate::user::AuthUser;

#[derive(Debug)]
pub(crate) enum BearerToken {
    Access(Verified<Access>),
    Sliding(Verified<Sliding>),
}

impl Sessions {
    /// Opens a session for `user` with one sliding token, which is both access token and refresh token. This
    /// is what clients of djangorestframework-simplejwt's sliding tokens expect.
    ///
    /// It is accepted for [`access_ttl`](crate::JwtAuthBuilder::access_ttl). It can be renewed for
    /// [`refresh_ttl`](crate::JwtAuthBuilder::refresh_ttl), by [`refresh_sliding`](Self::refresh_sliding). It
    /// is read from an `Authorization: Bearer` header, never from a cookie. The session is on disk when this
    /// returns.
    ///
    /// It is sent with every request. Anyone who sees one request can use the session until it ends. If that
    /// matters, use [`login`](Self::login), whose refresh token is rarely sent.
    ///
    /// # Errors
    ///
    /// Those of [`login`](Self::login).
    pub async fn login_sliding<U: AuthUser>(&self, user: &U, client: Device) -> Result<Tokens, SessionError> {
        self.open_sliding(user, client, Eviction::AtOnce).await.map(|(tokens, _)| tokens)
    }

    /// Likewise. What the login does to other sessions may wait for its answer.
    pub(crate) async fn open_sliding<U: AuthUser>(
        &self,
        user: &U,
        client: Device,
        eviction: Eviction,
    ) -> Result<(Tokens, Option<Box<PendingLogin>>), SessionError> {
        let mut session = self.draft_for(user, client)?;
        session.access_id = session.refresh_id;
        self.ask_before_login(&session).await?;
        let own = self.own_claims(&session).await?;
        let token = self.issue_sliding(&session, &own, session.created_at, self.max_token)?;
        let pending = self.insert(user, &session, Vec::new(), eviction).await?;
        Ok((self.hand_over_sliding(token, session), pending))
    }

    /// Spends a sliding token and issues its successor, also when it has expired as an access token.
    ///
    /// The token before the newest gets the newest one again, inside the grace window and for as long as
    /// nobody has used the newest. So a lost answer or two concurrent requests do no harm.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is not a token of this application, or is past its `refresh_exp`.
    ///   [`SessionError::Expired`], [`SessionError::Replaced`] or [`SessionError::Revoked`] if its session is
    ///   over.
    /// - [`SessionError::Reused`] if its successor was used, and the grace window is over. Its session is now
    ///   revoked. [`SessionError::RepeatedElsewhere`] as in [`refresh`](Self::refresh).
    /// - What [`before_refresh`](crate::JwtAuthBuilder::before_refresh) and
    ///   [`access_claims`](crate::JwtAuthBuilder::access_claims) refuse, as in [`refresh`](Self::refresh).
    /// - [`SessionError::Store`] if the store failed. The token may be spent: ask again with the same one.
    pub async fn refresh_sliding(&self, token: &str, client: &Device) -> Result<Tokens, SessionError> {
        let now = self.clock.now();
        let (Verified::Valid(sliding) | Verified::Expired(sliding)) = self.read_sliding(token)?;
        let Sliding { subject, session, generation, token } = sliding;
        let spent = Refresh { subject, session, generation, foreign: None };
        let before = self.record_before(&spent).await?;
        // A token that was revoked alone is refused inside its grace window too.
        if before.has_revoked(token) {
            return Err(SessionError::Expired);
        }
        let own = self.own_claims_before(&before, now).await?;
        let next = TokenId::random()?;
        let successor = successor(next, next, client);
        let (rotation, session) = self.rotate(spent, successor, now, Duration::ZERO).await?;
        // A login and `update_user` check the size limit of a cookie. Here it is too late for that error: the
        // token is spent, and only must be readable again.
        let token = self.issue_sliding(&session, &own, now, MAX_LEN)?;
        self.tell_rotation(rotation, &session, client).await;
        Ok(self.hand_over_sliding(token, session))
    }

    /// Verifies the token of a bearer header: an access token or a sliding one.
    pub(crate) fn read_bearer(&self, token: &str) -> Result<BearerToken, TokenError> {
        // By its first characters, so that no token is read twice.
        if !self.sliding.begins(token) {
            match self.read_access(token) {
                Err(TokenError::WrongKind) => {}
                read => return read.map(BearerToken::Access),
            }
        }
        self.read_sliding(token).map(BearerToken::Sliding)
    }

    /// Verifies a sliding token of any generation, until its `refresh_exp`. One past its `exp` is returned as
    /// expired.
    pub(crate) fn read_sliding(&self, token: &str) -> Result<Verified<Sliding>, TokenError> {
        self.sliding.verify(token, &self.access_expected(self.clock.now()), self.config.refresh_ttl.as_secs())
    }

    pub(crate) async fn check_sliding(
        &self,
        sliding: &Verified<Sliding>,
    ) -> Result<AccessState, SessionError> {
        match sliding {
            Verified::Valid(sliding) => self.check_holder(sliding).await,
            Verified::Expired(_) => Ok(AccessState::Expired),
        }
    }

    /// Decides whether a genuine sliding token is the current one of a live session.
    async fn check_holder(&self, sliding: &Sliding) -> Result<AccessState, SessionError> {
        let session = self.live(sliding.session, &sliding.subject).await?;
        if session.has_revoked(sliding.token) {
            return Err(SessionError::Expired);
        }
        if !self.is_under_way(&session, sliding.generation) {
            return Err(SessionError::Expired);
        }
        let is_replaced = self.config.tokens.revoke_on_refresh && sliding.generation < session.generation;
        if is_replaced || self.is_far_ahead(session.access_issued_at) {
            // It can still be renewed.
            return Ok(AccessState::Expired);
        }
        self.confirm_rotation(&session, sliding.generation);
        Ok(AccessState::Live(session))
    }

    /// Tells whether a sliding token of a generation may be with requests that are under way: the newest, or
    /// the one before it inside the grace window.
    pub(super) fn is_under_way(&self, session: &Session, generation: u64) -> bool {
        // A token newer than the record is genuine: the store has lost a write.
        generation >= session.generation
            || session.replaced_lately(generation, self.clock.now(), self.config.refresh_grace)
    }

    /// Writes the one current token of a session, if it is no longer than `max` bytes.
    ///
    /// `own` are the claims of the application, from [`Self::own_claims`].
    pub(super) fn issue_sliding(
        &self,
        session: &Session,
        own: &Map<String, Value>,
        now: u64,
        max: usize,
    ) -> Result<Token, SessionError> {
        let ahead = self.clock.ahead_in_tokens();
        let token = self.sliding.issue(&SlidingClaims {
            access: self.claims_of(session, own, SLIDING, issued_at(session, now), ahead),
            generation: session.generation,
            refresh_exp: session.expires_at.saturating_sub(ahead),
        });
        let got = token.len() + later_growth(session, ahead);
        if got > max { Err(SessionError::TokenTooLarge { got, max }) } else { Ok(Token::new(token)) }
    }

    /// Returns the token of a login or refresh.
    fn hand_over_sliding(&self, token: Token, session: Session) -> Tokens {
        let (expires_in, refresh_expires_in) = self.left(&session);
        Tokens { access: token, refresh: None, expires_in, refresh_expires_in, session }
    }
}
