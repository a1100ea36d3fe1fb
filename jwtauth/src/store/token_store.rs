//! Where the registry is kept: [`TokenStore`], by a store that keeps sessions too.
//!
//! # Invariants of every store
//!
//! 1. The records of a session's tokens change in one step with the session: at login and at each rotation as
//!    [`rules`](super::rules) say, if the request names a lifetime (`register`).
//! 2. They go with their session, whoever removes that.

use std::fmt;

use super::requests::{StoreFuture, Swept};
use crate::id::SessionId;
use crate::registry::TokenRecord;

/// Keeps a record of each token, beside sessions.
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the records of the tokens of a session, the oldest first, parents before their children.
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>>;

    /// Removes records of tokens that [have expired](super::rules::is_archived) before `before`, in Unix
    /// seconds: at most `limit` of them.
    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept>;
}
