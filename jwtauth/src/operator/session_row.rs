//! A session as a row of a list.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::record::{Session, SessionState};

/// A session, as operators see it. Without the copy of its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub subject: String,
    /// `live`, `revoked` or `expired`.
    pub state: String,
    /// When it was opened.
    pub created_at: u64,
    /// When it was last opened or refreshed, or the API key last shown. `None` for a key that nobody has
    /// used.
    pub last_used_at: Option<u64>,
    /// When it expires, unless it is refreshed.
    pub expires_at: u64,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
    /// Why it was revoked: the name of the reason, such as `logout_all`.
    pub reason: Option<String>,
    /// The roles in it.
    pub roles: Vec<String>,
    /// The scopes in it.
    pub scopes: Vec<String>,
    /// The device of its login, in words. Of an API key: that it is one, and its name.
    pub device: String,
    /// The name of the API key that it belongs to. `None` for a login.
    #[serde(default)]
    pub api_key: Option<String>,
    /// The address that it was last seen from.
    pub address: Option<IpAddr>,
}

impl SessionRow {
    pub(super) fn at(now: u64, session: &Session) -> Self {
        let state = match session.state_at(now) {
            SessionState::Live => "live",
            SessionState::Expired => "expired",
            SessionState::Revoked(_) => "revoked",
        };
        Self {
            id: session.id,
            subject: session.subject.clone(),
            state: state.into(),
            created_at: session.created_at,
            last_used_at: session.last_used_at(),
            expires_at: session.expires_at,
            revoked_at: session.revoked.map(|revocation| revocation.at),
            reason: session.revoked.map(|revocation| revocation.reason.name().into()),
            roles: session.roles.clone(),
            scopes: session.scopes.clone(),
            device: match &session.api_key {
                Some(key) => format!("API key {}", key.name),
                None => session.device.to_string(),
            },
            api_key: session.api_key.as_ref().map(|key| key.name.clone()),
            address: session.last_seen_from(),
        }
    }
}
