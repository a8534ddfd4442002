//! Sources of collections and their encrypted secrets.

mod grants;
mod listings;
mod push_runs;
mod removal;
mod secrets;
mod source;

pub use grants::{NewSourceGrant, SourceGrant, SourceGrants};
pub use listings::{DueSourcePage, SourceListings, SourcePageState};
pub use push_runs::{Gone, PushRun, PushRuns};
pub use secrets::{ConnectorSecret, ConnectorSecrets, NewSecret};
pub use source::{CollectionSource, CollectionSources, NewSource};
