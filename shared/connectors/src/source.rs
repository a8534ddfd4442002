//! What a connector does with one source.

use std::fmt::Debug;
use std::sync::Arc;

use domain::ServerPlace;

use crate::clients::Clients;
use crate::reader::Reading;
use crate::{ConnectorError, Listing, Page, SourcePolicy, SourceReader};

/// What a connector makes of the settings of a source.
pub(crate) trait Source: Debug + Send + Sync {
    /// Identifies the source within its collection.
    fn source_path(&self) -> String;

    /// Refuses a source that the operator does not allow, as far as the settings alone can tell.
    fn authorize(&self, _: &SourcePolicy) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// The place on the server's side that it reads, which a superuser grants; `None` for a source that reads
    /// elsewhere, with secrets of its own.
    fn place(&self) -> Option<ServerPlace> {
        None
    }

    /// The most pages that are visited, if its documents are found by visiting one page after the other.
    fn crawl_limit(&self) -> Option<usize> {
        None
    }

    /// Lists one page.
    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page>;

    /// Begins to read documents at these locations, and maybe others.
    fn session(
        self: Arc<Self>,
        clients: Clients,
        locations: Vec<String>,
    ) -> Reading<'static, Box<dyn Session>>;
}

/// What a connector reads documents with.
pub(crate) trait Session: Debug + Send + Sync {
    /// Opens a document by its [`crate::Entry::location`], which must be one of this source.
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader>;
}
