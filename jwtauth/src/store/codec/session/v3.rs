//! Layout 3 of sessions: with a mark of those that stood for a token of another service.
//!
//! The mark goes with the step to layout 4: such a session is like any other now.

use std::net::IpAddr;

use bincode::Decode;

use super::super::field::{reason_of, revoked_tokens};
use crate::device::Device;
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, Session, Successor};

#[derive(Decode)]
pub(super) struct SessionV3 {
    pub(super) subject: String,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) created_at: u64,
    pub(super) auth_time: u64,
    pub(super) absolute_expires_at: u64,
    pub(super) expires_at: u64,
    pub(super) generation: u64,
    pub(super) rotated_at: u64,
    pub(super) refresh_id: [u8; 16],
    pub(super) access_id: [u8; 16],
    pub(super) revoked_tokens: Vec<([u8; 16], u64)>,
    pub(super) device: DeviceV2,
    pub(super) last_address: Option<IpAddr>,
    #[expect(dead_code, reason = "the bytes are there")]
    pub(super) adopted: bool,
    pub(super) revoked: Option<(u64, u8)>,
}

/// The same in layout 2.
#[derive(Decode, Default)]
pub(super) struct DeviceV2 {
    pub(super) app: Option<String>,
    pub(super) app_version: Option<String>,
    pub(super) os: Option<String>,
    pub(super) os_version: Option<String>,
    pub(super) model: Option<String>,
    pub(super) id: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) address: Option<IpAddr>,
}

impl SessionV3 {
    /// Returns the session that layout 4 writes. `None` for a reason that no release has written.
    pub(super) fn upgrade(self, id: SessionId) -> Option<Session> {
        let tokens =
            Successor::new(TokenId::from_bytes(self.refresh_id), TokenId::from_bytes(self.access_id));
        let revoked = match self.revoked {
            Some((at, number)) => Some(Revocation { at, reason: reason_of(number)? }),
            None => None,
        };
        Some(Session {
            roles: self.roles,
            scopes: self.scopes,
            user: self.user,
            auth_time: self.auth_time,
            absolute_expires_at: self.absolute_expires_at,
            expires_at: self.expires_at,
            generation: self.generation,
            rotated_at: self.rotated_at,
            revoked_tokens: revoked_tokens(self.revoked_tokens),
            device: Device {
                app: self.device.app,
                app_version: self.device.app_version,
                os: self.device.os,
                os_version: self.device.os_version,
                model: self.device.model,
                id: self.device.id,
                user_agent: self.device.user_agent,
                address: self.device.address,
            },
            last_address: self.last_address,
            access_issued_at: 0,
            revoked,
            ..Session::new(id, self.subject, self.created_at, tokens)
        })
    }
}
