//! What was issued, and tokens that end alone.

use std::slice;
use std::sync::Arc;

use super::end::MayEnd;
use super::{AccessState, Sessions};
use crate::error::{SessionError, TokenError};
use crate::event::Event;
use crate::id::{SessionId, TokenId};
use crate::record::{RevocationReason, Session};
use crate::registry::TokenRecord;
use crate::store::TokenRevocation;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::token::sliding::Sliding;
use crate::user::TokenUser;

/// How many records one step of an archival removes.
const ARCHIVE_BATCH: usize = 1_000;

/// A genuine token, of any kind.
#[derive(Debug)]
pub(crate) enum AnyToken {
    Access(Verified<Access>),
    Refresh(Refresh),
    Sliding(Verified<Sliding>),
}

/// What a token that is good speaks for.
#[derive(Debug)]
pub(crate) enum GoodToken {
    /// A live session, and which of its tokens it is.
    Session(Arc<Session>, TokenId),
    /// No session: another service has issued it. Only an access token says more of its user than who they are.
    Sessionless { subject: Arc<str>, user: Option<TokenUser> },
}

impl Sessions {
    /// Returns what was recorded of the tokens of a session, which is one tree: the oldest first, parents before
    /// their children. Empty unless [`token_registry`](crate::JwtAuthBuilder::token_registry) is on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn tokens(&self, session: SessionId) -> Result<Vec<TokenRecord>, SessionError> {
        let Some(registry) = &self.tokens else { return Ok(Vec::new()) };
        let mut tokens = registry.tokens_of(session).await?;
        let revoked = match self.store.load(session).await? {
            Some(session) => session.revoked.map(|revocation| revocation.at),
            None => None,
        };
        // A session takes all its tokens with it, in one write of its own record.
        if let Some(at) = revoked {
            for token in tokens.iter_mut().filter(|token| at < token.expires_at) {
                token.revoked_at = Some(token.revoked_at.map_or(at, |revoked_at| revoked_at.min(at)));
            }
        }
        Ok(tokens)
    }

    /// Returns what was recorded of the tokens of a subject, in all sessions that are still kept.
    ///
    /// Filter them with [`TokenRecord::is_active_at`] for those that are good, or that are over:
    ///
    /// ```
    /// # async fn run(sessions: &jwtauth::Sessions) -> Result<(), jwtauth::error::SessionError> {
    /// let mut active = sessions.tokens_of("42").await?;
    /// active.retain(|token| token.is_active_at(sessions.now()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn tokens_of(&self, subject: &str) -> Result<Vec<TokenRecord>, SessionError> {
        let mut sessions = self.store.sessions_of(subject.into()).await?;
        sessions.sort_unstable_by_key(|session| (session.created_at, session.id));
        let mut tokens = Vec::new();
        for session in sessions {
            tokens.append(&mut self.tokens(session.id).await?);
        }
        Ok(tokens)
    }

    /// Ends one token of a session alone; what was issued with it or for it goes on. Returns whether the
    /// session is alive and the token was not ended before.
    ///
    /// An access token is refused from the next request on. A refresh token cannot be spent any more, so its session
    /// ends with its access token. Works without the registry. Durable when this returns. A session remembers 64
    /// such tokens at a time; one more ends the session. The newest sliding token is all that its session has, so that
    /// ends with it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; the token may then be good or not.
    pub async fn revoke_token(&self, session: SessionId, token: TokenId) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let Some(of) = self.store.load(session).await? else { return Ok(false) };
        if !of.is_live_at(now) {
            return Ok(false);
        }
        if of.is_sliding() && token == of.refresh_id {
            return self.revoke(session).await;
        }
        // No access token lives longer, and no refresh or sliding token than its session.
        let expires_at = if of.is_sliding() || token == of.refresh_id {
            of.expires_at
        } else {
            now.saturating_add((self.config.access_ttl + self.config.leeway).as_secs())
        };
        // One too many ends the session.
        let _told = self.ends.follow(MayEnd::These(slice::from_ref(&session)));
        let ended = self
            .within(self.store.revoke_token(TokenRevocation::new(session, token, expires_at, now)))
            .await?;
        if ended {
            self.emit(Event::TokenRevoked { session, token }).await;
        }
        Ok(ended)
    }

    /// Ends all good tokens of a session but some, each alone. Returns how many there were.
    ///
    /// Needs the registry, which knows what there is; without it only [`revoke`](Self::revoke) ends them all.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; some may then have ended.
    pub async fn revoke_tree(&self, session: SessionId, except: &[TokenId]) -> Result<usize, SessionError> {
        let now = self.clock.now();
        let mut ended = 0;
        for token in self.tokens(session).await? {
            if token.is_active_at(now) && !except.contains(&token.id) {
                ended += usize::from(self.revoke_token(session, token.id).await?);
            }
        }
        Ok(ended)
    }

    /// Ends the token in its text form, of any kind: alone, or with everything of its session.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Token`] if it is none of ours, [`SessionError::Expired`] or [`SessionError::Revoked`] if it is
    ///   not good any more.
    /// - [`SessionError::Store`] if the store failed.
    pub async fn revoke_jwt(&self, token: &str, affect_tree: bool) -> Result<(), SessionError> {
        self.revoke_any(&self.read_any(token)?, affect_tree).await
    }

    /// Likewise a genuine token.
    pub(crate) async fn revoke_any(&self, token: &AnyToken, affect_tree: bool) -> Result<(), SessionError> {
        let revoked = match self.revoke_foreign(token, RevocationReason::Requested).await? {
            Some(revoked) => revoked,
            None => {
                let (session, id) = self.to_revoke(token).await?;
                if affect_tree { self.revoke(session).await? } else { self.revoke_token(session, id).await? }
            }
        };
        if revoked { Ok(()) } else { Err(SessionError::Expired) }
    }

    /// Returns session and id of a token that can be revoked alone: one that is good, or a sliding one that can be renewed.
    async fn to_revoke(&self, token: &AnyToken) -> Result<(SessionId, TokenId), SessionError> {
        match (self.good_token(token).await, token) {
            (Ok(GoodToken::Session(session, token)), _) => Ok((session.id, token)),
            (Err(SessionError::Token(TokenError::Expired)), AnyToken::Sliding(sliding)) => {
                self.renewable_sliding(sliding).await
            }
            (Ok(GoodToken::Sessionless { .. }), _) => Err(SessionError::Expired),
            (Err(error), _) => Err(error),
        }
    }

    /// Verifies a token of any kind.
    pub(crate) fn read_any(&self, token: &str) -> Result<AnyToken, TokenError> {
        let refused = match self.read_access(token) {
            Ok(access) => return Ok(AnyToken::Access(access)),
            Err(refused) => refused,
        };
        match self.read_refresh(token) {
            Ok(refresh) => return Ok(AnyToken::Refresh(refresh)),
            // Its signature is good, so it is one.
            Err(TokenError::Expired) => return Err(TokenError::Expired),
            Err(_) => {}
        }
        match self.read_sliding(token) {
            Ok(sliding) => Ok(AnyToken::Sliding(sliding)),
            Err(TokenError::Expired) => Err(TokenError::Expired),
            // What it is not, in any of three ways, is less telling than what it would have been.
            Err(_) => Err(refused),
        }
    }

    /// Tells what a genuine token speaks for, if it is good. A sliding one is so as long as it lets its holder in.
    pub(crate) async fn good_token(&self, token: &AnyToken) -> Result<GoodToken, SessionError> {
        match token {
            AnyToken::Access(access) => match self.check(access).await? {
                AccessState::Live(session) => Ok(GoodToken::Session(session, access.said().token)),
                AccessState::Sessionless(user) => {
                    let subject = Arc::clone(&access.said().subject);
                    Ok(GoodToken::Sessionless { subject, user: Some(user) })
                }
                AccessState::Expired => Err(TokenError::Expired.into()),
            },
            AnyToken::Refresh(refresh) => {
                if let Some(foreign) = &refresh.foreign {
                    self.check_unspent(refresh, foreign).await?;
                    return Ok(GoodToken::Sessionless { subject: Arc::clone(&refresh.subject), user: None });
                }
                let session = self.check_refresh(refresh).await?;
                let token = session.refresh_id;
                Ok(GoodToken::Session(session, token))
            }
            AnyToken::Sliding(sliding) => match self.check_sliding(sliding).await? {
                AccessState::Live(session) => Ok(GoodToken::Session(session, sliding.said().token)),
                AccessState::Sessionless(_) | AccessState::Expired => Err(TokenError::Expired.into()),
            },
        }
    }

    /// Removes what was recorded of tokens that expired by themselves before `before`, in Unix seconds. Returns how many.
    ///
    /// A session that is swept takes its records along, so this is for sessions that go on for long.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; some may then have been removed.
    pub async fn archive(&self, before: u64) -> Result<usize, SessionError> {
        // One whose session still remembers that it was ended cannot be good again: that is in the session.
        let before = before.min(self.clock.now());
        let Some(registry) = &self.tokens else { return Ok(0) };
        let mut removed = 0;
        loop {
            let swept = registry.archive(before, ARCHIVE_BATCH).await?;
            removed += swept.removed;
            if !swept.more {
                return Ok(removed);
            }
        }
    }
}
