//! What a connector does with one source.

use std::fmt::Debug;

use domain::ServerPlace;

use crate::clients::Clients;
use crate::reader::Reading;
use crate::{ConnectorError, Page, SourcePolicy, SourceReader};

/// What a connector makes of the settings of a source.
pub(crate) trait Source: Debug + Send + Sync {
    /// Identifies the source within its collection.
    fn source_path(&self) -> String;

    /// Refuses a source that the operator does not allow, as far as the settings alone can tell.
    fn authorize(&self, policy: &SourcePolicy) -> Result<(), ConnectorError>;

    /// The place on the server's side that it reads, which a superuser grants.
    fn place(&self) -> ServerPlace;

    /// Lists one page, from the cursor on.
    fn list<'a>(&'a self, clients: &'a Clients, cursor: Option<&'a str>) -> Reading<'a, Page>;

    /// Opens a document by its [`crate::Entry::location`], which must be one of this source.
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader>;
}
