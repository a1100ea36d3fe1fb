//! Layout 1 of sessions: before a session knew its device and the id of its access token.

use bincode::Decode;

use super::v2::SessionV2;
use super::v3::DeviceV2;

#[derive(Decode)]
pub(super) struct SessionV1 {
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    user: Option<Vec<u8>>,
    created_at: u64,
    auth_time: u64,
    absolute_expires_at: u64,
    expires_at: u64,
    generation: u64,
    rotated_at: u64,
    refresh_id: [u8; 16],
    revoked: Option<(u64, u8)>,
}

impl SessionV1 {
    pub(super) fn upgrade(self) -> SessionV2 {
        SessionV2 {
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
            // Nobody knows it. The next rotation brings one; until then it only has to be another one than
            // that of the refresh token, since both are the same in a session of sliding tokens, which did
            // not exist.
            access_id: self.refresh_id.map(|byte| !byte),
            revoked_tokens: Vec::new(),
            device: DeviceV2::default(),
            last_address: None,
            revoked: self.revoked,
        }
    }
}
