//! Tells the log of a proxy that seems to be there and is not configured (M-4).
//!
//! Without [`trusted_proxy`](crate::JwtAuthBuilder::trusted_proxy) all clients of a proxy have its address.
//! So limits by address cannot tell them apart, and lists of sessions show the wrong one.
//!
//! # Invariants
//!
//! 1. A header decides about nothing here but one line in the log.
//! 2. From a public address a header means nothing: any client can send it.

use std::sync::atomic::{AtomicBool, Ordering};

use poem::Addr;
use poem::http::HeaderMap;

use super::proxy::{Proxies, ProxyHeader};
use crate::host::is_of_own_network;

/// Headers that proxies write, with what must be set so that one is read.
const WRITTEN: [(&str, Option<ProxyHeader>); 3] = [
    ("X-Forwarded-For", Some(ProxyHeader::XForwardedFor)),
    ("Forwarded", Some(ProxyHeader::Forwarded)),
    ("X-Real-IP", None),
];

#[derive(Debug, Default)]
pub(crate) struct ProxyHint {
    told: AtomicBool,
}

impl ProxyHint {
    /// Looks at a request of which the address is asked.
    pub(super) fn look(&self, proxies: &Proxies, peer: &Addr, headers: &HeaderMap) {
        let has = |name: &str| headers.contains_key(name);
        let Some((name, header)) = WRITTEN.into_iter().find(|(name, _)| has(name)) else { return };
        let is_trusted = proxies.trusts_peer(peer);
        // The client may have written another header than the proxy, which is then read alone.
        let is_read = WRITTEN.iter().any(|(name, header)| *header == Some(proxies.header()) && has(name));
        if is_trusted && is_read || self.told.load(Ordering::Relaxed) {
            return;
        }
        let proxy = match peer {
            Addr::SocketAddr(peer) if is_trusted || is_of_own_network(peer.ip()) => {
                peer.ip().to_canonical().to_string()
            }
            #[cfg(unix)]
            Addr::Unix(_) => "unix:".to_owned(),
            _ => return,
        };
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let read = match header {
            None => {
                "(in the proxy) that it sends `X-Forwarded-For`, because `X-Real-IP` is not read".to_owned()
            }
            Some(header) if header == proxies.header() => String::new(),
            Some(header) => {
                format!("`.clients(ClientConfig::default().proxy_header(ProxyHeader::{header:?}))`")
            }
        };
        let trust = if is_trusted { String::new() } else { format!("`.trusted_proxy(\"{proxy}\")`") };
        let both = if read.is_empty() || trust.is_empty() { "" } else { " and " };
        tracing::warn!(
            target: "jwtauth",
            "a request from {proxy} has `{name}`, which nobody has configured, so all clients of that proxy have one address: \
             limits and lists of sessions cannot tell them apart. If it is your proxy, write on the builder: {trust}{both}{read}"
        );
    }
}
