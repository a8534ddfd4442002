//! Configuration of outgoing connections.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::EgressPolicy;

/// What is reached, and the limits of each request.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// What is opened besides public addresses (`EGRESS_ALLOW`).
    pub policy: EgressPolicy,
    /// A PEM file with certificate authorities that are trusted besides the public ones (`EGRESS_CA_FILE`).
    pub ca_file: Option<PathBuf>,
    /// The longest time until a connection is open, and again until its TLS handshake is complete.
    pub connect_timeout: Duration,
    /// The longest time without anything from the server.
    pub idle_timeout: Duration,
    /// The longest time from the start of a request to the end of the response, redirects included.
    pub total_timeout: Duration,
    /// The most bytes of a response, after decompression.
    pub response_limit: u64,
    /// How many requests a host gets at the same time from this process.
    pub requests_per_host: usize,
}

impl EgressConfig {
    /// Configures the default limits for a policy.
    pub fn new(policy: EgressPolicy) -> Self {
        Self {
            policy,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(300),
            response_limit: 64 * 1024 * 1024,
            requests_per_host: 4,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum EgressConfigError {
    /// The file of certificate authorities cannot be used.
    #[error("EGRESS_CA_FILE {path:?} cannot be used: {reason}; a PEM file with certificates is allowed")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
}
