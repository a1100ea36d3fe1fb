//! A session as pages list it.

use std::net::IpAddr;

use super::PageTexts;
use super::page_shell::times;
use crate::device::Device;
use crate::id::SessionId;
use crate::record::Session;

/// A session of a list.
pub(super) struct DeviceRow {
    pub(super) id: String,
    pub(super) device: String,
    pub(super) is_this: bool,
    pub(super) address: Option<IpAddr>,
    pub(super) last_used: String,
    pub(super) last_used_shown: String,
    pub(super) opened: String,
    pub(super) opened_shown: String,
}

impl DeviceRow {
    /// Describes a session. `this` is the one that the page is shown in.
    pub(super) fn of(session: &Session, this: SessionId, texts: &PageTexts) -> Self {
        let device = session.device.to_string();
        let is_unknown = device == Device::default().to_string();
        let (last_used, last_used_shown) = times(session.rotated_at);
        let (opened, opened_shown) = times(session.created_at);
        Self {
            id: session.id.to_string(),
            device: if is_unknown { texts.unknown_device.to_string() } else { device },
            is_this: session.id == this,
            address: Session::last_seen_from(session),
            last_used,
            last_used_shown,
            opened,
            opened_shown,
        }
    }
}
