//! Configuration of the connection pool.

use std::time::Duration;

use secrecy::SecretString;
use secrets::DatabaseAccess;

/// How to reach the server, and the pool limits of one process.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// URL and credentials.
    pub access: DatabaseAccess,
    /// Maximum number of connections of this process. Small, because many instances of the functions share
    /// the server.
    pub max_connections: u32,
    /// How long to wait for a connection before the call fails.
    pub acquire_timeout: Duration,
    /// The same, if none was used for a minute: a database that pauses when it is idle may have to resume first.
    pub resume_timeout: Duration,
    /// After how long the server ends a session that is idle, so that a function that is frozen keeps no database from
    /// pausing. `None` where a proxy or a pooler holds the sessions of the server.
    pub idle_timeout: Option<Duration>,
}

impl DbConfig {
    /// Returns the defaults: 4 connections, and 8 seconds to get one, 25 to get the first: below every function's timeout.
    pub fn new(access: DatabaseAccess) -> Self {
        Self {
            access,
            max_connections: 4,
            acquire_timeout: Duration::from_secs(8),
            resume_timeout: Duration::from_secs(25),
            idle_timeout: Some(Duration::from_secs(60)),
        }
    }

    /// Limits the connections of this process.
    pub fn with_connections(self, max_connections: u32) -> Self {
        Self { max_connections, ..self }
    }

    /// Uses the password in the URL, for tests and commands.
    pub fn by_url(url: impl Into<SecretString>) -> Self {
        Self::new(DatabaseAccess::by_url(url))
    }
}
