//! Where sessions are kept: the [`SessionStore`] trait and its two implementations; and [`ValueStore`], for what else
//! expires. With the feature `accounts` both keep accounts as well (`AccountStore`).
//!
//! The trait is made of domain operations, each atomic, and not of get and put: what must not come
//! apart is one call, which sled does in one batch and a remote store would do in one script.
//!
//! # Invariants of every store
//!
//! 1. An operation happens as a whole or not at all, and operations on one session take place one
//!    after the other.
//! 2. When a future that changes something resolves to `Ok`, the change is durable, as far as the
//!    store promises durability at all.
//! 3. The set of sessions is an allow-list: a record that is lost logs somebody out, never in. A write never creates a
//!    session except [`SessionStore::insert`] and [`ValueStore::insert_with_value`].
//!
//! The rules of a session's life are in `record`; a store only runs them where nobody can interfere.

#[cfg(feature = "accounts")]
mod accounts;
mod codec;
#[cfg(feature = "testing")]
pub mod conformance;
mod effects;
mod files;
mod keys;
mod memory;
mod sled;
mod values;
mod writer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "accounts")]
pub use self::accounts::{AccountStore, PasswordHash, StoredAccount};
pub use self::memory::MemoryStore;
pub use self::sled::SledStore;
pub use self::values::{NewValue, REMEMBERED, ValueKey, ValueStore};
use crate::error::StoreError;
use crate::id::{SessionId, TokenId};
use crate::record::Session;
pub use crate::record::{Revocation, RevokedToken, Rotation, RotationPolicy, SessionState, Successor};
use crate::registry::TokenRecord;

/// What a store's operations return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A genuine refresh token was presented; the store is to decide and record what it does.
#[derive(Clone, Copy, Debug)]
pub struct RotationRequest {
    /// The session the token names.
    pub session: SessionId,
    /// The generation the token names.
    pub generation: u64,
    /// When, in Unix seconds.
    pub now: u64,
    /// The lengths that govern rotation.
    pub policy: RotationPolicy,
    /// What comes after it, if there is to be something.
    pub successor: Successor,
    /// The lifetime of access tokens, if a [`TokenRecord`] of each token is to be kept.
    pub register: Option<Duration>,
}

/// What a login does beside adding its session.
#[derive(Clone, Debug, Default)]
pub struct LoginEffects {
    /// Sessions that end with it, if they are still there, for [`RevocationReason::Replaced`](crate::RevocationReason::Replaced).
    pub replaces: Vec<SessionId>,
    /// How many live sessions its subject may have, this one included. Those that were idle the longest end, for
    /// [`RevocationReason::Evicted`](crate::RevocationReason::Evicted).
    pub max_sessions: Option<usize>,
    /// The lifetime of access tokens, if a [`TokenRecord`] of each token is to be kept.
    pub register: Option<Duration>,
}

/// Which sessions of a subject are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectRevocation {
    /// One that goes on, if any.
    pub except: Option<SessionId>,
    /// When and why the others end.
    pub revocation: Revocation,
}

/// One token is to be ended alone.
#[derive(Clone, Copy, Debug)]
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

/// The user of a session, as it is to be from now on.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// The new roles.
    pub roles: Vec<String>,
    /// The new scopes.
    pub scopes: Vec<String>,
    /// The new JSON copy of the user value.
    pub user: Option<Vec<u8>>,
}

/// What one batch of a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The sessions among those removed that were live until their time ran out, as they were. A session is in one answer
    /// only. A record that cannot be read is left out.
    pub expired: Vec<Session>,
    /// How many expired sessions were removed, and values, if the store keeps any beside them ([`ValueStore`]).
    pub removed: usize,
    /// Whether there are more to remove.
    pub more: bool,
}

/// Keeps sessions. All times are Unix seconds.
///
/// Each method is one atomic step; see the [module documentation](self) for what that means.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a new session, and revokes those that it replaces or crowds out, at `session.created_at`, in one step.
    ///
    /// A store may forget sessions of the subject that are over, beyond [`LoginEffects::max_sessions`].
    fn insert(&self, session: Session, opening: LoginEffects) -> StoreFuture<'_, ()>;

    /// Returns the session, dead or alive, or `None` if there is none.
    ///
    /// Asked with every request of a logged-in user. Shared, so that a store may keep what it has read;
    /// what it keeps must never be older than an answer it has given.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>>;

    /// Runs [`Session::rotate`] on the session and keeps the result.
    ///
    /// Returns what happened and the session after it, or `None` if there is no such session.
    fn rotate(&self, presented: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>>;

    /// Revokes one session. Returns whether it was there and not revoked before.
    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool>;

    /// Revokes all sessions of a subject but one, in one step. Returns how many.
    fn revoke_subject(&self, subject: String, ends: SubjectRevocation) -> StoreFuture<'_, usize>;

    /// Runs [`Session::revoke_token`] on the session and keeps the result. Returns what it returned; `false` without a session.
    fn revoke_token(&self, end: TokenRevocation) -> StoreFuture<'_, bool>;

    /// Returns what was recorded of the tokens of a session, the oldest first, parents before their children.
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>>;

    /// Removes what was recorded of tokens that expired by themselves before `before`, at most `limit` of them.
    ///
    /// What is left of a session goes when the session is swept.
    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept>;

    /// Returns all sessions of a subject that are still kept, dead or alive, in no particular order.
    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>>;

    /// Renews the user in all sessions of a subject that are live at `now`, in one step. Returns how many.
    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize>;

    /// Removes sessions whose `expires_at` is `now` or earlier, at most `limit` of them, revoked ones included, and
    /// values ([`ValueStore`]), if the store keeps any.
    ///
    /// Only reclaims space: an expired session is refused whether it was swept or not (S-13).
    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept>;

    /// Waits until everything done so far is durable. Called before a process exits.
    fn flush(&self) -> StoreFuture<'_, ()>;

    /// Returns this store as one that keeps accounts too. Default: it keeps none.
    ///
    /// A store that implements [`AccountStore`] returns `Some(self)`.
    #[cfg(feature = "accounts")]
    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        None
    }

    /// Returns this store as one that keeps values too. Default: it keeps none.
    ///
    /// A store that implements [`ValueStore`] returns `Some(self)`. [`Compat`](crate::Compat) needs one.
    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        None
    }
}

impl UserUpdate {
    /// Puts the new user into a session.
    fn apply(&self, session: &mut Session) {
        session.roles.clone_from(&self.roles);
        session.scopes.clone_from(&self.scopes);
        session.user.clone_from(&self.user);
    }
}
