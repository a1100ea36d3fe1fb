//! What was issued: a record of each token, in the tree of its session. Pure, like `record`.
//!
//! A login is the root: its refresh token, with its access token below it. Each rotation hangs the next
//! refresh token below the one that was spent, and an access token below that; or a sliding token, with
//! nothing beside it. No token is kept, only its id. Which records a login or a rotation adds:
//! `store::rules`.

use std::collections::HashMap;
use std::iter::successors;

use serde::Serialize;

use crate::id::{SessionId, TokenId};
use crate::record::Session;

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Sent with every request.
    Access,
    /// Spent for the next pair.
    Refresh,
    /// Sent with every request, and spent for the next one:
    /// [`Session::is_sliding`](crate::Session::is_sliding).
    Sliding,
}

/// One token that was issued. All times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The token (claim `jti`).
    pub id: TokenId,
    /// The session it speaks for, which is its whole tree.
    pub session: SessionId,
    /// What it is.
    pub kind: TokenKind,
    /// The token it was issued for: a refresh or sliding token, or none for that of the login.
    pub parent: Option<TokenId>,
    /// When it was issued.
    pub issued_at: u64,
    /// When it expires by itself. A sliding token: when it cannot be spent any more (claim `refresh_exp`).
    pub expires_at: u64,
    /// When it was ended before that, alone or with its session.
    pub revoked_at: Option<u64>,
}

impl TokenRecord {
    /// Describes a token that was issued at login. Times are Unix seconds.
    #[must_use]
    pub const fn new(
        id: TokenId,
        session: SessionId,
        kind: TokenKind,
        issued_at: u64,
        expires_at: u64,
    ) -> Self {
        Self { id, session, kind, parent: None, issued_at, expires_at, revoked_at: None }
    }

    /// Tells whether the token is good at `now`: neither expired nor ended.
    ///
    /// That is what a request with it gets. A refresh token that was spent counts as ended when its successor
    /// was issued, a sliding token when the grace window after that is over. With
    /// [`revoke_on_refresh`](crate::TokenConfig::revoke_on_refresh) a sliding token and an access token
    /// end when their successors are issued. The [`leeway`](crate::TokenConfig::leeway) is not counted.
    #[must_use]
    pub fn is_active_at(&self, now: u64) -> bool {
        now < self.expires_at && self.revoked_at.is_none_or(|revoked_at| now < revoked_at)
    }

    /// Returns when the token is over, by whichever comes first: expiry or revocation.
    #[must_use]
    pub fn ends_at(&self) -> u64 {
        self.revoked_at.map_or(self.expires_at, |revoked_at| revoked_at.min(self.expires_at))
    }
}

/// What a refresh does to the tokens that it replaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacement {
    /// Whether it ends them at once: `revoke_on_refresh`.
    pub(crate) at_once: bool,
    /// How long a sliding token is good for requests that are under way, in seconds.
    pub(crate) grace: u64,
}

impl Replacement {
    /// Returns when a token ends that was replaced at `at`, in Unix seconds; `None` if only its expiry ends
    /// it.
    pub(crate) const fn end(self, kind: TokenKind, at: u64) -> Option<u64> {
        match kind {
            TokenKind::Access if self.at_once => Some(at),
            TokenKind::Access => None,
            TokenKind::Sliding if !self.at_once => Some(at.saturating_add(self.grace)),
            TokenKind::Refresh | TokenKind::Sliding => Some(at),
        }
    }

    /// Brings records of tokens to what the record of their session says: which were replaced, and that all
    /// ended with it.
    pub(crate) fn settle(self, tokens: &mut [TokenRecord], session: &Session) {
        let spendable = tokens.iter().filter(|token| token.kind != TokenKind::Access);
        let spent: HashMap<TokenId, u64> =
            spendable.clone().filter_map(|token| Some((token.id, token.revoked_at?))).collect();
        let children: HashMap<TokenId, TokenId> =
            spendable.filter_map(|token| Some((token.parent?, token.id))).collect();
        // An answer that was repeated with another sliding token has hung that below the first one. Which of
        // them was spent for the next generation, and when: all of them are over with it.
        let replaced = |token: TokenId| {
            let line = successors(Some(token), |token| children.get(token).copied()).take(children.len() + 1);
            let mut line = line.filter(|token| !session.has_revoked(*token));
            line.find_map(|token| Some((token, *spent.get(&token)?)))
        };
        for token in tokens {
            match token.kind {
                TokenKind::Access if token.id != session.access_id => {
                    let at =
                        token.parent.and_then(|parent| spent.get(&parent)).unwrap_or(&session.rotated_at);
                    token.end_at(self.end(token.kind, *at));
                }
                TokenKind::Sliding if token.id != session.refresh_id && !session.has_revoked(token.id) => {
                    token.revoked_at = None;
                    let Some((last, at)) = replaced(token.id) else { continue };
                    token.end_at(self.end(token.kind, at));
                    // Only those of the generation before the newest are good for a while.
                    let next = children.get(&last).and_then(|next| replaced(*next));
                    token.end_at(next.map(|(_, at)| at));
                }
                TokenKind::Access | TokenKind::Refresh | TokenKind::Sliding => {}
            }
            token.end_at(session.revoked.map(|revocation| revocation.at));
        }
    }
}

impl TokenRecord {
    /// Notes an end, if it comes before any other.
    fn end_at(&mut self, at: Option<u64>) {
        let at = at.filter(|at| *at < self.ends_at());
        self.revoked_at = at.or(self.revoked_at);
    }
}
