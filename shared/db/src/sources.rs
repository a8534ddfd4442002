//! Sources of collections and their encrypted secrets.

mod grants;
mod removal;
mod secrets;
mod source;

pub use grants::{NewSourceGrant, SourceGrant, SourceGrants};
pub use secrets::{ConnectorSecret, ConnectorSecrets, NewSecret};
pub use source::{CollectionSource, CollectionSources, NewSource};
