//! Opens connections: resolves, checks, connects to what was checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::resolver::Resolver;
use crate::target::Target;
use crate::{EgressError, EgressPolicy};

/// How long one of several addresses is tried before the next one.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(3);

/// The place where every connection begins.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) policy: EgressPolicy,
    pub(crate) resolver: Resolver,
    pub(crate) connect_timeout: Duration,
}

impl Gate {
    pub(crate) async fn connect(&self, target: &Target) -> Result<TcpStream, EgressError> {
        self.within_timeout(target, "did not accept a connection", async {
            connect_to_any(target, &self.checked_addresses(target).await?).await
        })
        .await
    }

    /// Checks where a target leads, without connecting to it.
    pub(crate) async fn check(&self, target: &Target) -> Result<(), EgressError> {
        self.within_timeout(target, "could not be resolved", async {
            self.checked_addresses(target).await.map(drop)
        })
        .await
    }

    async fn checked_addresses(&self, target: &Target) -> Result<Vec<IpAddr>, EgressError> {
        let addresses = self.resolver.resolve(target).await?;
        self.policy.check(target, &addresses)?;
        Ok(addresses)
    }

    async fn within_timeout<T>(
        &self,
        target: &Target,
        what: &'static str,
        work: impl Future<Output = Result<T, EgressError>>,
    ) -> Result<T, EgressError> {
        let deadline = Instant::now() + self.connect_timeout;
        timeout_at(deadline, work).await.unwrap_or_else(|_| {
            Err(EgressError::TimedOut { target: target.to_string(), what, limit: self.connect_timeout })
        })
    }
}

async fn connect_to_any(target: &Target, addresses: &[IpAddr]) -> Result<TcpStream, EgressError> {
    let mut reason = String::new();
    for (index, address) in addresses.iter().enumerate() {
        let attempt = connect_to(SocketAddr::new(*address, target.port));
        let outcome = if index + 1 < addresses.len() {
            tokio::time::timeout(NEXT_ADDRESS_AFTER, attempt)
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        } else {
            attempt.await
        };
        match outcome {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(EgressError::Connection { target: target.to_string(), reason })
}

#[expect(clippy::disallowed_methods, reason = "this is the place that connects to hosts of users")]
async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Requests are small, and would wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(stream)
}
