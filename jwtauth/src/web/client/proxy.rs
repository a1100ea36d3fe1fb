//! The address of a client: that of the socket, or the one that a trusted proxy names (H-14).
//!
//! Anyone can send `X-Forwarded-For`. Each proxy appends the address that called it. So the list is followed
//! from the right, as long as the entries were written by trusted proxies. It ends at the first address that
//! is not trusted, or at an entry that is no address. What stands left of it may be made up.
//!
//! # Invariants
//!
//! 1. Unless the other end of the socket is a trusted proxy, no header is read.
//! 2. One header is read, the configured one. A proxy that writes one of them passes the other through.
//! 3. Both forms of an IPv4 address are the same: `::ffff:192.0.2.1` is `192.0.2.1`.
//!
//! Networks are compared here and not by a crate: it takes three lines, and those crates accept `10.0.0.1/8`
//! and IPv4 in IPv6 form without a warning.

use std::net::{IpAddr, Ipv4Addr};

use poem::Addr;
use poem::http::{HeaderMap, HeaderName, header};

use crate::error::ConfigError;

/// The header in which trusted proxies write the address of the client. See
/// [`ClientConfig::proxy_header`](crate::ClientConfig::proxy_header).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// `Forwarded` (RFC 7239): its parameter `for`.
    Forwarded,
    /// `X-Forwarded-For`, which nginx, Caddy, HAProxy and most load balancers write.
    #[default]
    XForwardedFor,
}

/// The trusted proxies.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    header: ProxyHeader,
    networks: Vec<Network>,
    /// Whether a proxy on a Unix domain socket is trusted.
    unix: bool,
}

/// The addresses that share a prefix. All are kept as IPv6, so that both forms of an IPv4 address are one.
#[derive(Clone, Copy, Debug)]
struct Network {
    first: u128,
    /// 1 to 128.
    prefix: u32,
}

impl Proxies {
    pub(crate) fn new(header: ProxyHeader) -> Self {
        Self { header, ..Self::default() }
    }

    /// Trusts an address, a network, or proxies on a Unix domain socket.
    pub(crate) fn trust(&mut self, proxy: &str) -> Result<(), ConfigError> {
        if proxy == "unix:" {
            self.unix = true;
            return Ok(());
        }
        let refused = |problem| ConfigError::setting("trusted_proxy", proxy, problem);
        self.networks.push(Network::parse(proxy).map_err(refused)?);
        Ok(())
    }

    /// Returns the address of the client, if it came by a network.
    pub(crate) fn client(&self, peer: &Addr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut address = match peer {
            Addr::SocketAddr(peer) => Some(peer.ip().to_canonical()),
            _ => None,
        };
        if !self.trusts_peer(peer) {
            return address;
        }
        for hop in self.hops(headers) {
            let Some(hop) = hop else { break };
            address = Some(hop);
            if !self.trusts(hop) {
                break;
            }
        }
        address
    }

    /// Tells whether the other end of a socket is a trusted proxy.
    pub(super) fn trusts_peer(&self, peer: &Addr) -> bool {
        match peer {
            Addr::SocketAddr(peer) => self.trusts(peer.ip().to_canonical()),
            #[cfg(unix)]
            Addr::Unix(_) => self.unix,
            _ => false,
        }
    }

    pub(super) const fn header(&self) -> ProxyHeader {
        self.header
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Returns the addresses that a request was forwarded for, the nearest first. `None`: no address.
    fn hops<'h>(&self, headers: &'h HeaderMap) -> Box<dyn Iterator<Item = Option<IpAddr>> + 'h> {
        let (name, parse): (HeaderName, fn(&str) -> Option<IpAddr>) = match self.header {
            ProxyHeader::Forwarded => (header::FORWARDED, forwarded_for),
            ProxyHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), node),
        };
        let lines = headers.get_all(name).iter().rev();
        Box::new(lines.flat_map(|line| from_right(line.as_bytes(), b',')).map(move |element| {
            // Bytes that are not text are no address.
            std::str::from_utf8(element).ok().and_then(parse)
        }))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err("it is no IP address and no network: names, ports and spaces are not understood");
        };
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => match prefix.parse() {
                Ok(prefix) if prefix <= bits => prefix,
                _ => return Err("the prefix is a number up to 32 for IPv4 and up to 128 for IPv6"),
            },
        };
        let network = Self { first: key(address), prefix: prefix + 128 - bits };
        if network.first.checked_shl(network.prefix).is_some_and(|beyond| beyond != 0) {
            return Err(
                "it has bits beyond its prefix: the network that 10.0.0.1 is in is written 10.0.0.0/8",
            );
        }
        if network.prefix == 0 || network.prefix <= 96 && network.contains(Ipv4Addr::UNSPECIFIED.into()) {
            return Err("it would trust everybody, and then anybody can say to be anybody");
        }
        Ok(network)
    }

    fn contains(self, address: IpAddr) -> bool {
        // In one network, all bits that differ are behind the prefix.
        (self.first ^ key(address)).checked_shr(128 - self.prefix).is_none_or(|differ| differ == 0)
    }
}

fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Splits a list from its right end. A separator in quotes does not count.
///
/// Not from the left: the client may have left quotes open there, around what the proxy appended.
fn from_right(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let mut quoted = false;
        let is_escaped =
            |at: usize| list[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        let cut = (0..list.len()).rev().find(|at| {
            // Outside of quotes there is nothing to escape.
            quoted ^= list[*at] == b'"' && !(quoted && is_escaped(*at));
            list[*at] == separator && !quoted
        });
        rest = cut.map(|cut| &list[..cut]);
        Some(cut.map_or(list, |cut| &list[cut + 1..]))
    })
}

/// Splits an element of `Forwarded` into its parameters. A separator in quotes does not count, and a proxy
/// puts there what the client sent as its host (RFC 9110, section 5.6.4; RFC 7239, section 4).
fn parameters(element: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    element.split(move |c| {
        let is_literal = std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted && !is_literal => is_escaped = true,
            '"' if !is_literal => is_quoted = !is_quoted,
            _ => {}
        }
        c == ';' && !is_quoted
    })
}

/// Reads the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = parameters(element).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let (Some(value), None) = (found.next(), found.next()) else { return None };
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Reads an address, with or without brackets and port. `unknown` and `_hidden` are none (RFC 7239, 6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').map(|(host, port)| (host, port.strip_prefix(':')))?,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    // A hidden port hides nothing of the address.
    let sound = port.is_none_or(|port| port.starts_with('_') || port.parse::<u16>().is_ok());
    if sound { host.parse().ok().map(|address: IpAddr| address.to_canonical()) } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn proxies(header: ProxyHeader, trusted: &[&str]) -> Proxies {
        let mut proxies = Proxies::new(header);
        trusted.iter().for_each(|proxy| proxies.trust(proxy).unwrap());
        proxies
    }

    fn peer(address: &str) -> Addr {
        Addr::SocketAddr(SocketAddr::new(address.parse().unwrap(), 4_000))
    }

    fn lines(name: &'static str, lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| {
            (HeaderName::from_static(name), poem::http::HeaderValue::from_bytes(line.as_bytes()).unwrap())
        });
        lines.fold(HeaderMap::new(), |mut map, (name, line)| {
            map.append(name, line);
            map
        })
    }

    fn shown(address: Option<IpAddr>) -> String {
        address.map_or("none".into(), |address| address.to_string())
    }

    /// H-14: read from the right, as long as the writers are trusted.
    #[test]
    fn h_14_x_forwarded_for_is_read_from_the_right_up_to_the_first_stranger() {
        let proxies = proxies(ProxyHeader::XForwardedFor, &["10.0.0.0/8", "2001:db8:ffff::1"]);
        for (from, header, want) in [
            // A client that names itself is not trusted.
            ("198.51.100.1", &["203.0.113.7"][..], "198.51.100.1"),
            ("11.0.0.1", &["203.0.113.7"], "11.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("2001:db8:ffff::1", &["203.0.113.7"], "203.0.113.7"),
            ("2001:db8:ffff::2", &["203.0.113.7"], "2001:db8:ffff::2"),
            // What the client wrote stands left of what the proxy appended.
            ("10.0.0.1", &["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["10.9.9.9, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.0.0.3, 10.0.0.2"], "203.0.113.7"),
            // All are trusted: the one furthest away.
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            // No address: who said so is the last that is known.
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.7,"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, \u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, 203.0.113.256"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, fe80::1%eth0"], "10.0.0.1"),
            // Ports and brackets.
            ("10.0.0.1", &["203.0.113.7:443"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7:99999"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &[" 2001:DB8:0::7\t"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["[::ffff:203.0.113.7]:1"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::7"], "10.0.0.1"),
        ] {
            let header = lines("x-forwarded-for", header);
            assert_eq!(shown(proxies.client(&peer(from), &header)), want, "{from} {header:?}");
        }
    }

    /// RFC 7239: the same, in another form.
    #[test]
    fn h_14_forwarded_is_read_the_same_way() {
        let proxies = proxies(ProxyHeader::Forwarded, &["10.0.0.0/8"]);
        for (header, want) in [
            (&["for=203.0.113.7"][..], "203.0.113.7"),
            (&["for=1.1.1.1, For=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7"),
            (&["proto=https; for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=\"203.0.113.7:_port\", for=\"10.0.0.2:80\""], "203.0.113.7"),
            (&["for=203.0.113.7", "for=10.0.0.2"], "203.0.113.7"),
            (&["for=203.0.113.7, for=unknown"], "10.0.0.1"),
            (&["for=203.0.113.7, for=_mystery"], "10.0.0.1"),
            (&["for=203.0.113.7, proto=https"], "10.0.0.1"),
            (&["for=203.0.113.7;for=203.0.113.8"], "10.0.0.1"),
            (&["203.0.113.7"], "10.0.0.1"),
            // Quotes that the client left open swallow nothing of what was appended.
            (&["for=\"evil, for=203.0.113.7"], "203.0.113.7"),
            (&["for=\"evil, for=\"[2001:db8::7]\""], "2001:db8::7"),
            (&["for=\"a,b\", for=10.0.0.2"], "10.0.0.2"),
            // What the client sent as its host says nothing of its address.
            (&[r#"for=203.0.113.7;host="a;for=6.6.6.6";proto=https"#], "203.0.113.7"),
            (&[r#"host="a\";for=6.6.6.6";for=203.0.113.7"#], "203.0.113.7"),
            (&[r#"for=1.1.1.1, for=203.0.113.7;host="a\"b,for=6.6.6.6""#], "203.0.113.7"),
            (&[r#"for=1.1.1.1, for=203.0.113.7;host="a\\""#], "203.0.113.7"),
        ] {
            let header = lines("forwarded", header);
            assert_eq!(shown(proxies.client(&peer("10.0.0.1"), &header)), want, "{header:?}");
        }
        // The other header is not read, whoever sends it.
        let header = lines("x-forwarded-for", &["203.0.113.7"]);
        assert_eq!(shown(proxies.client(&peer("10.0.0.1"), &header)), "10.0.0.1");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn h_14_a_proxy_on_a_unix_socket_is_trusted_if_that_was_said() {
        let (socket, _) = tokio::net::UnixStream::pair().unwrap();
        let peer = Addr::Unix(socket.peer_addr().unwrap().into());
        let header = lines("x-forwarded-for", &["203.0.113.7"]);
        for (trusted, want) in [(&[][..], "none"), (&["unix:"], "203.0.113.7"), (&["10.0.0.1"], "none")] {
            let proxies = proxies(ProxyHeader::XForwardedFor, trusted);
            assert_eq!(shown(proxies.client(&peer, &header)), want, "{trusted:?}");
        }
        let custom = Addr::Custom("test", "test".into());
        assert_eq!(proxies(ProxyHeader::XForwardedFor, &["unix:"]).client(&custom, &header), None);
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for (text, good) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("10.0.0.0/8", true),
            ("10.0.0.1/32", true),
            ("0.0.0.0/1", true),
            ("fd00::/8", true),
            ("::ffff:10.0.0.0/104", true),
            ("unix:", true),
            ("10.0.0.1/8", false),
            ("fd00::1/8", false),
            ("10.0.0.0/33", false),
            ("fd00::/129", false),
            ("10.0.0.0/", false),
            ("10.0.0.0/-1", false),
            ("0.0.0.0/0", false),
            ("::/0", false),
            ("::/64", false),
            ("::ffff:0.0.0.0/96", false),
            ("localhost", false),
            ("127.0.0.1:80", false),
            (" 127.0.0.1", false),
            ("", false),
        ] {
            let trusted = Proxies::default().trust(text);
            assert_eq!(trusted.is_ok(), good, "{text}: {trusted:?}");
        }
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        for (network, inside, outside) in [
            ("10.1.2.0/23", "10.1.3.255", "10.1.4.0"),
            ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("8000::/1", "ffff::", "192.0.2.1"),
            ("::ffff:192.0.2.0/120", "192.0.2.255", "192.0.3.0"),
        ] {
            let network = Network::parse(network).unwrap();
            let contains = |address: &str| network.contains(address.parse().unwrap());
            assert!(contains(inside) && !contains(outside), "{network:?}");
        }
    }
}
