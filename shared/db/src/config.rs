//! Configuration of the connection pool.

use std::time::Duration;

use secrecy::SecretString;

/// Connection string and pool limits of one process.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// `postgres://user:password@host:port/database`; add `?sslmode=require` for a remote server.
    pub url: SecretString,
    /// Maximum number of connections of this process. Small, because many instances of the functions share
    /// the server.
    pub max_connections: u32,
    /// How long to wait for a connection before the call fails.
    pub acquire_timeout: Duration,
}

impl DbConfig {
    /// Returns the defaults: 4 connections, and 8 seconds to get one, which is below every function's
    /// timeout.
    pub fn new(url: SecretString) -> Self {
        Self { url, max_connections: 4, acquire_timeout: Duration::from_secs(8) }
    }
}
