//! What a login does to the other sessions of its subject.

use super::LoginEffects;
use crate::id::SessionId;
use crate::record::{RevocationReason, Session};

/// The most sessions that one login forgets.
const FORGOTTEN_AT_ONCE: usize = 100;

/// What a new session does to the others of its subject.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Those that have to end, and why.
    pub(super) ends: Vec<(SessionId, RevocationReason)>,
    /// Those that are to be forgotten.
    pub(super) forgotten: Vec<SessionId>,
}

impl LoginEffects {
    /// Decides what a new session does to the others of its subject.
    ///
    /// Forgotten are sessions that ended, beyond as many as may be alive: a login looks at all of its subject, so somebody
    /// who logs in and out all day must not make that slow for everybody. What is not kept is refused all the same.
    pub(super) fn consequences(&self, new: &Session, others: &[Session], now: u64) -> Consequences {
        let mut ends: Vec<_> = self.replaces.iter().map(|id| (*id, RevocationReason::Replaced)).collect();
        let Some(max) = self.max_sessions else { return Consequences { ends, ..Consequences::default() } };
        let others = others.iter().filter(|other| other.id != new.id && !self.replaces.contains(&other.id));
        let (mut live, mut over): (Vec<_>, Vec<_>) = others.partition(|other| other.is_live_at(now));
        live.sort_unstable_by_key(|session| (session.rotated_at, session.id));
        let crowded_out = (live.len() + 1).saturating_sub(max.max(1));
        ends.extend(live[..crowded_out].iter().map(|session| (session.id, RevocationReason::Evicted)));
        over.sort_unstable_by_key(|session| (session.rotated_at, session.id));
        over.truncate(over.len().saturating_sub(max).min(FORGOTTEN_AT_ONCE));
        let forgotten = over.iter().map(|session| session.id).collect();
        Consequences { ends, forgotten }
    }
}
