//! Migrates the database to the schema of this release, and re-encrypts the secrets of sources with the
//! newest key. Also creates the first superuser, and grants places that sources may read, as the operator.
//!
//! *Triggered by* CloudFormation, as the custom resource `Migration`, before the other functions
//! are created or updated; and manually, by the command `migrate` or an invocation with `{}` or
//! `{"command": "reencrypt-secrets"}` or `{"command": "grant-source", …}`.
//! *Reads* the migrations embedded in the binary.
//! *Writes* the schema, the first superuser, the re-encrypted secrets, and the response that CloudFormation waits for.
//! *Safe to repeat because* only missing migrations are applied, under an advisory lock, and a secret
//! is re-encrypted only if it is still the one that was read.
//! *Retries when* the database cannot be reached yet, until shortly before the function's timeout.

mod administrator;
mod command;
mod config;
mod custom_resource;
mod grant_source;
mod handler;
mod reencrypt;
mod state;

pub use command::run_command;
pub use config::Config;
pub use handler::handle;
pub use state::State;
