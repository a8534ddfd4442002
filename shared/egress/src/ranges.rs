//! The addresses that are not public, by range, and what it takes to open them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an operator must allow before an address of a range is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenedBy {
    /// The name of a host that resolves to it, or the address.
    NameOrAddress,
    /// The address or a range that contains it: a name could be pointed there by whoever controls it.
    Address,
    /// Nothing. No server of a user is there.
    Nothing,
}

/// A range of addresses that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// What it is, as in "a private address".
    pub(crate) name: &'static str,
    pub(crate) opened_by: OpenedBy,
}

const fn range(name: &'static str, opened_by: OpenedBy) -> Range {
    Range { name, opened_by }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(segments: [u16; 4], last: u16, bits: u8) -> Ipv6Net {
    let [a, b, c, d] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, last), bits)
}

const UNSPECIFIED: Range = range("an unspecified address", OpenedBy::Nothing);
const LOOPBACK: Range = range("a loopback address", OpenedBy::Address);
const LINK_LOCAL: Range = range("a link-local address", OpenedBy::Nothing);
const METADATA: Range = range("an address of a cloud's metadata service", OpenedBy::Nothing);
const PRIVATE: Range = range("a private address", OpenedBy::NameOrAddress);
const DOCUMENTATION: Range = range("an address for documentation", OpenedBy::Address);
const RESERVED: Range = range("a reserved address", OpenedBy::Address);
const MULTICAST: Range = range("a multicast address", OpenedBy::Nothing);
/// What carries an IPv4 address inside, for a gateway that would forward to it.
const EMBEDDING: Range = range("an IPv6 address that carries an IPv4 address", OpenedBy::Nothing);

/// The first match counts. From the IANA registry of special-purpose addresses; the metadata services that are
/// not link-local are those of Alibaba, Oracle and Azure.
const V4: &[(Ipv4Net, Range)] = &[
    (v4(100, 100, 100, 200, 32), METADATA),
    (v4(192, 0, 0, 192, 32), METADATA),
    (v4(168, 63, 129, 16, 32), METADATA),
    (v4(0, 0, 0, 0, 8), UNSPECIFIED),
    (v4(10, 0, 0, 0, 8), PRIVATE),
    (v4(100, 64, 0, 0, 10), range("an address shared behind a carrier's NAT", OpenedBy::NameOrAddress)),
    (v4(127, 0, 0, 0, 8), LOOPBACK),
    // Has the metadata services of most clouds, and the credentials of containers.
    (v4(169, 254, 0, 0, 16), LINK_LOCAL),
    (v4(172, 16, 0, 0, 12), PRIVATE),
    (v4(192, 0, 0, 0, 24), RESERVED),
    (v4(192, 0, 2, 0, 24), DOCUMENTATION),
    (v4(192, 88, 99, 0, 24), RESERVED),
    (v4(192, 168, 0, 0, 16), PRIVATE),
    (v4(198, 18, 0, 0, 15), range("an address for benchmarks", OpenedBy::Address)),
    (v4(198, 51, 100, 0, 24), DOCUMENTATION),
    (v4(203, 0, 113, 0, 24), DOCUMENTATION),
    (v4(224, 0, 0, 0, 4), MULTICAST),
    (v4(255, 255, 255, 255, 32), range("the broadcast address", OpenedBy::Nothing)),
    (v4(240, 0, 0, 0, 4), RESERVED),
];

/// The first match counts. Whatever is neither here nor in [`GLOBAL_UNICAST`] is reserved. The metadata services
/// are those of AWS and Google.
const V6: &[(Ipv6Net, Range)] = &[
    (v6([0, 0, 0, 0], 0, 128), UNSPECIFIED),
    (v6([0, 0, 0, 0], 1, 128), LOOPBACK),
    (v6([0, 0, 0, 0], 0, 96), EMBEDDING),
    (v6([0x64, 0xff9b, 1, 0], 0, 48), EMBEDDING),
    (v6([0x2001, 0, 0, 0], 0, 32), EMBEDDING),
    (v6([0x2002, 0, 0, 0], 0, 16), EMBEDDING),
    (v6([0x2001, 0, 0, 0], 0, 23), RESERVED),
    (v6([0x2001, 0xdb8, 0, 0], 0, 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0], 0, 20), DOCUMENTATION),
    (v6([0xfd00, 0xec2, 0, 0], 0, 32), METADATA),
    (v6([0xfd20, 0xce, 0, 0], 0x254, 128), METADATA),
    (v6([0xfc00, 0, 0, 0], 0, 7), PRIVATE),
    (v6([0xfe80, 0, 0, 0], 0, 10), LINK_LOCAL),
    (v6([0xff00, 0, 0, 0], 0, 8), MULTICAST),
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0], 0, 3);
/// The prefix of NAT64 gateways (RFC 6052): how functions without IPv4 reach public IPv4 addresses.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 0, 96);

/// Returns the range of an address that is not public; `None` if it is public.
pub(crate) fn range_of(address: IpAddr) -> Option<Range> {
    match address.to_canonical() {
        IpAddr::V4(address) => range_of_v4(address),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let embedded = Ipv4Addr::from_bits(address.to_bits() as u32);
            range_of_v4(embedded).map(|range| Range { opened_by: OpenedBy::Nothing, ..range })
        }
        IpAddr::V6(address) => {
            let listed = V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, range)| *range);
            listed.or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some(RESERVED))
        }
    }
}

fn range_of_v4(address: Ipv4Addr) -> Option<Range> {
    V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, range)| *range)
}

#[cfg(test)]
pub(crate) fn closed_v4_networks() -> impl Iterator<Item = Ipv4Net> {
    V4.iter().map(|(network, _)| *network)
}
