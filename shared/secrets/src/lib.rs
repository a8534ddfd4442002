//! Credentials that change while the program runs: secrets in AWS Secrets Manager and IAM tokens of RDS. The only
//! user of aws-sdk-secretsmanager.
//!
//! Functions get the ARN of a secret, never its value: variables of functions and job definitions can be read by
//! more people than the secret. A [`Secret`] is read once per process, and again when its user finds that a server
//! refuses it, so a rotation needs no deployment.

mod access;
mod error;
mod manager;
mod rds_token;
mod secret;

pub use access::{DatabaseAccess, DatabaseAuthentication, SecretSource, UnknownAuthentication};
pub use error::SecretError;
pub use rds_token::RdsUser;
pub use secret::{Secret, json};
