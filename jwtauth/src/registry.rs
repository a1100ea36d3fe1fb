//! What was issued: a record of each token, in the tree of its session. Pure, like `record`.
//!
//! A login is the root: its refresh token, with its access token below it. Each rotation hangs the next
//! refresh token below the one that was spent, and an access token below that; or a sliding token, with nothing
//! beside it. No token is kept, only its id. Which records a login or a rotation adds: `store::rules`.

use serde::Serialize;

use crate::id::{SessionId, TokenId};

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Sent with every request.
    Access,
    /// Spent for the next pair.
    Refresh,
    /// Sent with every request, and spent for the next one: [`Session::is_sliding`](crate::Session::is_sliding).
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
    /// A refresh or sliding token that was spent counts as ended when its successor was issued.
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
