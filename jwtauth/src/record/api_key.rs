//! What makes a session that of an API key, which a program shows in place of a login.
//!
//! # Invariants
//!
//! 1. Of the key there is only a hash (K-1).
//! 2. The session has those of the roles and scopes of its key that the owner has: never more (K-4).
//! 3. It has no tokens: no refresh token continues it, and [`Session::auth_time`] is 0, so that no login is
//!    recent (K-3).
//!
//! The key as text is in `token::api_key_text`.

use std::fmt;

use super::Session;

/// How long a use stays unnoted after one that was noted, in seconds.
const USE_NOTED_EACH: u64 = 60;

/// How long the record of a revoked key is kept, in seconds.
const REVOKED_KEPT: u64 = 24 * 60 * 60;

/// An API key, as its session keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKey {
    /// What its owner calls it. Not a secret, and not unique.
    pub name: String,
    /// The roles that it was given. The session has those of them that the owner has.
    pub roles: Vec<String>,
    /// The scopes that it was given. The session has those of them that the owner has.
    pub scopes: Vec<String>,
    /// The SHA-256 of the text `jwtauth api key`, a zero byte and the key.
    pub hash: [u8; 32],
}

impl ApiKey {
    /// The longest name, in characters.
    pub(crate) const MAX_NAME: usize = 64;

    /// Describes a key without roles and scopes.
    #[must_use]
    pub fn new(name: impl Into<String>, hash: [u8; 32]) -> Self {
        Self { name: name.into(), roles: Vec::new(), scopes: Vec::new(), hash }
    }
}

impl fmt::Debug for ApiKey {
    /// Shows neither name nor hash: `Debug` ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}

impl Session {
    /// Gives the session the roles and scopes of its owner; to that of an API key, those that the key was
    /// given.
    pub fn set_rights(&mut self, roles: &[String], scopes: &[String]) {
        let (roles, scopes) = match &self.api_key {
            Some(key) => (both(&key.roles, roles), both(&key.scopes, scopes)),
            None => (roles.to_vec(), scopes.to_vec()),
        };
        (self.roles, self.scopes) = (roles, scopes);
    }

    /// Returns when the session was used last, in Unix seconds: a login when it was opened or refreshed, an
    /// API key when it was shown, give or take a minute. `None` for a key that nobody has used.
    #[must_use]
    pub const fn last_used_at(&self) -> Option<u64> {
        if self.api_key.is_some() && self.generation == 0 { None } else { Some(self.rotated_at) }
    }

    /// Tells whether a use of the API key at `now` is to be noted. It is at most once a minute.
    pub(crate) const fn use_is_due(&self, now: u64) -> bool {
        self.api_key.is_some()
            && (self.generation == 0 || now >= self.rotated_at.saturating_add(USE_NOTED_EACH))
    }

    /// Notes that the API key was used. What a generation is to a login, the time of its last use is to a
    /// key. Returns whether that changed the session.
    pub(super) const fn note_use(&mut self, at: u64) -> bool {
        let is_news = self.use_is_due(at);
        if is_news {
            self.generation = at;
            self.rotated_at = at;
        }
        is_news
    }
}

impl Session {
    /// Lets the record of an API key that was revoked at `at` be swept a day later. Its key may have had a
    /// year to go, and the record has a copy of the user.
    pub(super) const fn shorten_revoked_key(&mut self, at: u64) {
        let in_a_day = at.saturating_add(REVOKED_KEPT);
        if self.api_key.is_some() && in_a_day < self.expires_at {
            self.expires_at = in_a_day;
        }
    }
}

/// Returns what is in both lists, in the order of the first.
fn both(given: &[String], owned: &[String]) -> Vec<String> {
    given.iter().filter(|name| owned.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Revocation, RevocationReason, Rotation, RotationPolicy, SessionState};
    use crate::store::sample;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn session() -> Session {
        let key = ApiKey {
            roles: names(&["editor"]),
            scopes: names(&["read", "write"]),
            ..ApiKey::new("ci", [7; 32])
        };
        Session { api_key: Some(key), ..sample::session(1, "42") }
    }

    /// K-4: what its owner loses the key loses too, and has again when the owner has it again.
    #[test]
    fn k_4_a_key_has_no_right_that_its_owner_lacks() {
        let mut session = session();
        for (roles, scopes, has_roles, has_scopes) in [
            (
                &["admin", "editor"][..],
                &["write", "read", "all"][..],
                &["editor"][..],
                &["read", "write"][..],
            ),
            (&["admin"], &["write"], &[], &["write"]),
            (&[], &[], &[], &[]),
            (&["editor"], &["read", "write"], &["editor"], &["read", "write"]),
        ] {
            session.set_rights(&names(roles), &names(scopes));
            assert_eq!((&session.roles, &session.scopes), (&names(has_roles), &names(has_scopes)));
        }
    }

    /// K-5: one write a minute, whatever the traffic.
    #[test]
    fn k_5_a_use_is_noted_once_a_minute() {
        let mut session = session();
        let start = session.created_at;
        assert_eq!(session.last_used_at(), None);
        let noted: Vec<u64> =
            (start..start + 150).filter(|at| session.confirm(*at)).map(|at| at - start).collect();
        assert_eq!(noted, [0, 60, 120]);
        assert_eq!(session.last_used_at(), Some(start + 120));
        assert!(!session.confirm(start), "an older one comes late");
    }

    /// A key that was revoked is swept a day later, unless it ends before that. A login keeps its end.
    #[test]
    fn a_revoked_key_is_kept_for_a_day_at_most() {
        let ends = |is_key: bool, expires_at: u64, at: u64| {
            let mut session = if is_key { session() } else { sample::session(1, "42") };
            session.expires_at = expires_at;
            session.revoke(Revocation { at, reason: RevocationReason::Requested });
            session.expires_at
        };
        assert_eq!(ends(true, 1_000_000, 1_000), 1_000 + 86_400);
        assert_eq!(ends(true, 87_401, 1_000), 87_400);
        assert_eq!(ends(true, 87_399, 1_000), 87_399);
        assert_eq!(ends(false, 1_000_000, 1_000), 1_000_000);
    }

    /// K-3: no refresh token continues it.
    #[test]
    fn k_3_a_key_is_not_rotated() {
        let mut session = session();
        let (now, policy) =
            (session.created_at, RotationPolicy::new(std::time::Duration::MAX, std::time::Duration::MAX));
        let successor = crate::record::Successor::new(session.refresh_id, session.access_id);
        let before = session.clone();
        for generation in [0, 1, u64::MAX] {
            let rotation = session.rotate(generation, now, policy, successor);
            assert_eq!(rotation, Rotation::Over(SessionState::Expired), "{generation}");
        }
        assert!(session == before);
    }
}
