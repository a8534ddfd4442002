//! The domain types: IDs, statuses, messages, artifact formats and the error classification. No IO and no
//! async, so every other crate can depend on it.

mod access;
mod artifact;
mod document_name;
mod document_uri;
mod document_warning;
mod error;
mod generation;
mod ids;
mod layout;
mod link;
mod message;
mod metadata;
mod names;
mod point;
mod push_source;
mod search;
mod server_place;
mod settings;
mod sort;
mod source_type;
mod status;
mod webhook;

pub use access::{AccessLevel, Actor, Principal};
pub use artifact::{ArtifactKey, ChunkParent, ChunkPlace, ChunkRecord};
pub use document_name::{DocumentName, DocumentNameError};
pub use document_uri::{DocumentUri, DocumentUriError};
pub use document_warning::DocumentWarning;
pub use error::{Classify, Dependency, ErrorKind};
pub use generation::Generation;
pub use ids::{
    ApiKeyId, CollectionId, DocumentId, ItemId, McpProfileId, OperationId, OwnershipOfferId, PermissionId,
    PushRunId, SessionId, SourceGrantId, SourceId, SyncRunId, UploadId, UserId, WebhookDeliveryId, WebhookId,
};
pub use layout::Layout;
pub use link::LinkedDocument;
pub use message::{
    AttemptDelivery, CheckObjects, CheckUploads, ChunkDocument, EmbedBatch, RunSweep, ScanMessage,
    WorkMessage,
};
pub use metadata::{DocumentMetadata, MetadataError, MetadataValue, is_metadata_key, metadata_keyword};
pub use names::{normal_forms, refuse_invisible, to_nfc};
pub use point::{document_id, point_id};
pub use push_source::{PushSource, PushSourceError};
pub use search::{QualityTier, SearchMode, SearchType, SparseType};
pub use server_place::ServerPlace;
pub use settings::{ChunkSettings, ChunkSettingsError, IndexSettings, vector_store_name};
pub use sort::{CollectionSort, DocumentSort, SortOrder};
pub use source_type::SourceType;
pub use status::{
    CollectionStatus, DeletionReason, DocumentStatus, ErrorCategory, ItemState, OnMissing, OperationStatus,
    OperationType, ParseStatusError, Permission, PushRunStatus, Quantization, SecretType, SyncRunStatus,
    SyncTrigger, TransientError, UploadStatus, WaitingFor,
};
pub use webhook::{WebhookDeliveryState, WebhookEvent};
