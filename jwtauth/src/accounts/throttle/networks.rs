//! What counts as one address, and what as one large network of them.

use std::net::{IpAddr, Ipv6Addr};

use crate::host::is_of_own_network;

/// What counts as one address: all of IPv4, and the 64 bits of IPv6 that one customer has at least (RFC
/// 6177).
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// What one customer has of IPv6 at most: 48 bits (RFC 6177). Of IPv4, and of networks of one's own, there is
/// none.
pub(super) fn large_network_of(address: IpAddr) -> Option<[u8; 6]> {
    match address.to_canonical() {
        IpAddr::V6(address) if !is_of_own_network(address.into()) => address.octets().first_chunk().copied(),
        _ => None,
    }
}
