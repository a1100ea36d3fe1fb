//! Layout 4 of sessions and those that follow it, each with one field more: see [`codec`](super::super) for
//! how to add one.

use super::super::field::fields;
use crate::record::Session;

fields!(Session {
    subject: 4,
    roles: 4,
    scopes: 4,
    user: 4,
    created_at: 4,
    auth_time: 4,
    absolute_expires_at: 4,
    expires_at: 4,
    generation: 4,
    rotated_at: 4,
    refresh_id: 4,
    access_id: 4,
    revoked_tokens: 4,
    device.app: 4,
    device.app_version: 4,
    device.os: 4,
    device.os_version: 4,
    device.model: 4,
    device.id: 4,
    device.user_agent: 4,
    device.address: 4,
    last_address: 4,
    revoked: 4,
    user_kind: 5,
    confirmed: 6,
    agent: 6,
    access_issued_at: 6,
    api_key: 7,
});
