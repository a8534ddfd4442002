//! Sources of collections and their encrypted secrets.

mod removal;
mod secrets;
mod source;

pub use secrets::{ConnectorSecret, ConnectorSecrets, NewSecret};
pub use source::{CollectionSource, CollectionSources, NewSource};
