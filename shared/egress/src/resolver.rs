//! Names to addresses.

use std::net::IpAddr;

use crate::EgressError;
use crate::target::Target;

/// Resolves names by the operating system; tests have a table of answers that no DNS server would give them.
#[derive(Debug)]
pub(crate) enum Resolver {
    System,
    #[cfg(test)]
    Table(crate::tests::resolver_table::ResolverTable),
}

impl Resolver {
    /// Returns the addresses of a target, at least one.
    pub(crate) async fn resolve(&self, target: &Target) -> Result<Vec<IpAddr>, EgressError> {
        if let Some(address) = target.address() {
            return Ok(vec![address.to_canonical()]);
        }
        let host = target.host.to_string();
        let unresolved = |reason: String| EgressError::Unresolved { host: host.clone(), reason };
        let addresses = match self {
            Self::System => system_lookup(&host).await.map_err(|error| unresolved(error.to_string()))?,
            #[cfg(test)]
            Self::Table(table) => table.lookup(&host),
        };
        if addresses.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        Ok(addresses)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that resolves the names of users")]
async fn system_lookup(host: &str) -> std::io::Result<Vec<IpAddr>> {
    // The port is not resolved; the function wants one.
    let addresses = tokio::net::lookup_host((host, 0)).await?;
    Ok(addresses.map(|address| address.ip().to_canonical()).collect())
}
