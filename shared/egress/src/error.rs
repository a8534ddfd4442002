//! Why a connection or request failed.

use std::time::Duration;

use domain::{Classify, ErrorKind};
use http::StatusCode;
use thiserror::Error;

/// A connection or request that was refused or failed.
///
/// Messages name the host and the port and nothing else of a URL: paths and queries may contain secrets.
/// Nor do they name the address of a host, which would tell users what internal names resolve to.
#[derive(Debug, Clone, Error)]
pub enum EgressError {
    /// The URL is malformed, or of a kind that is not requested.
    #[error("the URL cannot be used: {reason}")]
    InvalidUrl {
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The host is neither a name nor an address.
    #[error("host {host:?} cannot be used: {reason}; a host name or an IP address is allowed")]
    InvalidHost {
        /// What was received.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// A header or body of the request cannot be sent.
    #[error("the request cannot be sent: {reason}")]
    InvalidRequest {
        /// What is wrong; never a header's value.
        reason: String,
    },
    /// The address is not public, and the operator has not opened it.
    #[error("{target} {reason}")]
    Refused {
        /// The host and port.
        target: String,
        /// What the address is, and who can open it.
        reason: String,
    },
    /// A redirect from https to http of a request with credentials.
    #[error(
        "{target} redirects from https to http, and the request has credentials; use the address that it redirects to if that is intended"
    )]
    InsecureRedirect {
        /// The host and port that answered.
        target: String,
    },
    /// A redirect that leads nowhere, or would send a body to another server.
    #[error("{target} answered with a redirect that cannot be followed: {reason}")]
    InvalidRedirect {
        /// The host and port that answered.
        target: String,
        /// What is wrong.
        reason: String,
    },
    /// More redirects than allowed.
    #[error("{target} redirects once more after {limit} redirects; at most {limit} are followed")]
    TooManyRedirects {
        /// The host and port that answered last.
        target: String,
        /// How many are followed.
        limit: usize,
    },
    /// The name could not be resolved.
    #[error("{host} could not be resolved ({reason}); check the host name")]
    Unresolved {
        /// The host name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No connection, or the connection broke.
    #[error("the connection to {target} failed: {reason}")]
    Connection {
        /// The host and port.
        target: String,
        /// What happened.
        reason: String,
    },
    /// The server has no valid certificate for its name.
    #[error(
        "{target} has no certificate that is trusted for this name: {reason}; ask the operator to add the certificate authority to EGRESS_CA_FILE if it is a private one"
    )]
    Certificate {
        /// The host and port.
        target: String,
        /// What the verification said.
        reason: String,
    },
    /// The server took too long.
    #[error("{target} {what} within {} s", limit.as_secs_f64())]
    TimedOut {
        /// The host and port.
        target: String,
        /// What did not happen.
        what: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The response is larger than allowed.
    #[error("the response of {target} is larger than {limit} bytes, the limit")]
    TooLarge {
        /// The host and port.
        target: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The response's body cannot be decoded.
    #[error("the response of {target} cannot be read: {reason}")]
    InvalidBody {
        /// The host and port.
        target: String,
        /// What is wrong.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{target} answered {status}{}", wait(*retry_after))]
    Status {
        /// The host and port.
        target: String,
        /// The status.
        status: StatusCode,
        /// After which time the server wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl EgressError {
    /// Returns after which time the server wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!("; it asks to wait {} s", wait.as_secs()))
}

impl Classify for EgressError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidUrl { .. }
            | Self::InvalidHost { .. }
            | Self::InvalidRequest { .. }
            | Self::InvalidRedirect { .. }
            | Self::TooManyRedirects { .. }
            | Self::Certificate { .. }
            | Self::InvalidBody { .. } => ErrorKind::Invalid,
            Self::Refused { .. } | Self::InsecureRedirect { .. } => ErrorKind::Forbidden,
            Self::Unresolved { .. } | Self::Connection { .. } | Self::TimedOut { .. } => {
                ErrorKind::Unavailable
            }
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Status { status, .. } => kind_of_status(*status),
        }
    }
}

/// A server's refusal of the credentials is `Forbidden`, because `Unauthenticated` would be about the caller of the
/// API.
fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        StatusCode::REQUEST_TIMEOUT => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}
