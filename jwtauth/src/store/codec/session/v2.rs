//! Layout 2 of sessions: with a device, and tokens that were revoked alone.

use std::net::IpAddr;

use bincode::Decode;

use super::v3::{DeviceV2, SessionV3};

#[derive(Decode)]
pub(super) struct SessionV2 {
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
    pub(super) revoked: Option<(u64, u8)>,
}

impl SessionV2 {
    pub(super) fn upgrade(self) -> SessionV3 {
        SessionV3 {
            subject: self.subject,
            roles: self.roles,
            scopes: self.scopes,
            user: self.user,
            created_at: self.created_at,
            auth_time: self.auth_time,
            absolute_expires_at: self.absolute_expires_at,
            expires_at: self.expires_at,
            generation: self.generation,
            rotated_at: self.rotated_at,
            refresh_id: self.refresh_id,
            access_id: self.access_id,
            revoked_tokens: self.revoked_tokens,
            device: self.device,
            last_address: self.last_address,
            adopted: false,
            revoked: self.revoked,
        }
    }
}
