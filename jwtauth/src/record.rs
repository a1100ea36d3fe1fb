//! The record of a session and everything that may happen to it. Pure: no clock, no I/O, no randomness.
//!
//! A login opens a session at generation 0. Each refresh token names its session and a generation;
//! the record keeps the current one and when it was reached, and no token.
//!
//! # Invariants
//!
//! 1. A session that is revoked or past a limit never comes back: no function here clears
//!    [`Session::revoked`] or moves [`Session::ends_at`].
//! 2. The generation only grows, and at most one refresh token is current (S-5); its predecessor is
//!    answered with that same token inside the grace window (S-4), which never slides.
//! 3. `expires_at <= ends_at`, and no token of the session outlives `expires_at`.
//!
//! Who writes a changed record, and in one atomic step with its indexes: `store`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::device::Device;
use crate::id::{SessionId, TokenId};

/// How many tokens of one session can be ended alone at a time; more end the session.
const MAX_ENDED: usize = 64;

/// A login of one subject on one device, as the store keeps it. All times are Unix seconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's id (claim `sid`).
    pub id: SessionId,
    /// Whom the session is about (claim `sub`): 1 to 255 bytes.
    pub subject: String,
    /// The roles the user had at login, or at the last `update_user`.
    pub roles: Vec<String>,
    /// The scopes the user had at login, or at the last `update_user`.
    pub scopes: Vec<String>,
    /// The application's user value as JSON, if its type asks for a copy to be kept.
    pub user: Option<Vec<u8>>,
    /// When the session was opened.
    pub created_at: u64,
    /// When the user last proved who they are (claim `auth_time`).
    pub auth_time: u64,
    /// The absolute limit; nothing extends it.
    pub ends_at: u64,
    /// The inactivity limit: the `exp` of the current refresh token.
    pub expires_at: u64,
    /// The generation of the current refresh token.
    pub generation: u64,
    /// When that generation was reached: the `iat` of the current refresh token.
    pub rotated_at: u64,
    /// The `jti` of the current refresh token.
    pub refresh_id: TokenId,
    /// The `jti` of the access token issued with it.
    pub access_id: TokenId,
    /// Tokens that were ended alone, until they expire.
    pub ended: Vec<EndedToken>,
    /// The client that logged in. It stays, whoever refreshes later.
    pub device: Device,
    /// The address that the last login or refresh came from.
    pub last_address: Option<IpAddr>,
    /// When and why the session was ended before its time, if it was.
    pub revoked: Option<Revocation>,
}

/// A token that was ended without its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedToken {
    /// The token (claim `jti`).
    pub id: TokenId,
    /// When it expires by itself, in Unix seconds; until then it must be remembered.
    pub until: u64,
}

/// What a session is to have after a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// The `jti` of the next refresh token.
    pub refresh: TokenId,
    /// The `jti` of the access token issued with it.
    pub access: TokenId,
    /// The address that asks for them.
    pub address: Option<IpAddr>,
}

/// When and why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When, in Unix seconds.
    pub at: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a session was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// An operator or another of the user's sessions ended it.
    Ended,
    /// The user had as many sessions as one may have, and this one was idle the longest.
    Evicted,
    /// The user is not active any more.
    Inactive,
    /// The user logged out.
    Logout,
    /// The user logged out everywhere.
    LogoutAll,
    /// The same browser logged in anew.
    Replaced,
    /// A spent refresh token came back: two parties held it (RFC 9700, section 4.14.2).
    Reused,
}

/// What a session is worth at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be used.
    Live,
    /// It is past its inactivity or absolute limit.
    Expired,
    /// It was revoked.
    Revoked(Reason),
}

/// The lengths that govern rotation. Whole seconds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a spent refresh token is answered with its successor once more.
    pub grace: Duration,
    /// How long a refresh token lives: the inactivity limit.
    pub refresh_ttl: Duration,
}

/// What came of a refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was current, and the session is one generation on.
    Rotated,
    /// It was newer than the record, so the store had lost a write; the session caught up and is one on.
    CaughtUp,
    /// It was spent a moment ago; its one successor is to be given out again. Nothing changed.
    Repeated,
    /// It was spent long ago, or twice: the session is revoked now.
    Reused,
    /// The session had ended before. Nothing changed.
    Over(State),
}

impl Rotation {
    /// Tells whether the record was changed and must be written.
    #[must_use]
    pub const fn is_change(self) -> bool {
        self.issues() || matches!(self, Self::Reused)
    }

    /// Tells whether new tokens come of it.
    #[must_use]
    pub const fn issues(self) -> bool {
        matches!(self, Self::Rotated | Self::CaughtUp)
    }
}

impl Session {
    /// Returns what the session is worth at `now`; it is expired when `now` reaches a limit.
    #[must_use]
    pub const fn state_at(&self, now: u64) -> State {
        match self.revoked {
            Some(revocation) => State::Revoked(revocation.reason),
            None if now >= self.expires_at || now >= self.ends_at => State::Expired,
            None => State::Live,
        }
    }

    /// Tells whether the session may be used at `now`.
    #[must_use]
    pub const fn is_live_at(&self, now: u64) -> bool {
        matches!(self.state_at(now), State::Live)
    }

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
            State::Live => {}
            over => return Rotation::Over(over),
        }
        if presented.saturating_add(1) >= self.generation && self.has_ended(self.refresh_id) {
            // Its predecessor would be answered with it.
            return Rotation::Over(State::Expired);
        }
        if presented.checked_add(1) == Some(self.generation)
            && now.saturating_sub(self.rotated_at) < policy.grace.as_secs()
        {
            return Rotation::Repeated;
        }
        if presented < self.generation {
            self.revoke(Revocation { at: now, reason: Reason::Reused });
            return Rotation::Reused;
        }
        let outcome = if presented == self.generation { Rotation::Rotated } else { Rotation::CaughtUp };
        // A generation is signed by us and grows by one a refresh, so it cannot get near the end of u64.
        self.generation = presented.saturating_add(1);
        self.rotated_at = now;
        self.refresh_id = successor.refresh;
        self.access_id = successor.access;
        self.last_address = successor.address;
        self.expires_at = now.saturating_add(policy.refresh_ttl.as_secs()).min(self.ends_at);
        outcome
    }

    /// Ends one token alone, which expires by itself at `until`. Returns `false` if it was ended before.
    ///
    /// A session can remember 64 such tokens at a time. One more ends the session.
    pub fn end_token(&mut self, id: TokenId, until: u64, now: u64) -> bool {
        if self.has_ended(id) || self.revoked.is_some() {
            return false;
        }
        self.ended.retain(|token| now < token.until);
        if self.ended.len() < MAX_ENDED {
            self.ended.push(EndedToken { id, until });
            true
        } else {
            self.revoke(Revocation { at: now, reason: Reason::Ended })
        }
    }

    /// Tells whether a token of the session was ended alone.
    #[must_use]
    pub fn has_ended(&self, id: TokenId) -> bool {
        self.ended.iter().any(|token| token.id == id)
    }

    /// Ends the session. Returns `false` if it had been revoked before; the first reason stands.
    pub const fn revoke(&mut self, revocation: Revocation) -> bool {
        if self.revoked.is_some() {
            return false;
        }
        self.revoked = Some(revocation);
        true
    }
}

impl fmt::Debug for Session {
    /// Leaves out the user value and the full id: both are personal, and `Debug` ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id.log_id())
            .field("generation", &self.generation)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("ends_at", &self.ends_at)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Session {
    /// A session for tests: opened at 100 s, expires at 1,100 s, ends at 2,500 s.
    pub(crate) fn sample(number: u8) -> Self {
        Self {
            id: SessionId::from_bytes([number; 16]),
            subject: "1".into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            user: None,
            created_at: 100,
            auth_time: 100,
            ends_at: 2_500,
            expires_at: 1_100,
            generation: 0,
            rotated_at: 100,
            refresh_id: TokenId::from_bytes([0; 16]),
            access_id: TokenId::from_bytes([0xa0; 16]),
            ended: Vec::new(),
            device: Device::default(),
            last_address: None,
            revoked: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RotationPolicy =
        RotationPolicy { grace: Duration::from_secs(30), refresh_ttl: Duration::from_secs(1_000) };
    const SUCCESSOR: Successor = Successor {
        refresh: TokenId::from_bytes([7; 16]),
        access: TokenId::from_bytes([8; 16]),
        address: None,
    };

    fn session() -> Session {
        Session::sample(1)
    }

    #[test]
    fn the_current_token_rotates_and_the_limit_moves_up_to_the_absolute_one() {
        let mut session = session();
        assert_eq!(session.rotate(0, 1_099, POLICY, SUCCESSOR), Rotation::Rotated);
        assert_eq!((session.generation, session.rotated_at, session.expires_at), (1, 1_099, 2_099));
        assert_eq!((session.refresh_id, session.access_id), (SUCCESSOR.refresh, SUCCESSOR.access));
        // S-10: the absolute limit is not extended
        assert_eq!(session.rotate(1, 2_000, POLICY, SUCCESSOR), Rotation::Rotated);
        assert_eq!(session.expires_at, 2_500);
        assert_eq!(session.rotate(2, 2_499, POLICY, SUCCESSOR), Rotation::Rotated);
        assert_eq!(session.rotate(3, 2_500, POLICY, SUCCESSOR), Rotation::Over(State::Expired));
    }

    /// S-4: the last good and the first bad second of the window, which does not slide.
    #[test]
    fn s_4_the_spent_token_is_repeated_inside_the_grace_window_only() {
        let mut session = session();
        session.rotate(0, 200, POLICY, SUCCESSOR);
        let rotated = session.clone();
        for now in [200, 215, 229] {
            let other = Successor { refresh: TokenId::from_bytes([9; 16]), ..SUCCESSOR };
            assert_eq!(session.rotate(0, now, POLICY, other), Rotation::Repeated);
            assert_eq!(session, rotated, "nothing changes at {now}");
        }
        assert_eq!(session.rotate(0, 230, POLICY, SUCCESSOR), Rotation::Reused);
        assert_eq!(session.state_at(230), State::Revoked(Reason::Reused));
    }

    #[test]
    fn without_grace_the_first_repetition_is_reuse() {
        let mut session = session();
        let policy = RotationPolicy { grace: Duration::ZERO, ..POLICY };
        session.rotate(0, 200, policy, SUCCESSOR);
        assert_eq!(session.rotate(0, 200, policy, SUCCESSOR), Rotation::Reused);
    }

    /// S-3: any older generation is theft, also inside the window of the last rotation.
    #[test]
    fn s_3_an_older_token_ends_the_session_at_once() {
        let mut session = session();
        session.rotate(0, 200, POLICY, SUCCESSOR);
        session.rotate(1, 201, POLICY, SUCCESSOR);
        assert_eq!(session.rotate(0, 202, POLICY, SUCCESSOR), Rotation::Reused);
        assert_eq!(session.rotate(2, 203, POLICY, SUCCESSOR), Rotation::Over(State::Revoked(Reason::Reused)));
    }

    #[test]
    fn a_token_newer_than_the_record_is_believed() {
        let mut session = session();
        assert_eq!(session.rotate(5, 200, POLICY, SUCCESSOR), Rotation::CaughtUp);
        assert_eq!(session.generation, 6);
        assert_eq!(session.rotate(5, 201, POLICY, SUCCESSOR), Rotation::Repeated);
    }

    #[test]
    fn a_clock_that_went_back_is_no_theft() {
        let mut session = session();
        session.rotate(0, 200, POLICY, SUCCESSOR);
        assert_eq!(session.rotate(0, 150, POLICY, SUCCESSOR), Rotation::Repeated);
    }

    #[test]
    fn revocation_is_final_and_keeps_its_first_reason() {
        let mut session = session();
        assert!(session.revoke(Revocation { at: 150, reason: Reason::Logout }));
        assert!(!session.revoke(Revocation { at: 160, reason: Reason::Reused }));
        assert_eq!(session.state_at(150), State::Revoked(Reason::Logout));
        assert_eq!(session.rotate(0, 151, POLICY, SUCCESSOR), Rotation::Over(State::Revoked(Reason::Logout)));
    }

    /// A refresh token that was ended alone renews nothing, nor does the one that it is the answer to.
    #[test]
    fn an_ended_refresh_token_is_not_renewed() {
        let mut session = session();
        session.rotate(0, 200, POLICY, SUCCESSOR);
        assert!(session.end_token(SUCCESSOR.refresh, 1_200, 201));
        for generation in [0, 1] {
            assert_eq!(session.rotate(generation, 202, POLICY, SUCCESSOR), Rotation::Over(State::Expired));
        }
        assert_eq!(session.state_at(202), State::Live, "its access token goes on");
    }

    #[test]
    fn tokens_are_ended_alone_up_to_a_limit_and_then_with_their_session() {
        let mut session = session();
        let id = |number: usize| TokenId::from_bytes([u8::try_from(number).unwrap(); 16]);
        for number in 0..MAX_ENDED {
            assert!(session.end_token(id(number), 500, 200));
            assert!(!session.end_token(id(number), 500, 200), "it is ended already");
        }
        let mut later = session.clone();
        assert!(session.end_token(id(100), 500, 499));
        assert_eq!(session.state_at(499), State::Revoked(Reason::Ended));
        // Those that have expired need not be remembered.
        assert!(later.end_token(id(100), 900, 500));
        assert_eq!((later.ended.len(), later.state_at(500)), (1, State::Live));
        assert!(later.has_ended(id(100)));
    }

    #[test]
    fn a_session_is_live_until_just_before_its_limit() {
        let session = session();
        assert_eq!(session.state_at(1_099), State::Live);
        assert_eq!(session.state_at(1_100), State::Expired);
    }
}
