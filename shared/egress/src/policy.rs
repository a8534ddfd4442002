//! What an operator opens besides public addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;
use url::Host;

use crate::EgressError;
use crate::ranges::{OpenedBy, range_of};
use crate::target::Target;

/// The addresses that may be reached: public ones, and what an operator has opened.
///
/// Its text is a list of entries separated by commas (the environment variable `EGRESS_ALLOW`), each with
/// an optional port:
/// - a host name, `wiki.corp.example`, or all names below one, `*.corp.example`: may resolve to private
///   addresses (RFC 1918, RFC 6598, fc00::/7);
/// - an address or a range, `127.0.0.1:8080`, `10.20.0.0/16`, `[fd12::1]:443`: is reached under any name.
///
/// Loopback and reserved addresses need the second kind. Link-local, multicast, unspecified and broadcast
/// addresses and metadata services are never reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    opens: Opens,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Opens {
    Name(String),
    NamesBelow(String),
    Network(IpNet),
}

/// An entry of the allow-list that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "entry {entry:?}: {reason}; allowed are host names (wiki.corp.example, *.corp.example), addresses and ranges \
     (10.20.0.0/16), each with an optional port (10.20.0.7:8443, [fd12::1]:443), separated by commas"
)]
pub struct EgressPolicyError {
    entry: String,
    reason: String,
}

impl EgressPolicy {
    /// Checks the addresses of a target. One that is closed refuses all: an answer that mixes public and
    /// internal addresses is an attack or a mistake.
    pub(crate) fn check(&self, target: &Target, addresses: &[IpAddr]) -> Result<(), EgressError> {
        addresses.iter().try_for_each(|address| self.check_address(target, *address))
    }

    fn check_address(&self, target: &Target, address: IpAddr) -> Result<(), EgressError> {
        let Some(range) = range_of(address) else {
            return Ok(());
        };
        let opens = |entry: &Entry| match range.opened_by {
            OpenedBy::Nothing => false,
            OpenedBy::Address => entry.opens_address(address, target.port),
            OpenedBy::NameOrAddress => entry.opens_address(address, target.port) || entry.opens_name(target),
        };
        if self.entries.iter().any(opens) {
            return Ok(());
        }
        let verb = if target.address().is_some() { "is" } else { "resolves to" };
        let remedy = match range.opened_by {
            OpenedBy::NameOrAddress => "; ask the operator to add the host or its address to EGRESS_ALLOW",
            OpenedBy::Address => "; ask the operator to add its address to EGRESS_ALLOW",
            OpenedBy::Nothing => ", which is never reached",
        };
        Err(EgressError::Refused {
            target: target.to_string(),
            reason: format!("{verb} {}{remedy}", range.name),
        })
    }
}

impl Entry {
    fn opens_address(&self, address: IpAddr, port: u16) -> bool {
        let Opens::Network(network) = &self.opens else { return false };
        network.contains(&address.to_canonical()) && self.port.is_none_or(|only| only == port)
    }

    fn opens_name(&self, target: &Target) -> bool {
        let Host::Domain(name) = &target.host else { return false };
        let matches = match &self.opens {
            Opens::Name(allowed) => name == allowed,
            Opens::NamesBelow(parent) => {
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Opens::Network(_) => false,
        };
        matches && self.port.is_none_or(|only| only == target.port)
    }
}

impl FromStr for EgressPolicy {
    type Err = EgressPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self { entries: entries.map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl FromStr for Entry {
    type Err = EgressPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| EgressPolicyError { entry: text.to_owned(), reason: reason.to_owned() };
        let (host, port) = split_port(text).ok_or_else(|| invalid("the port is not one of 1 to 65535"))?;
        if let Some(network) = parse_network(host) {
            let network = network.map_err(|reason| invalid(&reason))?;
            // A single address that stays closed is a misunderstanding; a range may contain some.
            if is_single(&network)
                && let Some(range) = range_of(network.addr())
                && range.opened_by == OpenedBy::Nothing
            {
                return Err(invalid(&format!("{} is never reached", range.name)));
            }
            return Ok(Self { opens: Opens::Network(network), port });
        }
        let (name, below) = host.strip_prefix("*.").map_or((host, false), |parent| (parent, true));
        let parsed = Target::parse(name, port.unwrap_or(443));
        let Ok(Target { host: Host::Domain(name), .. }) = parsed else {
            return Err(invalid("neither a host name nor an address in its usual spelling"));
        };
        if name.contains('*') {
            return Err(invalid("* is allowed as the first label only"));
        }
        Ok(Self { opens: if below { Opens::NamesBelow(name) } else { Opens::Name(name) }, port })
    }
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; `None` if the port is not one.
fn split_port(entry: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match entry.split_once(':') {
            // A second colon: an IPv6 address without a port.
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (entry, None),
        },
    };
    match port {
        None => Some((host, None)),
        Some(port) => port.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port))),
    }
}

/// Parses an address or a range; `None` if it looks like neither.
fn parse_network(text: &str) -> Option<Result<IpNet, String>> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Ok(IpNet::from(address.to_canonical())));
    }
    let (address, _) = text.split_once('/')?;
    let Ok(network) = text.parse::<IpNet>() else {
        return Some(Err(format!("not a range: {address:?} is not an address, or the prefix is too long")));
    };
    if network.trunc() != network {
        return Some(Err(format!(
            "the address has bits beyond the prefix; {} is the range",
            network.trunc()
        )));
    }
    if matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some()) {
        return Some(Err("IPv4 addresses are compared as such; write it as an IPv4 range".to_owned()));
    }
    Some(Ok(network))
}

fn is_single(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}
