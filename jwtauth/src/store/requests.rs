//! What a store is asked, and what it returns. Plain data: what it means is in [`rules`](super::rules).
//!
//! Each struct may get more fields. So a store outside this crate compiles then, build one with its
//! constructor, and change fields after that.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::error::StoreError;
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, RotationPolicy, Session, Successor};

/// What a store's operations return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A genuine refresh token was presented. The store decides by [`rules::rotate`](super::rules::rotate) what
/// it does, and keeps the result.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RotationRequest {
    /// The session the token names.
    pub session: SessionId,
    /// The generation the token names.
    pub generation: u64,
    /// When, in Unix seconds.
    pub now: u64,
    /// The lengths that govern rotation.
    pub policy: RotationPolicy,
    /// The next tokens, if the presented one is good.
    pub successor: Successor,
    /// The lifetime of access tokens, if a [`TokenRecord`](crate::TokenRecord) of each token is to be kept. A
    /// store without a [`TokenStore`](super::TokenStore) never sees one.
    pub register: Option<Duration>,
}

impl RotationRequest {
    /// Asks for the rotation of `session`, and for no record of its tokens.
    #[must_use]
    pub const fn new(
        session: SessionId,
        generation: u64,
        now: u64,
        policy: RotationPolicy,
        successor: Successor,
    ) -> Self {
        Self { session, generation, now, policy, successor, register: None }
    }
}

/// What a login does beside adding its session. The default does nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoginEffects {
    /// Sessions that are revoked, if they are still there, with
    /// [`RevocationReason::Replaced`](crate::RevocationReason::Replaced).
    pub replaces: Vec<SessionId>,
    /// How many live sessions the subject may have, the new one included. API keys do not count. Those that
    /// were idle the longest are revoked, with
    /// [`RevocationReason::Evicted`](crate::RevocationReason::Evicted). For a new API key: how many keys that
    /// are over are kept.
    pub max_sessions: Option<usize>,
    /// The lifetime of access tokens, if a [`TokenRecord`](crate::TokenRecord) of each token is to be kept. A
    /// store without a [`TokenStore`](super::TokenStore) never sees one.
    pub register: Option<Duration>,
    /// Whether nobody is revoked yet: the answer to the login has not left, and
    /// [`SessionStore::hand_out`](super::SessionStore::hand_out) does it when it leaves.
    pub put_off: bool,
    /// Sessions of the subject that do not count, and are not crowded out: their login was put off, or came
    /// by the same form as this one.
    pub uncounted: Vec<SessionId>,
    /// By which time a session is expired that the login forgets, in Unix seconds. With `None` it is that of
    /// the login, whose clock may be ahead of those of others who use the store.
    pub settled: Option<u64>,
}

/// Which sessions of a subject are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectRevocation {
    /// One that stays as it is, if any. With one, sessions of API keys stay too.
    pub except: Option<SessionId>,
    /// When and why the others are revoked.
    pub revocation: Revocation,
}

impl SubjectRevocation {
    /// Revokes all sessions of the subject.
    #[must_use]
    pub const fn all(revocation: Revocation) -> Self {
        Self { except: None, revocation }
    }

    /// Revokes all sessions of the subject except one and those of API keys.
    #[must_use]
    pub const fn all_except(session: SessionId, revocation: Revocation) -> Self {
        Self { except: Some(session), revocation }
    }
}

/// One token is revoked without its session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenRevocation {
    /// Its session.
    pub session: SessionId,
    /// The token.
    pub token: TokenId,
    /// When it expires by itself, in Unix seconds.
    pub expires_at: u64,
    /// When, in Unix seconds.
    pub now: u64,
}

impl TokenRevocation {
    /// Revokes `token` at `now`; it would expire at `expires_at`. Both are Unix seconds.
    #[must_use]
    pub const fn new(session: SessionId, token: TokenId, expires_at: u64, now: u64) -> Self {
        Self { session, token, expires_at, now }
    }
}

/// The user of a session, as it is from now on. The default has no roles, no scopes and no copy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UserUpdate {
    /// The new roles.
    pub roles: Vec<String>,
    /// The new scopes.
    pub scopes: Vec<String>,
    /// The new JSON copy of the user value.
    pub user: Option<Vec<u8>>,
    /// The type of the user: see [`Session::user_kind`]. A session of another one keeps its copy.
    pub user_kind: Option<String>,
}

/// How much a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSize {
    /// How many sessions, dead or alive.
    pub sessions: u64,
    /// How many accounts.
    pub accounts: u64,
    /// How large its files are, in bytes, if that is known.
    pub bytes: Option<u64>,
}

impl StoreSize {
    /// Says how many sessions and accounts there are.
    #[must_use]
    pub const fn new(sessions: u64, accounts: u64) -> Self {
        Self { sessions, accounts, bytes: None }
    }
}

/// What one batch of a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// The sessions among those removed that were live until they expired, as they were. A session is in one
    /// answer only. A record that cannot be read is left out.
    pub expired: Vec<Session>,
    /// How many records were removed: expired sessions, and expired values if the store keeps any.
    pub removed: usize,
    /// Whether there are more to remove.
    pub more: bool,
}
