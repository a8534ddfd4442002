//! Where a connection goes: a host and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

use crate::EgressError;

/// A host and a port, parsed as browsers parse them: an IPv4 address in any spelling is an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
}

impl Target {
    /// Parses a host name or an address, which may have brackets.
    pub(crate) fn parse(host: &str, port: u16) -> Result<Self, EgressError> {
        // What is before an @ may be a password.
        let shown = host.rsplit('@').next().unwrap_or_default();
        let invalid =
            |reason: &str| EgressError::InvalidHost { host: shown.to_owned(), reason: reason.to_owned() };
        if port == 0 {
            return Err(invalid("port 0; ports from 1 to 65535 are allowed"));
        }
        let parsed = match host.parse::<Ipv6Addr>() {
            Ok(address) => Host::Ipv6(address),
            Err(_) => Host::parse(host).map_err(|error| invalid(&error.to_string()))?,
        };
        Ok(Self { host: normalized(parsed).ok_or_else(|| invalid("empty host name"))?, port })
    }

    /// Returns where a URL leads, after the checks that no URL may fail.
    pub(crate) fn of_url(url: &Url) -> Result<Self, EgressError> {
        let invalid = |reason: String| EgressError::InvalidUrl { reason };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!("http and https are allowed, got the scheme {:?}", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "it contains a user name or password; set them as secrets of the source".into(),
            ));
        }
        let host = url.host().ok_or_else(|| invalid("it has no host".into()))?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port != 0);
        Ok(Self {
            host: normalized(host).ok_or_else(|| invalid("its host name is empty".into()))?,
            port: port.ok_or_else(|| invalid("its port is 0; ports from 1 to 65535 are allowed".into()))?,
        })
    }

    /// Returns the address, unless the host is a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

/// Removes the dot of a fully qualified name, which changes neither where it leads nor whose certificate it has.
fn normalized(host: Host<String>) -> Option<Host<String>> {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
            (!name.is_empty() && !name.ends_with('.')).then_some(Host::Domain(name))
        }
        address => Some(address),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
