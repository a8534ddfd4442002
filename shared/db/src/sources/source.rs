//! Sources of documents.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use domain::{CollectionId, PushSource, SecretType, SourceId, SourceType};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::collections::CollectionLock;
use crate::{DbError, Page};

/// A source of documents of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionSource {
    /// ID of the source.
    pub id: SourceId,
    /// The collection it belongs to.
    pub collection_id: CollectionId,
    /// Its identity within the collection: a path, a URL, or `uploads`.
    pub source_path: String,
    /// The connector that reads it.
    pub source_type: SourceType,
    /// Configuration of the connector, a JSON object without secrets.
    pub source_config: Value,
    /// Number of its documents that are not deleted.
    pub document_count: i64,
    /// Size of those documents in bytes.
    pub size_bytes: i64,
    /// When its last run started.
    pub last_run_started_at: Option<DateTime<Utc>>,
    /// When its last run ended.
    pub last_run_completed_at: Option<DateTime<Utc>>,
    /// How its last run ended.
    pub last_run_status: Option<String>,
    /// Why its last run failed.
    pub last_error: Option<String>,
    /// When its last completed run ended.
    pub last_indexed_at: Option<DateTime<Utc>>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Internal notes, a JSON object.
    pub meta: Value,
    /// Types of the secrets that are set, ordered by name.
    pub secret_types: Vec<SecretType>,
    /// Its runs in a row that failed.
    pub failures: i32,
    /// When the schedule reads it again after these failures, at the earliest.
    pub not_before: Option<DateTime<Utc>>,
}

/// A source to insert, or to update if its path exists.
#[derive(Debug, Clone)]
pub struct NewSource<'a> {
    /// The collection it belongs to.
    pub collection_id: CollectionId,
    /// Its identity within the collection.
    pub source_path: &'a str,
    /// The connector that reads it.
    pub source_type: &'a SourceType,
    /// Configuration of the connector, a JSON object without secrets.
    pub source_config: &'a Value,
}

/// Types as statics: a source borrows its type.
static PUSH: SourceType = SourceType::PUSH;
/// The settings of a source that no connector reads, at first.
static NO_SETTINGS: LazyLock<Value> = LazyLock::new(|| Value::Object(serde_json::Map::new()));

impl<'a> NewSource<'a> {
    /// A push source.
    pub fn push(collection_id: CollectionId, source_path: &'a str) -> Self {
        Self { collection_id, source_path, source_type: &PUSH, source_config: &NO_SETTINGS }
    }
}

/// Reads and changes sources.
#[derive(Debug)]
pub struct CollectionSources<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> CollectionSources<'c> {
    /// The path of the source of uploads and dropped files.
    pub const UPLOAD_PATH: &'static str = "uploads";
    /// The constraint that makes paths unique per collection.
    pub const PATH_CONSTRAINT: &'static str = "uq_collection_source_path";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the source with this ID.
    pub async fn find(&mut self, id: SourceId) -> Result<Option<CollectionSource>, DbError> {
        let row = sqlx::query_as!(
            SourceRow,
            r#"SELECT s.*, ARRAY(
                SELECT secret_type FROM connector_secrets WHERE collection_source_id = s.id ORDER BY secret_type
            ) AS "secret_types!",
            coalesce((SELECT failures FROM source_failures f WHERE f.source_id = s.id), 0) AS "failures!",
            (SELECT not_before FROM source_failures f WHERE f.source_id = s.id) AS "not_before?"
            FROM collection_sources s WHERE s.id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(CollectionSource::try_from).transpose()
    }

    /// Locks the row of one of the collection's sources until the transaction ends, and returns the
    /// source. `None` if the collection has no such source.
    pub async fn lock(
        &mut self,
        collection: &CollectionLock,
        id: SourceId,
    ) -> Result<Option<CollectionSource>, DbError> {
        // A statement of its own: one that waits for a lock sees other tables as of its start.
        let locked = sqlx::query_scalar!("SELECT id FROM collection_sources WHERE id = $1 FOR UPDATE", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        if locked.is_none() {
            return Ok(None);
        }
        let source = self.find(id).await?;
        Ok(source.filter(|source| source.collection_id == collection.id()))
    }

    /// Replaces the path and the configuration of a source.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::PATH_CONSTRAINT`] if the collection already has a
    /// source with that path.
    pub async fn update(
        &mut self,
        id: SourceId,
        source_path: &str,
        source_config: &Value,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE collection_sources SET source_path = $2, source_config = $3, updated_at = now() WHERE id = $1",
            id.0,
            source_path,
            source_config,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns those of the sources that exist, in no particular order.
    pub async fn find_many(&mut self, ids: &[SourceId]) -> Result<Vec<CollectionSource>, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_as!(
            SourceRow,
            r#"SELECT s.*, ARRAY(
                SELECT secret_type FROM connector_secrets WHERE collection_source_id = s.id ORDER BY secret_type
            ) AS "secret_types!",
            coalesce((SELECT failures FROM source_failures f WHERE f.source_id = s.id), 0) AS "failures!",
            (SELECT not_before FROM source_failures f WHERE f.source_id = s.id) AS "not_before?"
            FROM collection_sources s WHERE s.id = ANY ($1)"#,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        rows.into_iter().map(CollectionSource::try_from).collect()
    }

    /// Returns the collection's source with this path.
    pub async fn find_by_path(
        &mut self,
        collection_id: CollectionId,
        source_path: &str,
    ) -> Result<Option<CollectionSource>, DbError> {
        let row = sqlx::query_as!(
            SourceRow,
            r#"SELECT s.*, ARRAY(
                SELECT secret_type FROM connector_secrets WHERE collection_source_id = s.id ORDER BY secret_type
            ) AS "secret_types!",
            coalesce((SELECT failures FROM source_failures f WHERE f.source_id = s.id), 0) AS "failures!",
            (SELECT not_before FROM source_failures f WHERE f.source_id = s.id) AS "not_before?"
            FROM collection_sources s WHERE s.collection_id = $1 AND s.source_path = $2"#,
            collection_id.0,
            source_path,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(CollectionSource::try_from).transpose()
    }

    /// Returns the collection's sources in the order they were added.
    pub async fn list(
        &mut self,
        collection_id: CollectionId,
        limit: i64,
        offset: i64,
    ) -> Result<Page<CollectionSource>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM collection_sources WHERE collection_id = $1"#,
            collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            SourceRow,
            r#"SELECT s.*, ARRAY(
                SELECT secret_type FROM connector_secrets WHERE collection_source_id = s.id ORDER BY secret_type
            ) AS "secret_types!",
            coalesce((SELECT failures FROM source_failures f WHERE f.source_id = s.id), 0) AS "failures!",
            (SELECT not_before FROM source_failures f WHERE f.source_id = s.id) AS "not_before?"
            FROM collection_sources s WHERE s.collection_id = $1 ORDER BY s.id LIMIT $2 OFFSET $3"#,
            collection_id.0,
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(row.try_into()?);
        }
        Ok(Page { items, total })
    }

    /// Inserts the source, or updates the configuration of the one with the same path. Returns it and
    /// whether it is new.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection.
    pub async fn upsert(&mut self, new: &NewSource<'_>) -> Result<(CollectionSource, bool), DbError> {
        let row = sqlx::query!(
            r#"INSERT INTO collection_sources (collection_id, source_path, source_type, source_config)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (collection_id, source_path) DO UPDATE
                SET source_type = EXCLUDED.source_type, source_config = EXCLUDED.source_config,
                    updated_at = now()
            -- An updated row has xmax set to the transaction that locked it.
            RETURNING id, xmax = 0 AS "is_new!""#,
            new.collection_id.0,
            new.source_path,
            new.source_type.as_str(),
            new.source_config,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let source = self.find(SourceId(row.id)).await?;
        let Some(source) = source else {
            return Err(DbError::Inconsistent {
                table: "collection_sources",
                column: "id",
                value: row.id.to_string(),
            });
        };
        Ok((source, row.is_new))
    }

    /// Returns the source of the collection's uploads, creating it on first use.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection.
    pub async fn find_or_create_upload(
        &mut self,
        collection_id: CollectionId,
    ) -> Result<CollectionSource, DbError> {
        if let Some(known) = self.find_by_path(collection_id, Self::UPLOAD_PATH).await? {
            return Ok(known);
        }
        let new = NewSource {
            collection_id,
            source_path: Self::UPLOAD_PATH,
            source_type: &SourceType::UPLOAD,
            source_config: &NO_SETTINGS,
        };
        let (source, _) = self.upsert(&new).await?;
        Ok(source)
    }

    /// Returns a push source, creating it if it is gone since its documents were pushed.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection.
    pub async fn find_or_create_push(
        &mut self,
        collection_id: CollectionId,
        source: &PushSource,
    ) -> Result<CollectionSource, DbError> {
        let source_path = source.source_path();
        if let Some(known) = self.find_by_path(collection_id, &source_path).await? {
            return Ok(known);
        }
        let (source, _) = self.upsert(&NewSource::push(collection_id, &source_path)).await?;
        Ok(source)
    }

    /// Returns those of these documents that are not deleted and belong to another source than the one with this path,
    /// each with the path of its source.
    pub async fn find_of_others(
        &mut self,
        collection_id: CollectionId,
        source_path: &str,
        uris: &[String],
    ) -> Result<Vec<(String, String)>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT d.uri AS "uri!", s.source_path
            FROM documents d JOIN collection_sources s ON s.id = d.source_id
            WHERE d.collection_id = $1 AND d.uri = ANY ($3) AND d.status <> 'deleted' AND s.source_path <> $2
            ORDER BY d.uri"#,
            collection_id.0,
            source_path,
            uris,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| (row.uri, row.source_path)).collect())
    }

    /// Recounts the sources of the collection of an operation that has just ended, and records how the last
    /// run of the operation's own source ended. The transaction must have locked the collection.
    pub(crate) async fn record_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query_file!("queries/sources/record_operation_end.sql", operation_sequence)
            .execute(&mut *self.connection)
            .await?;
        sqlx::query_file!("queries/sources/record_failure.sql", operation_sequence)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

struct SourceRow {
    id: i64,
    collection_id: Uuid,
    source_path: String,
    source_type: String,
    source_config: Value,
    document_count: i64,
    size_bytes: i64,
    last_run_started_at: Option<DateTime<Utc>>,
    last_run_completed_at: Option<DateTime<Utc>>,
    last_run_status: Option<String>,
    last_error: Option<String>,
    last_indexed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    meta: Value,
    secret_types: Vec<String>,
    failures: i32,
    not_before: Option<DateTime<Utc>>,
}

impl TryFrom<SourceRow> for CollectionSource {
    type Error = DbError;

    fn try_from(row: SourceRow) -> Result<Self, DbError> {
        let secret_types = row.secret_types.iter();
        let secret_types = secret_types
            .map(|label| DbError::parse_label("connector_secrets", "secret_type", label))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id: SourceId(row.id),
            collection_id: CollectionId(row.collection_id),
            source_path: row.source_path,
            source_type: row.source_type.into(),
            source_config: row.source_config,
            document_count: row.document_count,
            size_bytes: row.size_bytes,
            last_run_started_at: row.last_run_started_at,
            last_run_completed_at: row.last_run_completed_at,
            last_run_status: row.last_run_status,
            last_error: row.last_error,
            last_indexed_at: row.last_indexed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            meta: row.meta,
            secret_types,
            failures: row.failures,
            not_before: row.not_before,
        })
    }
}
