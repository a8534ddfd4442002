//! Reads documents: uploads and pushes from the staging bucket, everything else through a connector.

use artifacts::{ArtifactError, ArtifactReader, ObjectHead};
use bytes::Bytes;
use db::operations::{ArtifactRef, StagingItem};
use domain::{ArtifactKey, Classify, CollectionId, DocumentName, DocumentNameError, ErrorKind};
use lambda::StageError;
use staging::media_type;
use thiserror::Error;

use crate::State;
use crate::context::Context;

/// A source or document that cannot be read.
#[derive(Debug, Error)]
enum SourceError {
    /// The document's source was deleted.
    #[error("its source was removed; add the source again")]
    Gone,
    /// The document is a file inside another one, and its staged bytes are gone.
    #[error("its staged bytes are missing; upload the document that contains it, or read its source, again")]
    InContainer,
    /// An item's location is not an upload of its collection.
    #[error("{location} is not an upload of this collection")]
    NotAnUpload {
        /// The location.
        location: String,
    },
    /// The uploaded object was deleted after its event.
    #[error("the uploaded file {name} no longer exists; upload it again")]
    UploadGone {
        /// The upload's name.
        name: String,
    },
    /// The announced object was overwritten after it was accepted.
    #[error("the uploaded file {name} was overwritten after it had arrived; upload it again")]
    UploadReplaced {
        /// The upload's name.
        name: String,
    },
    /// A file with a name that no announcement could have was dropped into the bucket.
    #[error("name: {0}")]
    Name(DocumentNameError),
}

impl Classify for SourceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone | Self::InContainer | Self::UploadGone { .. } | Self::UploadReplaced { .. } => {
                ErrorKind::NotFound
            }
            Self::NotAnUpload { .. } | Self::Name(_) => ErrorKind::Invalid,
        }
    }
}

/// The bytes of a document, read in buffers of any size.
pub(crate) enum SourceReader {
    /// The bytes that were stored when the document was listed.
    Fetched(Object),
    /// The raw document of an earlier generation, read instead of its source.
    Staged(Object),
    Upload(Object),
    Connector(Box<connectors::SourceReader>),
}

/// An object of the staging bucket that is being read.
pub(crate) struct Object {
    key: ArtifactKey,
    reader: Box<ArtifactReader>,
}

/// Opens an item's bytes.
///
/// # Errors
/// Returns a permanent error if they do not exist or may not be read, a retryable one if the source is
/// unavailable.
pub(crate) async fn open(state: &State, context: &Context<'_>) -> Result<SourceReader, StageError> {
    let Context { collection, item, .. } = *context;
    if let Some(ArtifactRef { document_id, generation }) = item.staged_bytes {
        let key = ArtifactKey::Raw { collection_id: collection.id, document_id, generation };
        match open_object(state, key).await {
            Ok(object) => return Ok(SourceReader::Staged(object)),
            // It was never staged, or its staged bytes were archived: it is read from its source.
            Err(ArtifactError::NotFound { .. } | ArtifactError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if item.container_id.is_some() {
        return Err(SourceError::InContainer.into());
    }
    let source = context.sessions.source(item.source_id).ok_or(SourceError::Gone)?;
    if source.source_type.is_received() {
        return open_upload(state, collection.id, item).await;
    }
    if item.is_fetched {
        match open_object(state, context.fetched_key()).await {
            Ok(object) => return Ok(SourceReader::Fetched(object)),
            // An earlier attempt has staged and deleted it, or it has expired.
            Err(ArtifactError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let reader = context.sessions.of(state, source).await?.open(&item.location).await?;
    Ok(SourceReader::Connector(Box::new(reader)))
}

async fn open_upload(
    state: &State,
    collection_id: CollectionId,
    item: &StagingItem,
) -> Result<SourceReader, StageError> {
    let key = match ArtifactKey::parse_arrival(&item.location) {
        Some(key) if key.collection_id() == collection_id => key,
        _ => return Err(SourceError::NotAnUpload { location: item.location.clone() }.into()),
    };
    let opened = match (&key, &item.change_hint) {
        // Only the bytes that were accepted.
        (ArtifactKey::Announced { .. }, Some(etag)) => state.artifacts.open_version(&key, etag).await,
        (ArtifactKey::Dropped { name, .. }, _) => {
            DocumentName::parse(name).map_err(SourceError::Name)?;
            state.artifacts.open(&key).await
        }
        _ => state.artifacts.open(&key).await,
    };
    let name = || item.uri.trim_start_matches("upload://").to_owned();
    match opened {
        Ok(reader) => Ok(SourceReader::Upload(Object { key, reader: Box::new(reader) })),
        Err(ArtifactError::NotFound { .. }) => Err(SourceError::UploadGone { name: name() }.into()),
        Err(ArtifactError::Replaced { .. }) => Err(SourceError::UploadReplaced { name: name() }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the object that an item was read from and that nothing needs any more, now that it is staged or will not be
/// read: an announced file, or bytes that were stored when the source was listed. Does nothing for any other item.
///
/// # Errors
/// Returns a retryable error if S3 cannot be reached.
pub(crate) async fn delete_unstaged(state: &State, context: &Context<'_>) -> Result<(), StageError> {
    let item = context.item;
    if item.is_fetched {
        return Ok(state.artifacts.delete(&context.fetched_key()).await?);
    }
    let Some(key @ ArtifactKey::Announced { .. }) = ArtifactKey::parse_arrival(&item.location) else {
        return Ok(());
    };
    match &item.change_hint {
        Some(etag) => Ok(state.artifacts.delete_version(&item.location, etag).await?),
        // A retry of an item that was never read.
        None => Ok(state.artifacts.delete(&key).await?),
    }
}

async fn open_object(state: &State, key: ArtifactKey) -> Result<Object, ArtifactError> {
    let reader = Box::new(state.artifacts.open(&key).await?);
    Ok(Object { key, reader })
}

impl SourceReader {
    /// Returns the next buffer; `None` at the end.
    ///
    /// # Errors
    /// Returns a retryable error if the connection breaks.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, StageError> {
        match self {
            Self::Staged(object) | Self::Fetched(object) | Self::Upload(object) => {
                Ok(object.reader.next().await?)
            }
            Self::Connector(reader) => Ok(reader.next().await?),
        }
    }

    /// Returns the key and the headers of what is being read, if it is an object of the staging bucket.
    pub(crate) fn copyable_object(&self) -> Option<(&ArtifactKey, &ObjectHead)> {
        let (Self::Staged(object) | Self::Fetched(object) | Self::Upload(object)) = self else {
            return None;
        };
        Some((&object.key, object.reader.head()))
    }

    /// Returns the change hint of the version that is being read.
    pub(crate) fn change_hint(&self, item: &StagingItem) -> Option<String> {
        match self {
            Self::Staged(_) | Self::Fetched(_) => item.change_hint.clone(),
            Self::Upload(object) => Some(object.reader.head().etag.clone()),
            Self::Connector(reader) => reader.change_hint().map(str::to_owned),
        }
    }

    /// Returns the document's media type: the one its source declares, else one guessed from its name.
    pub(crate) fn mime_type(&self, item: &StagingItem) -> Option<String> {
        let declared = match self {
            Self::Upload(object) => {
                item.mime_type.as_deref().or(object.reader.head().content_type.as_deref())
            }
            Self::Staged(_) | Self::Fetched(_) | Self::Connector(_) => item.mime_type.as_deref(),
        };
        media_type(declared, &item.file_name)
    }
}
