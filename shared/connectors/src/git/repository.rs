//! The files of one repository, as a source lists and reads them.

use std::ops::ControlFlow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::blobs::{Blobs, ids_of, location, parse_location};
use super::commands::{fetch_trees, resolve};
use super::connection::Connection;
use super::links::{LinkTemplate, encode_path};
use super::object::ObjectId;
use super::remote::Place;
use super::tree::{Trees, Visitor};
use crate::clients::Clients;
use crate::listing::{last_segment, mime_type};
use crate::patterns::Patterns;
use crate::{ConnectorError, Entry, Listing, Page, SourceReader, Unlisted};

/// The files of a ref that match patterns.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) place: Place,
    /// A branch, a tag or a full ref; empty for `HEAD`.
    pub(crate) ref_name: String,
    pub(crate) patterns: Patterns,
    pub(crate) max_file_bytes: u64,
    pub(crate) links: Option<LinkTemplate>,
}

impl Repository {
    /// Identifies the repository and the ref, the same for every commit.
    pub(crate) fn uri(&self) -> String {
        let remote = self.place.remote.to_string();
        match self.ref_name.as_str() {
            "" => format!("git+{remote}"),
            name => format!("git+{remote}?ref={}", encode_path(name.as_bytes())),
        }
    }

    /// Returns the commit that the ref is now. Takes one request.
    pub(crate) async fn resolve(&self, clients: &Clients) -> Result<ObjectId, ConnectorError> {
        let mut connection = Connection::open(&self.place, clients).await?;
        resolve(&mut connection, &self.ref_name).await
    }

    /// Lists a page. The checkpoint is the commit; if the ref still is that, nothing else is requested. All pages are
    /// of the commit that the first one found.
    pub(crate) async fn list(&self, clients: &Clients, listing: Listing<'_>) -> Result<Page, ConnectorError> {
        let mut connection = None;
        let cursor = match listing.cursor {
            Some(cursor) => Cursor::parse(cursor)?,
            None => {
                let opened = connection.insert(Connection::open(&self.place, clients).await?);
                let commit = resolve(opened, &self.ref_name).await?;
                let checkpoint = Some(commit.to_string());
                if listing.checkpoint == checkpoint.as_deref() {
                    return Ok(Page { unlisted: Unlisted::Unchanged, checkpoint, ..Page::default() });
                }
                Cursor { commit, after: None }
            }
        };
        let trees = self.trees(clients, connection, cursor.commit).await?;
        self.page(&trees, &cursor, listing.limit)
    }

    async fn trees(
        &self,
        clients: &Clients,
        connection: Option<Connection>,
        commit: ObjectId,
    ) -> Result<Arc<Trees>, ConnectorError> {
        let repository = self.place.remote.to_string();
        if let Some(trees) = clients.git_trees.get(&repository, commit) {
            return Ok(trees);
        }
        let mut connection = match connection {
            Some(connection) => connection,
            None => Connection::open(&self.place, clients).await?,
        };
        let trees = Arc::new(fetch_trees(&mut connection, commit).await?);
        clients.git_trees.insert(&repository, commit, &trees);
        Ok(trees)
    }

    fn page(&self, trees: &Trees, cursor: &Cursor, limit: usize) -> Result<Page, ConnectorError> {
        let commit = cursor.commit;
        let uri = self.uri();
        let mut files = Files {
            repository: self,
            uri: &uri,
            commit,
            limit,
            page: Page::default(),
            last: None,
            left_out: 0,
        };
        trees.walk(cursor.after.as_deref(), &mut files).map_err(|error| ConnectorError::Forbidden {
            what: format!("the commit {commit} of {uri}"),
            reason: error.to_string(),
        })?;
        let (mut page, left_out) = (files.page, files.left_out);
        if left_out > 0 {
            tracing::info!(source.path = %uri, left_out, "symbolic links and submodules are not read");
        }
        if page.next.is_none() {
            page.checkpoint = Some(commit.to_string());
        }
        Ok(page)
    }

    /// Fetches the files at these locations, which [`Self::open`] finds among others.
    pub(crate) async fn fetch(
        &self,
        clients: Clients,
        locations: &[String],
    ) -> Result<Blobs, ConnectorError> {
        Blobs::fetch(self.place.clone(), clients, self.max_file_bytes, ids_of(locations)).await
    }

    pub(crate) async fn open(&self, blobs: &Blobs, location: &str) -> Result<SourceReader, ConnectorError> {
        let (id, path) = parse_location(location)?;
        if !self.patterns.match_path(path) {
            let message = format!("{path} is not a document of the source {}", self.uri());
            return Err(ConnectorError::invalid("location", message));
        }
        blobs.open(id, path).await
    }
}

/// Where a page begins.
#[derive(Debug, PartialEq, Eq)]
struct Cursor {
    commit: ObjectId,
    /// The path of the last file before.
    after: Option<Vec<u8>>,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, ConnectorError> {
        let parsed = text.split_once(' ').and_then(|(commit, after)| {
            Some(Self { commit: commit.parse().ok()?, after: Some(percent_decode_str(after).collect()) })
        });
        parsed.ok_or_else(|| {
            ConnectorError::invalid("cursor", format!("not a cursor of this source, got {text:?}"))
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.commit, encode_path(self.after.as_deref().unwrap_or_default()))
    }
}

/// A page that a walk fills.
struct Files<'a> {
    repository: &'a Repository,
    uri: &'a str,
    commit: ObjectId,
    limit: usize,
    page: Page,
    last: Option<Vec<u8>>,
    /// How many links and submodules there are.
    left_out: u64,
}

impl Visitor for Files<'_> {
    fn file(&mut self, path: &[u8], id: ObjectId) -> ControlFlow<()> {
        let file_path = String::from_utf8_lossy(path);
        if !self.repository.patterns.match_path(&file_path) {
            return ControlFlow::Continue(());
        }
        // Another page is needed only for a file that does not fit, so that the last page is never empty.
        if self.page.entries.len() == self.limit {
            self.page.next = Some(Cursor { commit: self.commit, after: self.last.take() }.to_string());
            return ControlFlow::Break(());
        }
        let file_name = last_segment(&file_path).to_owned();
        self.page.entries.push(Entry {
            uri: format!("{}#{}", self.uri, encode_path(path)),
            location: location(id, &file_path),
            mime_type: mime_type(&file_name),
            file_name,
            change_hint: Some(id.to_string()),
            url: self.repository.links.as_ref().map(|links| links.link(self.commit, path)),
            file_path: file_path.into_owned(),
            ..Entry::default()
        });
        self.last = Some(path.to_vec());
        ControlFlow::Continue(())
    }

    fn link(&mut self) {
        self.left_out += 1;
    }

    fn submodule(&mut self) {
        self.left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_whatever_the_path() {
        for path in [&b"a b/c%d.md"[..], b"\xff\xfe/\xc3\xa9", b"x"] {
            let cursor = Cursor { commit: ObjectId::from_bytes([7; 20]), after: Some(path.to_vec()) };
            assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
        }
        for text in ["", "main a.md", &"0".repeat(40)] {
            assert_eq!(Cursor::parse(text).unwrap_err().field(), Some("cursor"));
        }
    }
}
