//! Sessions that stand for tokens of another service, and the tokens that may open none.
//!
//! Such a token is unknown here until it is seen for the first time. So there are two ways in which one that was ended
//! could be taken for new, and each has its rule:
//!
//! 1. Its record was forgotten. A record is kept as long as the token can be good; where a subject has too many, those
//!    of the oldest tokens go, and no token of that age opens a session any more ([`NotBefore`]).
//! 2. All sessions of its subject were ended before it was seen. Who ends them says so with a [`NotBefore`].

use super::LoginEffects;
use crate::id::SessionId;
use crate::record::{RevocationReason, Session};

/// The most sessions that one login forgets.
const FORGOTTEN_AT_ONCE: usize = 100;

/// How many adopted sessions that are over are kept of one subject, if no more may be alive.
const ADOPTED_KEPT: usize = 256;

/// Tokens of another service that are refused, though nobody has seen them yet: see
/// [`SessionStore::adopt`](super::SessionStore::adopt). One for each subject at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBefore {
    /// Those that were issued at this instant or earlier, in Unix seconds.
    pub at: u64,
    /// When the last of them has expired, in Unix seconds: from then on this may be forgotten.
    pub until: u64,
}

impl NotBefore {
    /// Tells whether a session would stand for a token that is refused, at `now`.
    ///
    /// One that is to be kept as ended is not: its token may be good for longer than this is kept.
    pub(super) fn refuses(self, session: &Session, now: u64) -> bool {
        session.revoked.is_none() && now < self.until && session.created_at <= self.at
    }

    /// Returns what refuses what either of two does.
    pub(super) fn max(self, other: Self) -> Self {
        Self { at: self.at.max(other.at), until: self.until.max(other.until) }
    }
}

/// What a new session does to the others of its subject.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Those that have to end, and why.
    pub(super) ends: Vec<(SessionId, RevocationReason)>,
    /// Those that are to be forgotten.
    pub(super) forgotten: Vec<SessionId>,
    /// The tokens that are refused from now on, because their sessions may be among those that are forgotten.
    pub(super) not_before: Option<NotBefore>,
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
        let (mut live, over): (Vec<_>, Vec<_>) = others.partition(|other| other.is_live_at(now));
        live.sort_unstable_by_key(|session| (session.rotated_at, session.id));
        let wanted = usize::from(new.is_live_at(now));
        let crowded_out = (live.len() + wanted).saturating_sub(max.max(1));
        ends.extend(live[..crowded_out].iter().map(|session| (session.id, RevocationReason::Evicted)));
        let (mut adopted, mut over): (Vec<_>, Vec<_>) = over.into_iter().partition(|other| other.adopted);
        over.sort_unstable_by_key(|session| (session.rotated_at, session.id));
        over.truncate(over.len().saturating_sub(max).min(FORGOTTEN_AT_ONCE));
        adopted.sort_unstable_by_key(|session| (session.created_at, session.id));
        adopted.truncate(adopted.len().saturating_sub(max.max(ADOPTED_KEPT)).min(FORGOTTEN_AT_ONCE));
        let refused = adopted.iter().map(|gone| NotBefore { at: gone.created_at, until: gone.expires_at });
        let not_before = refused.reduce(NotBefore::max);
        let forgotten = over.iter().chain(&adopted).map(|session| session.id).collect();
        Consequences { ends, forgotten, not_before }
    }
}
