//! What a request says about its client, and the address that it came from.
//!
//! [`agent`] reads the `User-Agent`, [`hints`] the client hints, which override it, and [`proxy`] finds the
//! address. [`proxy_hint`] tells of a proxy that is not configured. [`Clients::see`] copies a few headers of
//! a request. Only a login or refresh evaluates them.
//!
//! # Invariants
//!
//! 1. Any headers give a result. None makes a login fail.
//! 2. Text in a record has a limited length and no control characters (S-12).
//! 3. The client chooses all of it except the address: it is shown to people, and never trusted.

mod agent;
mod hints;
pub(crate) mod proxy;
pub(crate) mod proxy_hint;

use std::net::IpAddr;

use poem::Request;
use poem::http::{HeaderMap, HeaderName, header};

use self::proxy::Proxies;
use self::proxy_hint::ProxyHint;
use crate::device::Device;

/// Longest part of a `User-Agent` that is kept, in bytes (S-12).
const MAX_USER_AGENT: usize = 512;

/// Longest name of a program, system or model, in bytes (S-12).
const MAX_NAME: usize = 64;

/// Longest id of a device, in bytes (S-12).
const MAX_ID: usize = 128;

/// How clients are recognised: the settings, checked.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) proxies: Proxies,
    pub(crate) id_header: Option<HeaderName>,
    pub(crate) proxy_hint: ProxyHint,
}

/// What a request says about its client, not yet parsed.
#[derive(Clone, Debug)]
pub(crate) struct ClientHeaders {
    headers: HeaderMap,
    id: Option<String>,
    /// The address, if the request came by a network.
    pub(crate) address: Option<IpAddr>,
}

/// The client of a request. Only a login or refresh describes it.
#[derive(Clone, Copy)]
pub(crate) enum Client<'r> {
    Of(&'r Request),
    Noted(&'r ClientHeaders),
}

impl Clients {
    /// Copies what a request says about its client.
    pub(crate) fn see(&self, request: &Request) -> ClientHeaders {
        let mut headers = HeaderMap::new();
        for name in hints::ALL.iter().chain([&header::USER_AGENT]) {
            for value in request.headers().get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let id = self.id_header.as_ref().and_then(|name| request.headers().get(name));
        let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()));
        self.proxy_hint.look(&self.proxies, request.remote_addr(), request.headers());
        let address = self.proxies.client(request.remote_addr(), request.headers());
        ClientHeaders { headers, id: None, address }.named(&id.unwrap_or_default())
    }

    pub(crate) fn device(&self, client: Client<'_>) -> Device {
        match client {
            Client::Of(request) => self.see(request).device(),
            Client::Noted(headers) => headers.device(),
        }
    }
}

impl ClientHeaders {
    /// Gives the device an id, unless that is empty.
    pub(crate) fn named(mut self, id: &str) -> Self {
        self.id = Some(cleaned(id, MAX_ID)).filter(|id| !id.is_empty()).or(self.id);
        self
    }

    /// Describes the client.
    pub(crate) fn device(&self) -> Device {
        let agent = self.headers.get(header::USER_AGENT);
        let agent = agent.map(|agent| cleaned(&String::from_utf8_lossy(agent.as_bytes()), MAX_USER_AGENT));
        let agent = agent.filter(|agent| !agent.is_empty());
        let mut device = agent.as_deref().map(agent::read).unwrap_or_default();
        hints::apply(&self.headers, &mut device);
        Device { id: self.id.clone(), user_agent: agent, address: self.address, ..device }
    }
}

/// Returns text without control characters, and without those that reverse or hide other text, cut to a
/// length in bytes.
fn cleaned(text: &str, max: usize) -> String {
    let shows = |char: &char| {
        !char.is_control()
            && !matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut clean = String::new();
    for char in text.trim().chars().filter(shows) {
        if clean.len() + char.len_utf8() > max {
            break;
        }
        clean.push(char);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Returns one name for a program that agents and brands spell in several ways. So a session that is
/// refreshed without hints has the same browser.
fn app_name(name: &str) -> &str {
    match name {
        "Chrome Mobile WebView" => "Android WebView",
        "Chrome Mobile" | "Chrome Mobile iOS" | "Google Chrome" => "Chrome",
        "Edge Mobile" | "Microsoft Edge" => "Edge",
        "Firefox Mobile" | "Firefox iOS" => "Firefox",
        "Mobile Safari" | "Mobile Safari UI/WKWebView" => "Safari",
        "Opera Mobile" => "Opera",
        "YaBrowser" => "Yandex Browser",
        name => name,
    }
}

/// The same for a system.
fn os_name(name: &str) -> &str {
    match name {
        "Chromium OS" => "Chrome OS",
        "Mac OS X" => "macOS",
        name => name,
    }
}

#[cfg(test)]
mod tests;
