//! What [`JwtAuth::dev`](crate::JwtAuth::dev) answers to: this machine only. And which requests name this
//! machine.
//!
//! # Invariants
//!
//! 1. A refusal says whether the connection or the host was the reason, and what to write (M-17).
//! 2. The log has one line for each of the two reasons.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use poem::Request;
use poem::http::header;

use super::answer::rejection::Rejection;
use crate::host::HostPort;

/// The longest part of a strange host that stands in the log, in characters.
const SHOWN: usize = 100;

const INSTEAD: &str = r#"or write `JwtAuth::builder().secret_file("data/secret").insecure_cookies().open("data/store").await?` in place of `JwtAuth::dev()?`"#;

/// Refuses everything that comes from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct LocalOnly {
    told_of_peer: AtomicBool,
    told_of_host: AtomicBool,
}

impl LocalOnly {
    /// Says why a request is refused, if it is.
    pub(crate) fn refusal(&self, request: &Request) -> Option<Rejection> {
        if let Some(peer) = elsewhere(request.remote_addr().as_socket_addr()) {
            if !self.told_of_peer.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    target: "jwtauth",
                    "403: `JwtAuth::dev()` answers to connections from its own machine only, and this one came from {peer}. \
                     Through a port that Docker maps, every connection comes from Docker's gateway: \
                     use `docker run --network host`, {INSTEAD}"
                );
            }
            return Some(Rejection::DevelopmentPeer);
        }
        if !is_local(request) {
            if !self.told_of_host.swap(true, Ordering::Relaxed) {
                let host: String = named_host(request).unwrap_or_default().chars().take(SHOWN).collect();
                tracing::warn!(
                    target: "jwtauth",
                    "403: `JwtAuth::dev()` answers to the hosts localhost, 127.0.0.1 and [::1] only, and this request names {host:?}. \
                     Open it as http://localhost with its port, {INSTEAD}"
                );
            }
            return Some(Rejection::DevelopmentOnly);
        }
        None
    }
}

/// Returns the address of another machine that a connection came from. Headers prove nothing.
fn elsewhere(peer: Option<&SocketAddr>) -> Option<IpAddr> {
    peer.map(|peer| peer.ip().to_canonical()).filter(|peer| !peer.is_loopback())
}

/// Tells whether the request names this machine as its host. Without a host it does not.
pub(crate) fn is_local(request: &Request) -> bool {
    named_host(request).and_then(HostPort::parse).is_some_and(|host| host.is_this_machine())
}

fn named_host(request: &Request) -> Option<&str> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.or(request.original_uri().authority().map(|authority| authority.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_here() {
        for (peer, here) in [
            ("127.0.0.1:4000", true),
            ("127.9.9.9:4000", true),
            ("[::1]:4000", true),
            ("[::ffff:127.0.0.1]:4000", true),
            ("172.17.0.1:4000", false),
            ("192.0.2.7:4000", false),
            ("0.0.0.0:4000", false),
            ("[::ffff:192.0.2.7]:4000", false),
            ("[2001:db8::7]:4000", false),
        ] {
            assert_eq!(elsewhere(Some(&peer.parse().unwrap())).is_none(), here, "{peer}");
        }
        assert!(elsewhere(None).is_none());
    }
}
