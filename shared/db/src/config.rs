//! How to reach the database.

use std::time::Duration;

use secrecy::SecretString;

/// Where PostgreSQL is and how many connections one process may hold.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// `postgres://user:password@host:port/database`, with `?sslmode=require` where it is remote.
    pub url: SecretString,
    /// The most connections of this process. A function handles few things at a time, and there
    /// are many functions.
    pub max_connections: u32,
    /// How long to wait for a connection before the caller gets an error.
    pub acquire_timeout: Duration,
}

impl DbConfig {
    /// Few connections and a wait shorter than any function's time limit.
    pub fn new(url: SecretString) -> Self {
        Self { url, max_connections: 4, acquire_timeout: Duration::from_secs(8) }
    }
}
