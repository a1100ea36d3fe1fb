//! The record of a session and everything that may happen to it. Pure: no clock, no I/O, no randomness.
//!
//! A login opens a session at generation 0. Each refresh token names its session and a generation;
//! the record keeps the current one and when it was reached, and no token.
//!
//! # Invariants
//!
//! 1. A session that is revoked or past a limit never comes back: no function here clears
//!    [`Session::revoked`] or moves [`Session::absolute_expires_at`].
//! 2. The generation only grows, and at most one refresh token is current (S-5). What a spent one does is in
//!    `rotation`.
//! 3. `expires_at <= absolute_expires_at`, and no token of the session outlives `expires_at`.
//!
//! Who writes a changed record, and in one atomic step with its indexes: `store`.

mod api_key;
mod rotation;

use std::fmt;
use std::net::IpAddr;

pub use self::api_key::ApiKey;
pub use self::rotation::{Rotation, RotationPolicy, Successor};

use crate::device::{self, Device};
use crate::id::{SessionId, TokenId};

/// How many tokens of one session can be revoked alone at a time; one more revokes the session.
const MAX_REVOKED_TOKENS: usize = 64;

/// A login of one subject on one device, as the store keeps it. All times are Unix seconds.
///
/// To add a field: here, its value for a record that was written without it in [`Session::new`], and one line
/// in `store/codec/session/v4.rs`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Which type of user logged in: [`AuthUser::KIND`](crate::AuthUser::KIND), or the path of a type without
    /// one. `None` in records of layouts up to 4, and if no user value was given.
    pub user_kind: Option<String>,
    /// When the session was opened.
    pub created_at: u64,
    /// When the user last proved who they are (claim `auth_time`).
    pub auth_time: u64,
    /// The absolute limit; nothing extends it.
    pub absolute_expires_at: u64,
    /// The inactivity limit: the `exp` of the current refresh token.
    pub expires_at: u64,
    /// The generation of the current refresh token. Of an API key: the time of its last use, 0 before that.
    pub generation: u64,
    /// When that generation was reached: the `iat` of the current refresh token.
    pub rotated_at: u64,
    /// Whether a token of that generation was presented, so that its answer is known to have arrived.
    pub confirmed: bool,
    /// A number that stands for the `User-Agent` of the client that reached that generation; `None` if it is
    /// not known. The client chooses it: never trusted.
    pub agent: Option<u64>,
    /// The `jti` of the current refresh token.
    pub refresh_id: TokenId,
    /// The `jti` of the access token issued last. The same as `refresh_id` in a session of sliding tokens.
    pub access_id: TokenId,
    /// When that access token was issued. 0 if it cannot be written again, because what it says of the user
    /// has changed.
    pub access_issued_at: u64,
    /// Tokens that were revoked alone, until they expire.
    pub revoked_tokens: Vec<RevokedToken>,
    /// The client that logged in. It stays, whoever refreshes later.
    pub device: Device,
    /// The address that the last login or refresh came from.
    pub last_address: Option<IpAddr>,
    /// When and why the session was revoked, if it was.
    pub revoked: Option<Revocation>,
    /// The API key that it belongs to. `None` for a login.
    pub api_key: Option<ApiKey>,
}

/// A token that was revoked without its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// The token (claim `jti`).
    pub id: TokenId,
    /// When it expires by itself, in Unix seconds; until then it must be remembered.
    pub expires_at: u64,
}

/// When and why a session was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When, in Unix seconds.
    pub at: u64,
    /// Why.
    pub reason: RevocationReason,
}

/// Why a session was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationReason {
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
    /// An operator, a service or another of the user's sessions asked for it.
    Requested,
    /// A spent refresh token came back: two parties held it (RFC 9700, section 4.14.2).
    Reused,
}

impl RevocationReason {
    /// Returns the name of the reason in files and lists, such as `logout_all`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Inactive => "inactive",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::Replaced => "replaced",
            Self::Requested => "requested",
            Self::Reused => "reused",
        }
    }
}

/// What a session is worth at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It may be used.
    Live,
    /// It is past its inactivity or absolute limit.
    Expired,
    /// It was revoked.
    Revoked(RevocationReason),
}

impl Session {
    /// Opens a session at `now`, in Unix seconds, that speaks by `tokens`. Every other field has its default.
    ///
    /// It has expired already: set [`expires_at`](Self::expires_at) and
    /// [`absolute_expires_at`](Self::absolute_expires_at).
    #[must_use]
    pub fn new(id: SessionId, subject: impl Into<String>, now: u64, tokens: Successor) -> Self {
        Self {
            id,
            subject: subject.into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            user: None,
            user_kind: None,
            created_at: now,
            auth_time: now,
            absolute_expires_at: now,
            expires_at: now,
            generation: 0,
            rotated_at: now,
            confirmed: true,
            agent: tokens.agent,
            refresh_id: tokens.refresh,
            access_id: tokens.access,
            access_issued_at: now,
            revoked_tokens: Vec::new(),
            device: Device::default(),
            last_address: tokens.address,
            revoked: None,
            api_key: None,
        }
    }

    /// Returns what the session is worth at `now`; it is expired when `now` reaches a limit.
    #[must_use]
    pub const fn state_at(&self, now: u64) -> SessionState {
        match self.revoked {
            Some(revocation) => SessionState::Revoked(revocation.reason),
            None if now >= self.expires_at || now >= self.absolute_expires_at => SessionState::Expired,
            None => SessionState::Live,
        }
    }

    /// Tells whether the session may be used at `now`.
    #[must_use]
    pub const fn is_live_at(&self, now: u64) -> bool {
        matches!(self.state_at(now), SessionState::Live)
    }

    /// Tells whether the session speaks by sliding tokens: each is refresh token and access token in one, and
    /// has one id.
    #[must_use]
    pub fn is_sliding(&self) -> bool {
        self.refresh_id == self.access_id
    }

    /// Returns the address that the session was seen from last, if it came by a network.
    #[must_use]
    pub fn last_seen_from(&self) -> Option<IpAddr> {
        self.last_address.or(self.device.address)
    }

    /// Describes the session for its user: `Chrome 126 on Linux, 203.0.113.7, last seen 3 min ago`.
    ///
    /// `now` is in Unix seconds: [`Sessions::now`](crate::Sessions::now), which is also right after the clock
    /// was set back. Seen means logged in or refreshed, so a session in use may have been seen as
    /// long ago as an access token lives. It is told in whole minutes, hours or days; less than a minute is
    /// `just now`. The device is that of the login, the address the latest one, and left out if there is
    /// none. Escape it for HTML: a client can say anything of itself.
    ///
    /// Of an API key it says `API key ci, last used 3 min ago`.
    #[must_use]
    pub fn summary_at(&self, now: u64) -> String {
        if let Some(key) = &self.api_key {
            let used = self.last_used_at().map_or("never used".into(), |at| {
                format!("last used {}", device::ago(now.saturating_sub(at)))
            });
            return format!("API key {}, {used}", key.name);
        }
        let address = self.last_seen_from().map(|address| format!(", {address}")).unwrap_or_default();
        format!("{}{address}, last seen {}", self.device, device::ago(now.saturating_sub(self.rotated_at)))
    }

    /// Revokes one token alone, which expires by itself at `expires_at`. Returns `false` if it was revoked
    /// before.
    ///
    /// A session can remember 64 such tokens at a time. One more revokes the session.
    pub fn revoke_token(&mut self, id: TokenId, expires_at: u64, now: u64) -> bool {
        if self.has_revoked(id) || self.revoked.is_some() {
            return false;
        }
        if self.revoked_tokens.len() >= MAX_REVOKED_TOKENS {
            // Not before there is no room: a token that has expired here may be good where the clock is not
            // ahead.
            self.revoked_tokens.retain(|token| now < token.expires_at);
        }
        if self.revoked_tokens.len() < MAX_REVOKED_TOKENS {
            self.revoked_tokens.push(RevokedToken { id, expires_at });
            true
        } else {
            self.revoke(Revocation { at: now, reason: RevocationReason::Requested })
        }
    }

    /// Tells whether a token of the session was revoked alone.
    #[must_use]
    pub fn has_revoked(&self, id: TokenId) -> bool {
        self.revoked_tokens.iter().any(|token| token.id == id)
    }

    /// Revokes the session. Returns `false` if it had been revoked before; the first reason stands.
    pub const fn revoke(&mut self, revocation: Revocation) -> bool {
        if self.revoked.is_some() {
            return false;
        }
        self.revoked = Some(revocation);
        self.shorten_revoked_key(revocation.at);
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
            .field("absolute_expires_at", &self.absolute_expires_at)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
