//! Schemas of enumerations.

use chunking::STRATEGIES;
use connectors::Connector;
use domain::{AccessLevel, SourceType, WebhookEvent};
use utoipa::openapi::schema::{Array, ArrayBuilder, Object};

pub(crate) use access::{one_of, one_of_or_null};

static RECEIVED: [SourceType; 2] = [SourceType::UPLOAD, SourceType::PUSH];

/// Defines one function per line that returns the schema of an enumeration.
macro_rules! schemas {
    ($($name:ident: $words:ty,)+) => {
        $(pub(crate) fn $name() -> Object {
            one_of(<$words>::ALL.iter().map(|word| word.as_str()))
        })+
    };
}

/// Defines one function per line that returns the schema of a nullable enumeration.
macro_rules! nullable_schemas {
    ($($name:ident: $words:ty,)+) => {
        $(pub(crate) fn $name() -> Object {
            one_of_or_null(<$words>::ALL.iter().map(|word| word.as_str()))
        })+
    };
}

schemas! {
    access: domain::AccessLevel,
    collection_sort: domain::CollectionSort,
    collection_status: domain::CollectionStatus,
    document_sort: domain::DocumentSort,
    document_status: domain::DocumentStatus,
    operation_status: domain::OperationStatus,
    operation_type: domain::OperationType,
    permission: domain::Permission,
    push_run_status: domain::PushRunStatus,
    quality_tier: domain::QualityTier,
    quantization: domain::Quantization,
    search_mode: domain::SearchMode,
    search_type: domain::SearchType,
    secret_type: domain::SecretType,
    sort_order: domain::SortOrder,
    sparse_type: domain::SparseType,
    sync_run_status: domain::SyncRunStatus,
    sync_trigger: domain::SyncTrigger,
    upload_status: domain::UploadStatus,
    webhook_delivery_state: domain::WebhookDeliveryState,
    webhook_event: domain::WebhookEvent,
}

nullable_schemas! {
    error_category: domain::ErrorCategory,
    transient_error: domain::TransientError,
    waiting_for: domain::WaitingFor,
    optional_quality_tier: domain::QualityTier,
    optional_quantization: domain::Quantization,
    optional_search_mode: domain::SearchMode,
    optional_search_type: domain::SearchType,
    optional_sparse_type: domain::SparseType,
    optional_sync_run_status: domain::SyncRunStatus,
}

/// Returns the schema of the events that a webhook is told of.
pub(crate) fn webhook_events() -> Array {
    ArrayBuilder::new().items(one_of(WebhookEvent::subscribable().map(WebhookEvent::as_str))).build()
}

/// Returns the schema of the events that a webhook subscribes to.
pub(crate) fn subscribed_events() -> Array {
    ArrayBuilder::new()
        .items(one_of(WebhookEvent::subscribable().map(WebhookEvent::as_str)))
        .min_items(Some(1))
        .unique_items(true)
        .build()
}

/// Returns the schema of a connector's type.
pub(crate) fn connector_type() -> Object {
    one_of(connector_types())
}

/// Returns the schema of a nullable connector's type.
pub(crate) fn optional_connector_type() -> Object {
    one_of_or_null(connector_types())
}

/// Returns the schema of a source's type: a connector's, `upload` or `push`.
pub(crate) fn source_type() -> Object {
    one_of(RECEIVED.iter().map(SourceType::as_str).chain(connector_types()))
}

fn connector_types() -> impl Iterator<Item = &'static str> {
    Connector::all().iter().map(|connector| connector.source_type.as_str())
}

/// Returns the schema of a chunking strategy's name.
pub(crate) fn chunking_strategy() -> Object {
    one_of(STRATEGIES.iter().map(|strategy| strategy.name))
}

/// Returns the schema of a nullable chunking strategy's name.
pub(crate) fn optional_chunking_strategy() -> Object {
    one_of_or_null(STRATEGIES.iter().map(|strategy| strategy.name))
}

/// Returns the schema of an API key's scope.
pub(crate) fn key_scope() -> Object {
    one_of([AccessLevel::Read, AccessLevel::Write, AccessLevel::Admin].into_iter().map(AccessLevel::as_str))
}

/// Returns the schema of a nullable scope of an API key.
pub(crate) fn optional_key_scope() -> Object {
    one_of_or_null(
        [AccessLevel::Read, AccessLevel::Write, AccessLevel::Admin].into_iter().map(AccessLevel::as_str),
    )
}
