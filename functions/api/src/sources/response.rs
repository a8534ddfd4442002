//! Sources in responses.

use chrono::{DateTime, Utc};
use db::sources::CollectionSource;
use domain::{CollectionId, SecretType, SourceId, SourceType};
use lambda::http::{ApiError, ETag};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::words;

/// A source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceResponse {
    /// Identifies the source.
    #[schema(value_type = i64)]
    id: SourceId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// Type of the source.
    #[schema(value_type = words::SourceKind)]
    source_type: SourceType,
    /// Identifies it within the collection: a path, or a bucket with a prefix.
    source_path: String,
    /// Settings of the connector.
    #[schema(value_type = Object)]
    source_config: Value,
    /// Its documents that are not deleted.
    document_count: i64,
    /// Total size of the documents in bytes.
    size_bytes: i64,
    /// When the source was last read; `null` before the first time.
    last_run_started_at: Option<DateTime<Utc>>,
    /// When the last completed run ended; `null` before that.
    last_run_completed_at: Option<DateTime<Utc>>,
    /// Status of the last run; `null` before the first one.
    #[schema(value_type = Option<words::SyncRunStatus>)]
    last_run_status: Option<String>,
    /// Error of the last run, if it failed.
    last_error: Option<String>,
    /// Runs in a row in which it could not be read.
    consecutive_failures: i32,
    /// When the schedule reads it again after those, at the earliest: 15 minutes after the first failure, twice as long after
    /// each further one, a day at most. A run that a user starts does not wait. `null` if the last run read it.
    backs_off_until: Option<DateTime<Utc>>,
    /// When documents of the source were last indexed; `null` before the first time.
    last_indexed_at: Option<DateTime<Utc>>,
    /// When the source was added.
    created_at: DateTime<Utc>,
    /// When the source was last changed.
    updated_at: DateTime<Utc>,
    /// Whether a password is set. No response contains a secret.
    has_password: bool,
    /// Whether an access token is set.
    has_token: bool,
    /// Whether a private SSH key is set.
    has_ssh_key: bool,
    /// Whether the private SSH key's passphrase is set.
    has_ssh_passphrase: bool,
}

impl From<CollectionSource> for SourceResponse {
    fn from(source: CollectionSource) -> Self {
        let has = |secret_type| source.secret_types.contains(&secret_type);
        Self {
            has_password: has(SecretType::Password),
            has_token: has(SecretType::Token),
            has_ssh_key: has(SecretType::SshKey),
            has_ssh_passphrase: has(SecretType::SshPassphrase),
            id: source.id,
            collection_id: source.collection_id,
            source_type: source.source_type,
            source_path: source.source_path,
            source_config: source.source_config,
            document_count: source.document_count,
            size_bytes: source.size_bytes,
            last_run_started_at: source.last_run_started_at,
            last_run_completed_at: source.last_run_completed_at,
            last_run_status: source.last_run_status,
            last_error: source.last_error,
            consecutive_failures: source.failures,
            backs_off_until: source.not_before,
            last_indexed_at: source.last_indexed_at,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

/// Returns the ETag of the fields that can be changed: the settings, and which secrets are set.
pub(crate) fn version(source: &CollectionSource) -> Result<ETag, ApiError> {
    ETag::of(&(&source.source_config, &source.secret_types))
}
