//! Where documents come from: the staging bucket for uploads, a connector for everything else.

use artifacts::{ArtifactError, ArtifactReader, ArtifactStore};
use bytes::Bytes;
use connectors::{ConnectorError, Connectors, OnMissing, SourceSpec};
use db::operations::{NewItem, StagedCopy, StagingItem};
use db::sources::CollectionSource;
use domain::{ArtifactKey, Classify, CollectionId, ErrorKind, SourceType, upload_name_from_key};
use lambda::StageError;
use thiserror::Error;

/// A source or document that cannot be read.
#[derive(Debug, Error)]
enum SourceError {
    /// The document's source is gone.
    #[error("its source was removed; add the source again")]
    Gone,
    /// An item's location is not an upload of its collection.
    #[error("{location} is no upload of this collection")]
    NotAnUpload {
        /// The location.
        location: String,
    },
    /// The bytes were there when the bucket told of them.
    #[error("the uploaded file {name} is no longer there; upload it again")]
    UploadGone {
        /// The upload's name.
        name: String,
    },
}

impl Classify for SourceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone | Self::UploadGone { .. } => ErrorKind::NotFound,
            Self::NotAnUpload { .. } => ErrorKind::Invalid,
        }
    }
}

/// Lists and opens sources of every type.
#[derive(Debug)]
pub(crate) struct Sources {
    artifacts: ArtifactStore,
    connectors: Connectors,
}

/// Some of a source's documents.
#[derive(Debug)]
pub(crate) struct ListedPage {
    pub(crate) items: Vec<NewItem>,
    /// Where the listing goes on; nothing at its end.
    pub(crate) next: Option<String>,
    /// Files and folders that may not be read: what is in them is not listed.
    pub(crate) unreadable: u64,
}

/// A document's bytes, a piece at a time.
pub(crate) enum SourceReader {
    /// What was staged before, instead of its source.
    Copy(Box<ArtifactReader>),
    Upload(Box<ArtifactReader>),
    Connector(Box<connectors::SourceReader>),
}

impl Sources {
    pub(crate) fn new(artifacts: ArtifactStore, connectors: Connectors) -> Self {
        Self { artifacts, connectors }
    }

    /// One page of the source's documents, from the cursor on.
    ///
    /// # Errors
    /// When the source cannot be read, or does not answer.
    pub(crate) async fn list(
        &self,
        source: &CollectionSource,
        cursor: Option<&str>,
    ) -> Result<ListedPage, StageError> {
        let page = self.connectors.list(&spec(source)?, cursor).await?;
        let items = page.entries.into_iter().map(|entry| NewItem {
            uri: entry.uri,
            location: entry.location,
            file_name: entry.file_name,
            size_bytes: i64::try_from(entry.size_bytes).unwrap_or(i64::MAX),
            mime_type: entry.mime_type,
            change_hint: Some(entry.change_hint),
        });
        Ok(ListedPage { items: items.collect(), next: page.next, unreadable: page.unreadable })
    }

    /// Starts reading an item's bytes.
    ///
    /// # Errors
    /// When they are not there, may not be read, or the source does not answer.
    pub(crate) async fn open(
        &self,
        source: Option<&CollectionSource>,
        collection_id: CollectionId,
        item: &StagingItem,
    ) -> Result<SourceReader, StageError> {
        if let Some(StagedCopy { document_id, generation }) = item.copy {
            let key = ArtifactKey::Raw { collection_id, document_id, generation };
            match self.artifacts.open(&key).await {
                Ok(reader) => return Ok(SourceReader::Copy(Box::new(reader))),
                // It was never read: then its source is asked.
                Err(ArtifactError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let source = source.ok_or(SourceError::Gone)?;
        if source.source_type == SourceType::Upload {
            return self.open_upload(collection_id, item).await;
        }
        let reader = self.connectors.open(&spec(source)?, &item.location).await?;
        Ok(SourceReader::Connector(Box::new(reader)))
    }

    async fn open_upload(
        &self,
        collection_id: CollectionId,
        item: &StagingItem,
    ) -> Result<SourceReader, StageError> {
        let name = match upload_name_from_key(&item.location) {
            Some((owner, name)) if owner == collection_id => name.to_owned(),
            _ => return Err(SourceError::NotAnUpload { location: item.location.clone() }.into()),
        };
        let key = ArtifactKey::Upload { collection_id, name: name.clone() };
        match self.artifacts.open(&key).await {
            Ok(reader) => Ok(SourceReader::Upload(Box::new(reader))),
            Err(ArtifactError::NotFound { .. }) => Err(SourceError::UploadGone { name }.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl SourceReader {
    /// The next piece, of no particular size; nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, StageError> {
        match self {
            Self::Copy(reader) | Self::Upload(reader) => Ok(reader.next().await?),
            Self::Connector(reader) => Ok(reader.next().await?),
        }
    }

    /// What the source says of the version that is being read.
    pub(crate) fn change_hint(&self, item: &StagingItem) -> Option<String> {
        match self {
            Self::Copy(_) => item.change_hint.clone(),
            Self::Upload(reader) => Some(reader.head().etag.clone()),
            Self::Connector(reader) => Some(reader.change_hint().to_owned()),
        }
    }

    /// The document's media type: what its source says where that says anything, else what its
    /// name suggests.
    pub(crate) fn mime_type(&self, item: &StagingItem) -> Option<String> {
        let said = match self {
            Self::Upload(reader) => item.mime_type.as_deref().or(reader.head().content_type.as_deref()),
            Self::Copy(_) | Self::Connector(_) => item.mime_type.as_deref(),
        };
        mime_type_of(said, &item.file_name)
    }
}

/// What becomes of documents that the source no longer has; nothing where it has only one, or none
/// that are listed.
pub(crate) fn on_missing(source: &CollectionSource) -> Result<Option<OnMissing>, ConnectorError> {
    Ok(spec(source)?.on_missing())
}

fn spec(source: &CollectionSource) -> Result<SourceSpec, ConnectorError> {
    SourceSpec::parse(source.source_type.as_str(), &source.source_config)
}

/// S3 says `binary/octet-stream` of what nobody said anything of.
fn mime_type_of(said: Option<&str>, file_name: &str) -> Option<String> {
    let said =
        said.filter(|said| !said.ends_with("/octet-stream") && *said != "application/x-www-form-urlencoded");
    let guessed = || mime_guess::from_path(file_name).first_raw();
    said.or_else(guessed).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_speaks_where_nobody_else_does() {
        assert_eq!(mime_type_of(None, "a/b.md").as_deref(), Some("text/markdown"));
        assert_eq!(mime_type_of(Some("binary/octet-stream"), "b.html").as_deref(), Some("text/html"));
        assert_eq!(mime_type_of(Some("text/x-notes"), "b.html").as_deref(), Some("text/x-notes"));
        assert_eq!(mime_type_of(Some("application/octet-stream"), "LICENSE"), None);
    }
}
