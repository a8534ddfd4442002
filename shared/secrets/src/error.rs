//! Errors of reading secrets.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A secret that cannot be used. Messages never contain its value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// Secrets Manager or the provider of credentials cannot be reached, or refused.
    #[error(
        "{name} cannot be read; check that it exists, that the function's role may read it \
         (secretsmanager:GetSecretValue, and kms:Decrypt for a customer-managed key), and that its subnets reach \
         Secrets Manager: {reason}"
    )]
    Unreadable {
        /// The secret.
        name: String,
        /// What the client reported.
        reason: String,
    },
    /// Its value has another format.
    #[error("{name} has an unusable value; {reason}")]
    Malformed {
        /// The secret.
        name: String,
        /// What is wrong, or what is allowed.
        reason: String,
    },
}

impl Classify for SecretError {
    fn kind(&self) -> ErrorKind {
        // An operator repairs it. Until then no document is to blame, so messages and requests are retried.
        ErrorKind::Unavailable
    }
}
