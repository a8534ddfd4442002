//! What an operator opens, and nothing next to it.

use domain::{Classify, ErrorKind};
use proptest::prelude::*;

use super::server::{Server, egress};
use crate::ranges::{closed_v4_networks, range_of};
use crate::target::Target;
use crate::{EgressError, EgressPolicy};

fn check(allow: &str, host: &str, port: u16, addresses: &[&str]) -> Result<(), EgressError> {
    let policy: EgressPolicy = allow.parse().unwrap();
    let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    policy.check(&Target::parse(host, port).unwrap(), &addresses)
}

#[tokio::test]
async fn an_entry_opens_its_address_and_port_only() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let allowed = Server::with_answer(answer, false).await;
    let neighbour = Server::with_answer(answer, false).await;
    let egress = egress(&allowed.address.to_string());
    assert_eq!(egress.get(&allowed.url("/")).send().await.unwrap().status(), 200);
    for url in [
        neighbour.url("/"),
        format!("http://127.0.0.2:{}/", allowed.port()),
        format!("http://[::1]:{}/", allowed.port()),
    ] {
        let error = egress.get(&url).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{url}: {error}");
    }
    assert_eq!(neighbour.connections(), 0);
}

#[test]
fn an_address_entry_opens_one_address() {
    // Each with its neighbours on both sides.
    for (open, before, after) in [
        ("127.0.0.1", "127.0.0.0", "127.0.0.2"),
        ("10.20.0.7", "10.20.0.6", "10.20.0.8"),
        ("192.0.2.1", "192.0.2.0", "192.0.2.2"),
        ("198.18.0.1", "198.18.0.0", "198.18.0.2"),
        ("::1", "::", "::2"),
        ("fd12::1", "fd12::", "fd12::2"),
        ("2001:db8::1", "2001:db8::", "2001:db8::2"),
    ] {
        assert!(check(open, "site.example", 80, &[open]).is_ok(), "{open}");
        assert!(check(open, "site.example", 80, &[before]).is_err(), "{open} opens {before}");
        assert!(check(open, "site.example", 80, &[after]).is_err(), "{open} opens {after}");
        assert!(check(open, "site.example", 80, &[open, after]).is_err(), "{open} opens {after}");
    }
}

#[test]
fn a_range_entry_opens_its_range_at_its_port() {
    assert!(check("10.20.0.0/16", "site.example", 80, &["10.20.255.255"]).is_ok());
    assert!(check("10.20.0.0/16", "site.example", 80, &["10.21.0.0"]).is_err());
    assert!(check("10.20.0.0/16", "site.example", 80, &["10.19.255.255"]).is_err());
    assert!(check("10.20.0.0/16:8443", "site.example", 8443, &["10.20.0.1"]).is_ok());
    assert!(check("10.20.0.0/16:8443", "site.example", 443, &["10.20.0.1"]).is_err());
    assert!(check("[fd12::/32]:443", "site.example", 443, &["fd12::7"]).is_ok());
    assert!(check("fd12::/32", "site.example", 443, &["fd13::7"]).is_err());
    assert!(check("10.20.0.0/16", "site.example", 80, &["64:ff9b::10.20.0.1"]).is_err());
}

#[test]
fn a_name_entry_opens_private_addresses_of_that_name() {
    assert!(
        check("wiki.corp.example", "WIKI.corp.example.", 443, &["10.0.0.1", "fd00::1", "93.184.215.14"])
            .is_ok()
    );
    assert!(check("wiki.corp.example", "www.wiki.corp.example", 443, &["10.0.0.1"]).is_err());
    assert!(check("wiki.corp.example", "xwiki.corp.example", 443, &["10.0.0.1"]).is_err());
    assert!(check("wiki.corp.example", "10.0.0.1", 443, &["10.0.0.1"]).is_err());
    assert!(check("wiki.corp.example:8443", "wiki.corp.example", 443, &["10.0.0.1"]).is_err());
    assert!(check("*.corp.example", "a.b.corp.example", 443, &["10.0.0.1"]).is_ok());
    assert!(check("*.corp.example", "corp.example", 443, &["10.0.0.1"]).is_err());
    assert!(check("*.corp.example", "evilcorp.example", 443, &["10.0.0.1"]).is_err());
    // A name can be pointed anywhere by whoever controls it.
    for address in ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "240.0.0.1", "64:ff9b::10.0.0.1"]
    {
        assert!(
            check("wiki.corp.example,*.corp.example", "wiki.corp.example", 443, &[address]).is_err(),
            "{address}"
        );
    }
}

#[test]
fn nothing_opens_metadata_and_link_local_addresses() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "ff02::1",
        "::",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "::ffff:169.254.169.254",
    ] {
        let error = check("0.0.0.0/0, ::/0, *.example", "site.example", 80, &[address]).unwrap_err();
        assert!(error.to_string().ends_with(", which is never reached"), "{address}: {error}");
        assert!(address.parse::<EgressPolicy>().is_err(), "{address} as an entry");
    }
}

#[test]
fn refusals_say_what_an_operator_can_open() {
    assert_eq!(
        check("", "wiki.corp.example", 443, &["10.0.0.1"]).unwrap_err().to_string(),
        "wiki.corp.example:443 resolves to a private address; ask the operator to add the host or its address to \
         EGRESS_ALLOW"
    );
    assert_eq!(
        check("", "2130706433", 80, &["127.0.0.1"]).unwrap_err().to_string(),
        "127.0.0.1:80 is a loopback address; ask the operator to add its address to EGRESS_ALLOW"
    );
    assert_eq!(
        check("", "169.254.169.254", 80, &["169.254.169.254"]).unwrap_err().to_string(),
        "169.254.169.254:80 is a link-local address, which is never reached"
    );
}

#[test]
fn entries_that_cannot_be_read_are_named() {
    for (entry, reason) in [
        ("10.20.0.0/33", "not a range"),
        ("10.20.0.1/16", "10.20.0.0/16 is the range"),
        ("wiki.corp.example:0", "port"),
        ("wiki.corp.example:99999", "port"),
        ("[::1]443", "port"),
        ("*", "host name"),
        ("a.*.example", "first label"),
        ("https://wiki.corp.example", "port"),
        ("user@host", "host name"),
        ("0x7f.1", "usual spelling"),
        ("2130706433", "usual spelling"),
        ("169.254.169.254", "never reached"),
        ("[::ffff:10.0.0.0/104]", "IPv4 range"),
    ] {
        let error = format!("wiki.example, {entry}").parse::<EgressPolicy>().expect_err(entry).to_string();
        assert!(error.contains(&format!("{entry:?}")) && error.contains(reason), "{error}");
        assert!(error.contains("10.20.0.0/16"), "{error}");
    }
    assert_eq!(" , ,".parse::<EgressPolicy>(), Ok(EgressPolicy::default()));
}

fn closed_v4_address() -> impl Strategy<Value = std::net::Ipv4Addr> {
    let networks: Vec<_> = closed_v4_networks().collect();
    (prop::sample::select(networks), any::<u32>()).prop_map(|(network, bits)| {
        (network.network().to_bits() | (bits & network.hostmask().to_bits())).into()
    })
}

proptest! {
    #[test]
    fn closed_addresses_are_closed_inside_ipv6(address in closed_v4_address(), tail in any::<u64>()) {
        let bits = u128::from(address.to_bits());
        let inside = |prefix: u128, shift: u32| std::net::Ipv6Addr::from_bits(prefix | (bits << shift));
        prop_assert!(range_of(address.into()).is_some());
        let spellings = [
            ("mapped", inside(0xffff << 32, 0)),
            ("compatible", inside(0, 0)),
            ("NAT64", inside(0x0064_ff9b << 96, 0)),
            ("local NAT64", inside(0x0064_ff9b_0001 << 80, 0)),
            ("6to4", inside(0x2002 << 112 | u128::from(tail), 80)),
            // Teredo stores the client's address inverted.
            ("Teredo", std::net::Ipv6Addr::from_bits(0x2001_0000 << 96 | u128::from(tail) << 32 | u128::from(!address.to_bits()))),
        ];
        for (name, spelling) in spellings {
            prop_assert!(range_of(spelling.into()).is_some(), "{name} of {address}: {spelling}");
        }
    }

    #[test]
    fn addresses_outside_of_the_ranges_are_public(bits in any::<u32>()) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let closed = closed_v4_networks().any(|network| network.contains(&address));
        prop_assert_eq!(range_of(address.into()).is_some(), closed);
        prop_assert_eq!(range_of(address.to_ipv6_mapped().into()).is_some(), closed);
    }
}

#[test]
fn public_addresses_are_open() {
    for address in [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.215.14",
        "172.32.0.1",
        "11.0.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "2a00:1450:4001:82a::200e",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
    ] {
        assert!(check("", "site.example", 443, &[address]).is_ok(), "{address}");
    }
}
