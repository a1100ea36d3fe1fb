//! What a refresh token does to its session.
//!
//! | presented | outcome |
//! |---|---|
//! | the current generation, or a newer one | the session is one generation on |
//! | the one before it, while nobody has used the current one | the same refresh token again |
//! | the one before it, in the grace window | the same refresh token again |
//! | the one before it, later, from the client that spent it and with an access token | let in, nothing more |
//! | the one before it, if the rotation is dated ahead | refused, once |
//! | any other | reuse: the session is revoked |
//!
//! # Invariants
//!
//! 1. A rotation starts unconfirmed. A token of the current generation that is presented confirms it. So an
//!    answer that was lost throws nobody out, and anyone who brings a token whose successor was used is
//!    found.
//! 2. The grace window starts with the rotation and never slides (S-4). Without one, a spent token is never
//!    answered.

use std::net::IpAddr;
use std::time::Duration;

use super::{Revocation, RevocationReason, Session, SessionState};
use crate::id::TokenId;

/// The tokens that a login or a rotation issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// The `jti` of the next refresh token.
    pub refresh: TokenId,
    /// The `jti` of the access token issued with it. The same as `refresh` for a sliding token.
    pub access: TokenId,
    /// The address that asks for them.
    pub address: Option<IpAddr>,
    /// A number that stands for the `User-Agent` that asks for them: see [`Session::agent`].
    pub agent: Option<u64>,
}

impl Successor {
    /// Names a refresh token and the access token issued with it.
    #[must_use]
    pub const fn new(refresh: TokenId, access: TokenId) -> Self {
        Self { refresh, access, address: None, agent: None }
    }
}

/// What governs a rotation. Of lengths, whole seconds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationPolicy {
    /// How long a spent refresh token is answered with its successor once more, although that was used. At 0
    /// it is never answered.
    pub grace: Duration,
    /// How long a refresh token lives: the inactivity limit.
    pub refresh_ttl: Duration,
    /// How long after the rotation the client that rotated is let in with what it had before. It is 0 except
    /// in a request that shows a pair of tokens of the session.
    pub late: Duration,
    /// How long after an access token was issued an answer may be repeated with the same one. Later the
    /// answer has one of its own.
    pub rewrite: Duration,
    /// Whether an answer is repeated to the client only that got it first.
    pub refuse_elsewhere: bool,
    /// Whether the request that got the tokens of the presented generation writes them again, before they
    /// have left. Another request may have got the same ones, so these have an access token of their own.
    pub writes_again: bool,
}

impl RotationPolicy {
    /// Takes both lengths. Nobody is let in late, and an answer is repeated as it was, to any client.
    #[must_use]
    pub const fn new(grace: Duration, refresh_ttl: Duration) -> Self {
        Self {
            grace,
            refresh_ttl,
            late: Duration::ZERO,
            rewrite: Duration::MAX,
            refuse_elsewhere: false,
            writes_again: false,
        }
    }
}

/// What came of a refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was current, and the session is one generation on.
    Rotated,
    /// It was newer than the record, so the store had lost a write; the session caught up and is one on.
    CaughtUp,
    /// It was spent, and its one successor is to be given out again. Nothing changed.
    Repeated,
    /// Likewise, but with a new access token, which the record names now.
    Reissued,
    /// It was spent by another client, which alone may get the answer again. Nothing changed.
    Elsewhere,
    /// It was spent, and its successor was used. But it comes from the client that spent it, which may have
    /// sent this request before: it is let in, without new tokens. Nothing changed.
    Late,
    /// It was spent, and its successor was used. But the rotation is dated ahead, by a clock that was, so
    /// nobody knows how long ago that was: refused. The record says from now on that the grace window is
    /// over.
    Undated,
    /// Two parties have it: its successor was used, or a later one. The session is revoked now.
    Reused,
    /// The session had ended before. Nothing changed.
    Over(SessionState),
}

impl Rotation {
    /// Tells whether the record was changed and must be written.
    #[must_use]
    pub const fn is_change(self) -> bool {
        self.issues() || matches!(self, Self::Reissued | Self::Undated | Self::Reused)
    }

    /// Tells whether the session is a generation on.
    #[must_use]
    pub const fn issues(self) -> bool {
        matches!(self, Self::Rotated | Self::CaughtUp)
    }
}

impl Session {
    /// Decides what a genuine refresh token of generation `presented` does to the session.
    ///
    /// `successor` is what it has then, if the token is good.
    pub fn rotate(
        &mut self,
        presented: u64,
        now: u64,
        policy: RotationPolicy,
        successor: Successor,
    ) -> Rotation {
        match self.state_at(now) {
            // An API key has no refresh token.
            SessionState::Live if self.api_key.is_some() => return Rotation::Over(SessionState::Expired),
            SessionState::Live => {}
            over => return Rotation::Over(over),
        }
        if presented.saturating_add(1) >= self.generation && self.has_revoked(self.refresh_id) {
            // Its predecessor would be answered with it.
            return Rotation::Over(SessionState::Expired);
        }
        if policy.writes_again {
            if presented != self.generation {
                // A later request has got newer ones.
                return Rotation::Over(SessionState::Expired);
            }
            return self.reissue(now, successor);
        }
        if self.answers(presented, now, policy.grace) {
            return self.repeat(now, policy, successor);
        }
        if self.replaced_lately(presented, now, policy.late)
            && self.agent.is_some_and(|agent| successor.agent == Some(agent))
        {
            return Rotation::Late;
        }
        if self.is_before_current(presented) && self.rotated_at > now {
            // By a clock that was ahead. The window must not open again when time has come as far.
            self.rotated_at = now.saturating_sub(policy.grace.as_secs());
            return Rotation::Undated;
        }
        if presented < self.generation {
            self.revoke(Revocation { at: now, reason: RevocationReason::Reused });
            return Rotation::Reused;
        }
        let outcome = if presented == self.generation { Rotation::Rotated } else { Rotation::CaughtUp };
        // A generation is signed by us and grows by one a refresh, so it cannot get near the end of u64.
        self.generation = presented.saturating_add(1);
        self.rotated_at = now;
        self.confirmed = false;
        self.agent = successor.agent;
        self.refresh_id = successor.refresh;
        self.access_id = successor.access;
        self.access_issued_at = now;
        self.last_address = successor.address;
        self.expires_at = now.saturating_add(policy.refresh_ttl.as_secs()).min(self.absolute_expires_at);
        outcome
    }

    /// Tells whether a spent refresh token of generation `presented` is still answered with the current one.
    #[must_use]
    pub fn answers(&self, presented: u64, now: u64, grace: Duration) -> bool {
        let may_be_lost = !self.confirmed && !grace.is_zero() && self.is_before_current(presented);
        may_be_lost || self.replaced_lately(presented, now, grace)
    }

    /// Tells whether `generation` is the one before the current one, and was replaced less than `window` ago.
    /// If the clock was put back by more than that, it was not.
    pub(crate) const fn replaced_lately(&self, generation: u64, now: u64, window: Duration) -> bool {
        self.is_before_current(generation) && now.abs_diff(self.rotated_at) < window.as_secs()
    }

    /// Tells whether an access token that was issued at `issued_at`, in Unix seconds, is of the current
    /// generation.
    ///
    /// An answer that was repeated has one of its own, beside the first. Where the last refresh and the token
    /// are of one second, the token counts only if an answer was repeated later.
    pub(crate) fn is_of_current(&self, access: TokenId, issued_at: u64) -> bool {
        access == self.access_id || (self.access_issued_at > self.rotated_at && issued_at >= self.rotated_at)
    }

    /// Notes that a genuine token of `generation` was presented. Returns whether that changed the session.
    ///
    /// For the session of an API key, `generation` is when the key was shown, in Unix seconds. That is noted
    /// once a minute.
    pub fn confirm(&mut self, generation: u64) -> bool {
        if self.api_key.is_some() {
            return self.note_use(generation);
        }
        let is_news = !self.confirmed && generation == self.generation;
        self.confirmed |= is_news;
        is_news
    }

    /// Tells whether another client than this one spent the last refresh token, as far as that is known.
    pub(crate) fn was_spent_by_another(&self, client: Successor) -> bool {
        self.agent.is_some_and(|agent| client.agent != Some(agent))
            || self.last_address.is_some_and(|address| client.address != Some(address))
    }

    fn repeat(&mut self, now: u64, policy: RotationPolicy, successor: Successor) -> Rotation {
        if policy.refuse_elsewhere && self.was_spent_by_another(successor) {
            return Rotation::Elsewhere;
        }
        let is_known = self.access_issued_at > 0;
        if is_known && now.abs_diff(self.access_issued_at) < policy.rewrite.as_secs() {
            return Rotation::Repeated;
        }
        self.reissue(now, successor)
    }

    /// Names another access token of the current generation.
    fn reissue(&mut self, now: u64, successor: Successor) -> Rotation {
        if self.is_sliding() {
            self.refresh_id = successor.access;
        }
        self.access_id = successor.access;
        self.access_issued_at = now;
        Rotation::Reissued
    }

    const fn is_before_current(&self, generation: u64) -> bool {
        generation < self.generation && self.generation - generation == 1
    }
}
