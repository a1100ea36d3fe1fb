//! Layouts 1 to 3 of sessions. Their fields have the order of layout 4. Layout 1 knew no device, no access
//! token and no token that was revoked alone. Layout 3 had a mark of sessions that stood for a token of
//! another service: such a session is like any other now.

use super::super::field::Field;
use crate::id::TokenId;
use crate::record::Session;

/// Puts the fields that a layout has into a session that has all defaults.
pub(super) fn take(layout: u8, mut body: &[u8], session: &mut Session) -> Option<()> {
    let rest = &mut body;
    session.subject = Field::take(rest)?;
    session.roles = Field::take(rest)?;
    session.scopes = Field::take(rest)?;
    session.user = Field::take(rest)?;
    session.created_at = Field::take(rest)?;
    session.auth_time = Field::take(rest)?;
    session.absolute_expires_at = Field::take(rest)?;
    session.expires_at = Field::take(rest)?;
    session.generation = Field::take(rest)?;
    session.rotated_at = Field::take(rest)?;
    session.refresh_id = Field::take(rest)?;
    // Nobody knows that of layout 1. The next rotation brings one. Until then it only has to be another one
    // than that of the refresh token: both are the same in a session of sliding tokens, which did not exist.
    session.access_id = TokenId::from_bytes(session.refresh_id.as_bytes().map(|byte| !byte));
    if layout > 1 {
        session.access_id = Field::take(rest)?;
        session.revoked_tokens = Field::take(rest)?;
        let device = &mut session.device;
        device.app = Field::take(rest)?;
        device.app_version = Field::take(rest)?;
        device.os = Field::take(rest)?;
        device.os_version = Field::take(rest)?;
        device.model = Field::take(rest)?;
        device.id = Field::take(rest)?;
        device.user_agent = Field::take(rest)?;
        device.address = Field::take(rest)?;
        session.last_address = Field::take(rest)?;
    }
    if layout == 3 {
        bool::take(rest)?;
    }
    session.revoked = Field::take(rest)?;
    rest.is_empty().then_some(())
}
