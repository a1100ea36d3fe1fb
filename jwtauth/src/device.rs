//! What is known about a client: what it says about itself, and its address.
//!
//! The client chooses everything except the address: never trusted. It helps people to recognise their
//! devices. Only `record::rotation` decides by it, about tokens that are genuine.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The client of a session, as it was at login.
///
/// Its `Display` is for a list of sessions: `Chrome 126 on Linux`, or `unknown device`. It shows the first
/// number of a version. Everything that the client says is at most 512 bytes long and without control
/// characters. It is not escaped for HTML.
///
/// If a session continues on another device, that is an
/// [`Event::DeviceChanged`](crate::Event::DeviceChanged). Another device is one that names another app,
/// system, model or id. A missing name, another version or another address does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Device {
    /// The browser or program, such as `Chrome`.
    pub app: Option<String>,
    /// Its version, such as `126.0.6478.61`: up to 32 bytes.
    pub app_version: Option<String>,
    /// The operating system, such as `Linux`.
    pub os: Option<String>,
    /// Its version, if known: browsers report the same for many systems.
    pub os_version: Option<String>,
    /// The model, such as `Pixel 9`.
    pub model: Option<String>,
    /// The id that the application gave to the device: up to 128 bytes. The client sends it: never trusted.
    pub id: Option<String>,
    /// The `User-Agent` header, without control characters: up to 512 bytes.
    pub user_agent: Option<String>,
    /// The address it came from, if it came by a network.
    pub address: Option<IpAddr>,
}

impl Device {
    /// Returns a number that stands for the `User-Agent`. It is the same for all clients that send none.
    pub(crate) fn agent_mark(&self) -> u64 {
        u64::from(crc32fast::hash(self.user_agent.as_deref().unwrap_or_default().as_bytes()))
    }

    /// Tells whether both name themselves, and differ. A version or an address may change.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        differ(&self.app, &other.app)
            || differ(&self.os, &other.os)
            || differ(&self.model, &other.model)
            || differ(&self.id, &other.id)
    }
}

/// Returns the words for how long ago something was: whole minutes, hours or days, rounded down.
pub(crate) fn ago(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => "just now".into(),
        MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
        HOUR..DAY => format!("{} h ago", seconds / HOUR),
        DAY.. => format!("{} d ago", seconds / DAY),
    }
}

impl Device {
    /// Describes the device in a few words, with `on` between program and system. `None` if nothing is known.
    pub(crate) fn described(&self, on: &str) -> Option<String> {
        let words = |name: &Option<String>, version: &Option<String>| {
            let name = name.as_deref()?;
            let version = version.as_ref().and_then(|version| version.split('.').next());
            Some(version.map_or(name.to_owned(), |version| format!("{name} {version}")))
        };
        let app = words(&self.app, &self.app_version);
        let place = self.model.clone().or_else(|| words(&self.os, &self.os_version));
        match (app, place) {
            (Some(app), Some(place)) => Some(format!("{app} {on} {place}")),
            (one, other) => one.or(other),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described("on").unwrap_or_else(|| "unknown device".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_shown_in_a_few_words() {
        let device = |app: &str, version: &str, os: &str, model: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Device {
                app: some(app),
                app_version: some(version),
                os: some(os),
                model: some(model),
                ..Device::default()
            }
        };
        for (device, want) in [
            (device("Chrome", "126", "Linux", ""), "Chrome 126 on Linux"),
            (device("Chrome", "", "Android", "Pixel 9"), "Chrome on Pixel 9"),
            (device("curl", "8.5.0", "", ""), "curl 8"),
            (device("", "126", "Linux", ""), "Linux"),
            (device("", "", "", ""), "unknown device"),
        ] {
            assert_eq!(device.to_string(), want);
            let german = device.described("auf").unwrap_or_else(|| "unknown device".into());
            assert_eq!(german, want.replace(" on ", " auf "));
        }
    }

    #[test]
    fn how_long_ago_is_told_in_whole_units() {
        for (seconds, want) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "1 d ago"),
            (34_560_000, "400 d ago"),
        ] {
            assert_eq!(ago(seconds), want, "{seconds}");
        }
    }
}
