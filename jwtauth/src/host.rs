//! Hosts and origins in one form, so that two spellings of one host are equal.
//!
//! Case does not matter (RFC 3986, section 3.2.2). A port that is not written is the default one of the
//! scheme (RFC 9110, section 4.2.3). An IPv6 address has one spelling (RFC 5952). A dot at the end stays:
//! browsers keep other cookies for `example.com.` than for `example.com`, so it is another host.

use std::net::{IpAddr, Ipv6Addr};

/// A host and the port that was written behind it: `example.com`, `example.com:8443`, `[::1]:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// In lower case. An IPv6 address has its brackets.
    name: String,
    port: Option<u16>,
}

impl HostPort {
    /// Reads the value of a `Host` header (RFC 9110, section 7.2).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(_) => text.find(']')? + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, rest) = text.split_at(end);
        let name = match name.strip_prefix('[') {
            Some(inner) => format!("[{}]", inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
            None if is_name(name) => name.to_ascii_lowercase(),
            None => return None,
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            // RFC 3986, section 3.2.3: a port that is empty is not written.
            Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Returns the host, in lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether it names the machine that asks.
    pub(crate) fn is_this_machine(&self) -> bool {
        matches!(&*self.name, "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Returns the port, for a URL of this scheme.
    fn port_for(&self, scheme: &str) -> Option<u16> {
        self.port.or(match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }
}

/// Scheme, host and port of a URL (RFC 6454, section 4).
#[derive(Clone, Debug)]
pub(crate) struct WebOrigin {
    /// In lower case.
    scheme: String,
    host: HostPort,
}

impl PartialEq for WebOrigin {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.is_at(&other.host)
    }
}

impl WebOrigin {
    /// Reads an origin as browsers send it, `scheme://host` or `scheme://host:port`, with nothing behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        if rest.contains(['/', '?', '#']) { None } else { Self::of_url(text) }
    }

    /// Returns the origin of a URL that has an authority and no user in it.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_scheme = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Some(Self { scheme: scheme.to_ascii_lowercase(), host: HostPort::parse(authority)? })
    }

    /// Tells whether a server that was asked under this host is the one of the origin, if both have the
    /// scheme.
    pub(crate) fn is_at(&self, host: &HostPort) -> bool {
        self.host.name == host.name && self.host.port_for(&self.scheme) == host.port_for(&self.scheme)
    }

    /// Tells whether it is one of http, without TLS.
    pub(crate) fn is_http(&self) -> bool {
        self.scheme == "http"
    }

    /// Tells whether nobody on the network can change what comes from there.
    pub(crate) fn is_safe(&self) -> bool {
        self.scheme == "https" || self.scheme == "http" && self.host.is_this_machine()
    }
}

/// Tells whether an address belongs to a network of one's own, where a proxy may be: loopback, private (RFC
/// 1918, RFC 4193), shared by a carrier (RFC 6598), or link-local.
pub(crate) fn is_of_own_network(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || a == 100 && b & 0xc0 == 64
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

/// Tells whether a text may be the name of a host: visible ASCII without what would end it.
fn is_name(text: &str) -> bool {
    let ends_it = |byte: u8| {
        matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\' | b'[' | b']' | b'<' | b'>' | b'^' | b'`')
            || matches!(byte, b'{' | b'|' | b'}' | b'%' | b'"' | b':' | b',' | b';')
    };
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !ends_it(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-19: which requests are of the same origin.
    #[test]
    fn n_19_an_origin_is_at_its_host() {
        for (origin, host, same) in [
            ("https://example.com", "example.com", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com", "EXAMPLE.Com:443", true),
            ("HTTPS://Example.COM", "example.com", true),
            ("https://example.com:443", "example.com", true),
            ("https://example.com", "example.com:", true),
            ("http://example.com", "example.com:80", true),
            ("http://example.com", "example.com", true),
            ("https://example.com:8443", "example.com:8443", true),
            ("http://[::1]", "[::1]:80", true),
            ("https://[2001:DB8::1]:8443", "[2001:db8:0:0::1]:8443", true),
            ("https://example.com.", "example.com.", true),
            ("https://example.com", "example.com:80", false),
            ("http://example.com", "example.com:443", false),
            ("https://example.com:8443", "example.com", false),
            ("https://example.com", "example.com:8443", false),
            ("https://example.com:80", "example.com", false),
            ("https://example.com", "example.com.", false),
            ("https://example.com", "www.example.com", false),
            ("https://[::1]", "[::2]", false),
            ("https://example.com", "example.com.evil.example", false),
            ("app://example.com", "example.com", true),
            ("app://example.com", "example.com:443", false),
        ] {
            let (origin, host) = (WebOrigin::parse(origin).unwrap(), HostPort::parse(host).unwrap());
            assert_eq!(origin.is_at(&host), same, "{origin:?} {host:?}");
        }
    }

    /// M-4: where a proxy may be that nobody has configured.
    #[test]
    fn m_4_addresses_of_a_network_of_ones_own() {
        for (address, own) in [
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("10.0.0.1", true),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("192.169.1.1", false),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.1", false),
            ("100.63.255.255", false),
            ("203.0.113.7", false),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:203.0.113.7", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_of_own_network(address.parse().unwrap()), own, "{address}");
        }
    }

    #[test]
    fn n_19_what_is_no_host_and_no_origin() {
        for host in [
            "",
            ":",
            ":443",
            "a b",
            "a:b",
            "a:+80",
            "a:-1",
            "a:65536",
            "user@a",
            "a/b",
            "a\\b",
            "[::1",
            "::1",
            "[::1]a",
            "[a]",
            "[::1]:x",
            "\u{e9}.example",
            "a:80:80",
            "a%2eb",
            "a,b",
        ] {
            assert_eq!(HostPort::parse(host), None, "{host:?}");
        }
        for origin in [
            "null",
            "",
            "://",
            "https://",
            "https:///",
            "https://a/",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "//a",
            "a",
            "https:a",
            "1s://a",
            " https://a",
            "https://a ",
            "https://a b",
            "https://a, https://b",
        ] {
            assert!(WebOrigin::parse(origin).is_none(), "{origin:?}");
        }
    }
}
