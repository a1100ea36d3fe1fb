//! A session as pages list it.

use std::net::IpAddr;

use super::PageTexts;
use super::page_shell::times;
use crate::id::SessionId;
use crate::record::Session;

/// A session of a list.
pub(super) struct DeviceRow {
    pub(super) id: String,
    /// The short form of the id, for links: addresses of pages are in many logs.
    pub(super) mark: String,
    pub(super) device: String,
    pub(super) is_this: bool,
    pub(super) address: Option<IpAddr>,
    /// Empty for an API key that nobody has used.
    pub(super) last_used: String,
    pub(super) last_used_shown: String,
    pub(super) opened: String,
    pub(super) opened_shown: String,
}

impl DeviceRow {
    /// Describes a session. `this` is the one that the page is shown in.
    pub(super) fn of(session: &Session, this: SessionId, texts: &PageTexts) -> Self {
        let device = match &session.api_key {
            Some(key) => format!("{}: {}", texts.admin.api_key, key.name),
            None => {
                let known = session.device.described(&texts.device_on);
                known.unwrap_or_else(|| texts.unknown_device.to_string())
            }
        };
        let never = || (String::new(), texts.admin.never.to_string());
        let (last_used, last_used_shown) = session.last_used_at().map_or_else(never, times);
        let (opened, opened_shown) = times(session.created_at);
        Self {
            id: session.id.to_string(),
            mark: session.id.log_id(),
            device,
            is_this: session.id == this,
            address: Session::last_seen_from(session),
            last_used,
            last_used_shown,
            opened,
            opened_shown,
        }
    }
}
