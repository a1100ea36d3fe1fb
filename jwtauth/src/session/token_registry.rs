//! Issued tokens: what was recorded about them, and the revocation of one token alone.

use std::slice;
use std::sync::Arc;

use super::end::MayEnd;
use super::{AccessState, Sessions};
use crate::config::Config;
use crate::error::{SessionError, TokenError};
use crate::events::Event;
use crate::id::{SessionId, TokenId};
use crate::record::Session;
use crate::registry::{Replacement, TokenRecord};
use crate::store::TokenRevocation;
use crate::token::access::{Access, Verified};
use crate::token::refresh::Refresh;
use crate::token::sliding::Sliding;
use crate::user::TokenUser;

/// How many records one step of an archival removes.
const ARCHIVE_BATCH: usize = 1_000;

#[derive(Debug)]
pub(crate) enum AnyToken {
    Access(Verified<Access>),
    Refresh(Refresh),
    Sliding(Verified<Sliding>),
}

#[derive(Debug)]
pub(crate) enum GoodToken {
    /// Of a live session.
    Session(Arc<Session>),
    /// No session: another service has issued it. Only an access token tells more about its user than the
    /// subject.
    Sessionless { subject: Arc<str>, user: Option<TokenUser> },
}

impl Sessions {
    /// Returns the recorded tokens of a session, which form one tree: the oldest first, parents before their
    /// children. Empty unless [`token_registry`](crate::StorageConfig::token_registry) is on.
    ///
    /// Of a session with many, only the newest are kept: 512 at least, and 1,024 at most. So is their order
    /// kept, and a parent may be missing. To show them in pages, use [`tokens_after`](Self::tokens_after).
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn tokens(&self, session: SessionId) -> Result<Vec<TokenRecord>, SessionError> {
        let Some(registry) = &self.tokens else { return Ok(Vec::new()) };
        let mut tokens = registry.tokens_of(session).await?;
        if let Some(session) = self.load(session).await? {
            self.replacement().settle(&mut tokens, &session);
        }
        Ok(tokens)
    }

    /// Returns up to `limit` of the [`tokens`](Self::tokens) of a session, which stand behind the token
    /// `after`.
    ///
    /// For the next page, pass the id of the last token of this page. If the token `after` is not recorded
    /// any more, older ones are not either: the page begins with the oldest.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn tokens_after(
        &self,
        session: SessionId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenRecord>, SessionError> {
        let mut tokens = self.tokens(session).await?;
        let behind = tokens.iter().position(|token| Some(token.id) == after).map_or(0, |at| at + 1);
        tokens.drain(..behind);
        tokens.truncate(limit);
        Ok(tokens)
    }

    pub(super) const fn replacement(&self) -> Replacement {
        Replacement {
            at_once: self.config.tokens.revoke_on_refresh,
            grace: self.config.refresh_grace.as_secs(),
        }
    }

    /// Returns the recorded tokens of a subject, in all sessions that are still kept.
    ///
    /// That may be 1,024 of each session, so it is for programs. To show them to users, take
    /// [`list`](Self::list) and [`tokens_after`](Self::tokens_after).
    ///
    /// Filter them with [`TokenRecord::is_active_at`], for the active or the other ones:
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

    /// Revokes one token of a session alone. Other tokens of the session stay valid. Returns whether neither
    /// the session nor the token was revoked before.
    ///
    /// An access token is refused from the next request on. A refresh token can no longer be spent, so its
    /// session ends with its access token. Revoking the newest sliding token revokes its session, which has
    /// no other token. Works without the registry. Durable when this returns. A session remembers 64 such
    /// tokens at a time; one more revokes the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; the token may then be valid or not.
    pub async fn revoke_token(&self, session: SessionId, token: TokenId) -> Result<bool, SessionError> {
        let Some(of) = self.load(session).await? else { return Ok(false) };
        // No access token lives longer. The clock may have gone back since it was issued.
        let issued_at = of.rotated_at.max(self.clock.now());
        self.revoke_token_until(&of, token, issued_at.saturating_add(self.config.access_ttl.as_secs())).await
    }

    /// Like [`Self::revoke_token`], for an access token that expires at `expires_at` by itself.
    pub(super) async fn revoke_token_until(
        &self,
        of: &Session,
        token: TokenId,
        expires_at: u64,
    ) -> Result<bool, SessionError> {
        let (session, now) = (of.id, self.clock.now());
        // Whether it has expired or not: the clock may be ahead of others.
        if of.revoked.is_some() {
            return Ok(false);
        }
        if of.is_sliding() && token == of.refresh_id {
            return self.revoke(session).await;
        }
        // No refresh or sliding token outlives its session.
        let expires_at = if of.is_sliding() || token == of.refresh_id {
            of.expires_at
        } else {
            expires_at.saturating_add(Config::MAX_LEEWAY.as_secs())
        };
        // One token too many revokes the session.
        let _following = self.ends.follow(MayEnd::These(slice::from_ref(&session)));
        let (store, revocation) =
            (Arc::clone(&self.store), TokenRevocation::new(session, token, expires_at, now));
        let revoke = async move { store.revoke_token(revocation).await };
        self.report_after(revoke, move |revoked| revoked.then_some(Event::TokenRevoked { session, token }))
            .await
    }

    /// Revokes all valid tokens of a session except those in `except`, each alone. Returns how many it
    /// revoked.
    ///
    /// Needs the registry, which knows the tokens. Without it, use [`revoke`](Self::revoke).
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; some tokens may then be revoked.
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

    pub(crate) fn read_any(&self, token: &str) -> Result<AnyToken, TokenError> {
        let refused = match self.read_access(token) {
            Ok(access) => return Ok(AnyToken::Access(access)),
            Err(refused) => refused,
        };
        match self.read_refresh(token) {
            Ok(refresh) => return Ok(AnyToken::Refresh(refresh)),
            // Its signature is good, so it is a refresh token.
            Err(TokenError::Expired) => return Err(TokenError::Expired),
            Err(_) => {}
        }
        match self.read_sliding(token) {
            Ok(sliding) => Ok(AnyToken::Sliding(sliding)),
            Err(TokenError::Expired) => Err(TokenError::Expired),
            // The first reason tells the most.
            Err(_) => Err(refused),
        }
    }

    /// Tells what a genuine token stands for, if it is valid. A sliding one is valid until its `exp`.
    pub(crate) async fn good_token(&self, token: &AnyToken) -> Result<GoodToken, SessionError> {
        match token {
            AnyToken::Access(access) => match self.check(access).await? {
                AccessState::Live(session) => Ok(GoodToken::Session(session)),
                AccessState::Sessionless(user) => {
                    let subject = Arc::clone(&access.said().subject);
                    Ok(GoodToken::Sessionless { subject, user: Some(user) })
                }
                AccessState::Expired => Err(TokenError::Expired.into()),
                AccessState::Revoked => Err(SessionError::TokenRevoked),
            },
            AnyToken::Refresh(refresh) => {
                if let Some(foreign) = &refresh.foreign {
                    self.check_unspent(refresh, foreign).await?;
                    return Ok(GoodToken::Sessionless { subject: Arc::clone(&refresh.subject), user: None });
                }
                self.check_refresh(refresh).await.map(GoodToken::Session)
            }
            AnyToken::Sliding(sliding) => match self.check_sliding(sliding).await? {
                AccessState::Live(session) => Ok(GoodToken::Session(session)),
                AccessState::Sessionless(_) | AccessState::Expired => Err(TokenError::Expired.into()),
                AccessState::Revoked => Err(SessionError::TokenRevoked),
            },
        }
    }

    /// Tells whether a token of any kind is valid.
    pub(crate) async fn is_good(&self, token: &str) -> Result<bool, SessionError> {
        let Ok(token) = self.read_any(token) else { return Ok(false) };
        match self.good_token(&token).await {
            Ok(_) => Ok(true),
            Err(error @ SessionError::Store(_)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Deletes records of tokens whose expiry time is before `before`, in Unix seconds. Returns how many.
    ///
    /// Sweeping a session deletes its records too, and a session keeps the newest only. So this is for those
    /// who want to keep less.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; some records may then be deleted.
    pub async fn archive(&self, before: u64) -> Result<usize, SessionError> {
        // The session itself remembers a revoked token, so deleting its record cannot make it valid again.
        let before = before.min(self.settled());
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
