//! Reading the documents of one source.

use std::fmt::Debug;
use std::sync::Arc;

use crate::clients::Clients;
use crate::reader::Reading;
pub(crate) use crate::source::Session;
use crate::source::Source;
use crate::{ConnectorError, SourceReader};

/// Reads documents of one source, over one connection if the source needs one.
#[derive(Debug)]
pub struct SourceSession {
    session: Box<dyn Session>,
}

impl SourceSession {
    pub(crate) fn new(session: Box<dyn Session>) -> Self {
        Self { session }
    }

    /// Opens a document by its [`crate::Entry::location`].
    ///
    /// # Errors
    /// Returns `NotFound` if the document is gone, `Invalid` or `Forbidden` if it may not be read, `LeftOut` if it is not
    /// to be.
    pub async fn open(&self, location: &str) -> Result<SourceReader, ConnectorError> {
        self.session.open(location).await
    }
}

/// A source that needs no connection: each document is opened by itself.
pub(crate) trait Open: Source {
    /// Opens a document by its [`crate::Entry::location`], which must be one of this source.
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader>;
}

/// The session of a source that needs no connection.
pub(crate) fn without_connection<S: Open + 'static>(
    source: Arc<S>,
    clients: Clients,
) -> Reading<'static, Box<dyn Session>> {
    Box::pin(async { Ok(Box::new(WithoutConnection { source, clients }) as Box<dyn Session>) })
}

#[derive(Debug)]
struct WithoutConnection<S> {
    source: Arc<S>,
    clients: Clients,
}

impl<S: Open> Session for WithoutConnection<S> {
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader> {
        self.source.open(&self.clients, location)
    }
}
