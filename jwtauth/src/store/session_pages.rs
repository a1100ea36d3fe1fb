//! Reading all sessions, a page at a time: [`SessionPages`], by a store that operators can look into.

use std::fmt;

use super::requests::StoreFuture;
use crate::id::SessionId;
use crate::record::Session;

/// Lists the sessions of all subjects, for those who operate a store.
pub trait SessionPages: fmt::Debug + Send + Sync + 'static {
    /// Returns up to `limit` sessions, dead or alive, in the order of their ids, behind the id `after`.
    ///
    /// A page is read as it is at one moment, and changes between two pages are seen or not. Fewer than
    /// `limit` are the last page.
    fn sessions_after(&self, after: Option<SessionId>, limit: usize) -> StoreFuture<'_, Vec<Session>>;
}
