//! Collections. What a caller may do with them is decided in `access`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{
    ChunkSettings, CollectionId, CollectionStatus, IndexSettings, Quantization, SyncRunStatus, UserId,
};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::DbError;

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// ID of the collection.
    pub id: CollectionId,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// The user who owns it.
    pub owner_id: UserId,
    /// Name of its index, a Qdrant collection.
    pub vector_store_name: String,
    /// Embedding model and settings of its index.
    pub settings: IndexSettings,
    /// Name of the chunking strategy.
    pub chunking_strategy: String,
    /// Configuration of that strategy, a JSON object.
    pub chunking_config: Value,
    /// Whether every user may read it.
    pub is_public: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was soft-deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Metadata given by its owner, a JSON object.
    pub meta: Value,
    /// Status of the collection.
    pub status: CollectionStatus,
    /// Explanation of the status.
    pub status_message: Option<String>,
    /// Number of documents that are not deleted.
    pub document_count: i64,
    /// Number of points in its index.
    pub vector_count: i64,
    /// Size of the documents that are not deleted, in bytes.
    pub total_size_bytes: i64,
    /// `one_time` or `continuous`.
    pub sync_mode: String,
    /// Minutes between two sync runs of a continuous collection.
    pub sync_interval_minutes: Option<i32>,
    /// Since when its sync runs are paused.
    pub sync_paused_at: Option<DateTime<Utc>>,
    /// When the next sync run is due.
    pub sync_next_run_at: Option<DateTime<Utc>>,
    /// When its last sync run started.
    pub sync_last_run_started_at: Option<DateTime<Utc>>,
    /// When its last sync run ended; `None` while it is running.
    pub sync_last_run_completed_at: Option<DateTime<Utc>>,
    /// Status of its last sync run.
    pub sync_last_run_status: Option<SyncRunStatus>,
    /// Error of its last sync run.
    pub sync_last_error: Option<String>,
}

/// A collection to insert.
#[derive(Debug, Clone)]
pub struct NewCollection<'a> {
    /// ID of the collection.
    pub id: CollectionId,
    /// Name; unique among the owner's collections that are not deleted, ignoring case.
    pub name: &'a str,
    /// Description.
    pub description: Option<&'a str>,
    /// The user who owns it.
    pub owner_id: UserId,
    /// Name of the Qdrant collection to create.
    pub vector_store_name: &'a str,
    /// Embedding model and settings of its index.
    pub settings: &'a IndexSettings,
    /// Name of the chunking strategy.
    pub chunking_strategy: &'a str,
    /// Configuration of that strategy, a JSON object.
    pub chunking_config: &'a Value,
    /// Whether every user may read it.
    pub is_public: bool,
    /// Metadata given by its owner, a JSON object.
    pub meta: &'a Value,
    /// `one_time` or `continuous`.
    pub sync_mode: &'a str,
    /// Minutes between two sync runs, at least 15.
    pub sync_interval_minutes: Option<i32>,
}

/// Reads and changes collections.
#[derive(Debug)]
pub struct Collections<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> Collections<'c> {
    /// The constraint that makes names unique per owner.
    pub const NAME_CONSTRAINT: &'static str = "uq_collections_owner_name";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the collection with this ID, even if it is soft-deleted. Does not check access;
    /// [`Collections::find_accessible`] does.
    pub async fn find_any(&mut self, id: CollectionId) -> Result<Option<Collection>, DbError> {
        let row = sqlx::query_as!(
            CollectionRow,
            r#"SELECT id, name, description, owner_id, vector_store_name, embedding_model,
                quantization::text AS "quantization!", chunking_strategy, chunking_config,
                chunk_size, chunk_overlap, contextualize, ocr, is_public, created_at, updated_at, deleted_at, meta,
                status::text AS "status!", status_message, document_count, vector_count,
                total_size_bytes, sync_mode, sync_interval_minutes, sync_paused_at, sync_next_run_at,
                sync_last_run_started_at, sync_last_run_completed_at, sync_last_run_status,
                sync_last_error
            FROM collections WHERE id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(Collection::try_from).transpose()
    }

    /// Inserts a collection with status `pending`.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the owner has a collection with
    /// that name.
    pub async fn insert(&mut self, new: &NewCollection<'_>) -> Result<Collection, DbError> {
        let row = sqlx::query_as!(
            CollectionRow,
            r#"INSERT INTO collections (id, name, description, owner_id, vector_store_name,
                embedding_model, quantization, chunking_strategy, chunking_config, chunk_size,
                chunk_overlap, is_public, meta, sync_mode, sync_interval_minutes,
                sync_next_run_at, qdrant_collections, contextualize, ocr)
            VALUES ($1, $2, $3, $4, $5, $6, $7::text::quantization, $8, $9, $10, $11, $12, $13, $14,
                $15, CASE WHEN $14 = 'continuous' THEN now() + make_interval(mins => $15) END,
                jsonb_build_array($5::text), $16, $17)
            RETURNING id, name, description, owner_id, vector_store_name, embedding_model,
                quantization::text AS "quantization!", chunking_strategy, chunking_config,
                chunk_size, chunk_overlap, contextualize, ocr, is_public, created_at, updated_at, deleted_at, meta,
                status::text AS "status!", status_message, document_count, vector_count,
                total_size_bytes, sync_mode, sync_interval_minutes, sync_paused_at,
                sync_next_run_at, sync_last_run_started_at, sync_last_run_completed_at,
                sync_last_run_status, sync_last_error"#,
            new.id.0,
            new.name,
            new.description,
            new.owner_id.0,
            new.vector_store_name,
            new.settings.embedding_model,
            new.settings.quantization.as_str(),
            new.chunking_strategy,
            new.chunking_config,
            i32::try_from(new.settings.chunks.chunk_size).unwrap_or(i32::MAX),
            i32::try_from(new.settings.chunks.chunk_overlap).unwrap_or(i32::MAX),
            new.is_public,
            new.meta,
            new.sync_mode,
            new.sync_interval_minutes,
            new.settings.contextualize,
            new.settings.ocr,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        row.try_into()
    }

    /// Soft-deletes the collection, which frees its name, and requests the cancellation of its running
    /// operation, so that the deletion can start soon. Returns whether it was not deleted yet.
    pub async fn mark_deleted(&mut self, id: CollectionId, now: DateTime<Utc>) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE collections SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL",
            id.0,
            now,
        )
        .execute(&mut *self.connection)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE operations SET cancel_requested_at = $2, updated_at = $2
            WHERE collection_id = $1 AND status IN ('pending', 'processing')
                AND type NOT IN ('index', 'delete') AND cancel_requested_at IS NULL",
            id.0,
            now,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(true)
    }

    /// Deletes a soft-deleted collection and everything that belongs to it. Returns whether it existed.
    pub async fn delete(&mut self, id: CollectionId) -> Result<bool, DbError> {
        let done = sqlx::query!("DELETE FROM collections WHERE id = $1 AND deleted_at IS NOT NULL", id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns the number of failed documents of each of these collections; collections without any are
    /// absent.
    pub async fn error_counts(
        &mut self,
        ids: &[CollectionId],
    ) -> Result<HashMap<CollectionId, i64>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT collection_id, count(*) AS "failed!" FROM documents
            WHERE collection_id = ANY ($1) AND status = 'failed' GROUP BY collection_id"#,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| (CollectionId(row.collection_id), row.failed)).collect())
    }
}

pub(crate) struct CollectionRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) owner_id: i64,
    pub(crate) vector_store_name: String,
    pub(crate) embedding_model: String,
    pub(crate) quantization: String,
    pub(crate) chunking_strategy: String,
    pub(crate) chunking_config: Value,
    pub(crate) chunk_size: i32,
    pub(crate) chunk_overlap: i32,
    pub(crate) contextualize: bool,
    pub(crate) ocr: bool,
    pub(crate) is_public: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) meta: Value,
    pub(crate) status: String,
    pub(crate) status_message: Option<String>,
    pub(crate) document_count: i64,
    pub(crate) vector_count: i64,
    pub(crate) total_size_bytes: i64,
    pub(crate) sync_mode: String,
    pub(crate) sync_interval_minutes: Option<i32>,
    pub(crate) sync_paused_at: Option<DateTime<Utc>>,
    pub(crate) sync_next_run_at: Option<DateTime<Utc>>,
    pub(crate) sync_last_run_started_at: Option<DateTime<Utc>>,
    pub(crate) sync_last_run_completed_at: Option<DateTime<Utc>>,
    pub(crate) sync_last_run_status: Option<String>,
    pub(crate) sync_last_error: Option<String>,
}

impl TryFrom<CollectionRow> for Collection {
    type Error = DbError;

    fn try_from(row: CollectionRow) -> Result<Self, DbError> {
        let inconsistent = |column, value| DbError::Inconsistent { table: "collections", column, value };
        let Ok(status) = row.status.parse::<CollectionStatus>() else {
            return Err(inconsistent("status", row.status));
        };
        let Ok(quantization) = row.quantization.parse::<Quantization>() else {
            return Err(inconsistent("quantization", row.quantization));
        };
        let Ok(chunk_size) = u32::try_from(row.chunk_size) else {
            return Err(inconsistent("chunk_size", row.chunk_size.to_string()));
        };
        let Ok(chunk_overlap) = u32::try_from(row.chunk_overlap) else {
            return Err(inconsistent("chunk_overlap", row.chunk_overlap.to_string()));
        };
        Ok(Self {
            id: CollectionId(row.id),
            name: row.name,
            description: row.description,
            owner_id: UserId(row.owner_id),
            vector_store_name: row.vector_store_name,
            settings: IndexSettings {
                embedding_model: row.embedding_model,
                quantization,
                chunks: ChunkSettings { chunk_size, chunk_overlap },
                contextualize: row.contextualize,
                ocr: row.ocr,
            },
            chunking_strategy: row.chunking_strategy,
            chunking_config: row.chunking_config,
            is_public: row.is_public,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            meta: row.meta,
            status,
            status_message: row.status_message,
            document_count: row.document_count,
            vector_count: row.vector_count,
            total_size_bytes: row.total_size_bytes,
            sync_mode: row.sync_mode,
            sync_interval_minutes: row.sync_interval_minutes,
            sync_paused_at: row.sync_paused_at,
            sync_next_run_at: row.sync_next_run_at,
            sync_last_run_started_at: row.sync_last_run_started_at,
            sync_last_run_completed_at: row.sync_last_run_completed_at,
            sync_last_run_status: DbError::parse_optional_label(
                "collections",
                "sync_last_run_status",
                row.sync_last_run_status.as_deref(),
            )?,
            sync_last_error: row.sync_last_error,
        })
    }
}
