//! Uploads: files that clients announce and then PUT to presigned URLs.

use chrono::{DateTime, Utc};
use domain::{CollectionId, DocumentMetadata, OperationId, UploadId, UploadStatus, UserId};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{DbError, Page};

/// An announced upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// ID of the upload.
    pub id: UploadId,
    /// The collection that the file is for.
    pub collection_id: CollectionId,
    /// The announcer.
    pub user_id: UserId,
    /// The file's name within the collection.
    pub name: String,
    /// Key of the object that the presigned URL writes.
    pub object_key: String,
    /// The announced size in bytes.
    pub size_bytes: i64,
    /// The announced media type.
    pub content_type: String,
    /// The announced SHA-256 in hex, if the client sent one.
    pub sha256: Option<String>,
    /// Metadata of the document, if the client sent any.
    pub metadata: Option<DocumentMetadata>,
    /// State of the upload.
    pub status: UploadStatus,
    /// The operation that indexes the file.
    pub operation_id: Option<OperationId>,
    /// When the presigned URL expires.
    pub expires_at: DateTime<Utc>,
    /// When the file arrived.
    pub received_at: Option<DateTime<Utc>>,
    /// When the upload was announced.
    pub created_at: DateTime<Utc>,
}

/// An upload to announce.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// ID of the upload.
    pub id: UploadId,
    /// The collection that the file is for.
    pub collection_id: CollectionId,
    /// The announcer.
    pub user_id: UserId,
    /// The file's name within the collection.
    pub name: String,
    /// Key of the object that the presigned URL writes.
    pub object_key: String,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Media type.
    pub content_type: String,
    /// SHA-256 in hex, if the client knows it.
    pub sha256: Option<String>,
    /// Metadata of the document; `None` keeps the document's current metadata.
    pub metadata: Option<DocumentMetadata>,
    /// When the presigned URL expires.
    pub expires_at: DateTime<Utc>,
}

/// Reads and changes uploads.
#[derive(Debug)]
pub struct Uploads<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> Uploads<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts announced uploads.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection.
    pub async fn insert_many(&mut self, new: &[NewUpload]) -> Result<(), DbError> {
        let ids: Vec<Uuid> = new.iter().map(|upload| upload.id.0).collect();
        let collection_ids: Vec<Uuid> = new.iter().map(|upload| upload.collection_id.0).collect();
        let user_ids: Vec<i64> = new.iter().map(|upload| upload.user_id.0).collect();
        let names: Vec<String> = new.iter().map(|upload| upload.name.clone()).collect();
        let object_keys: Vec<String> = new.iter().map(|upload| upload.object_key.clone()).collect();
        let sizes: Vec<i64> = new.iter().map(|upload| upload.size_bytes).collect();
        let content_types: Vec<String> = new.iter().map(|upload| upload.content_type.clone()).collect();
        let hashes: Vec<Option<String>> = new.iter().map(|upload| upload.sha256.clone()).collect();
        let metadata: Vec<Option<Json<&DocumentMetadata>>> =
            new.iter().map(|upload| upload.metadata.as_ref().map(Json)).collect();
        let expiries: Vec<DateTime<Utc>> = new.iter().map(|upload| upload.expires_at).collect();
        sqlx::query!(
            "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes,
                content_type, sha256, expires_at, attributes)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[],
                $6::bigint[], $7::text[], $8::text[], $9::timestamptz[], $10::jsonb[])",
            &ids,
            &collection_ids,
            &user_ids,
            &names,
            &object_keys,
            &sizes,
            &content_types,
            &hashes as &[Option<String>],
            &expiries,
            &metadata as &[Option<Json<&DocumentMetadata>>],
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the upload with this ID.
    pub async fn find(&mut self, id: UploadId) -> Result<Option<Upload>, DbError> {
        let row = sqlx::query_as!(
            UploadRow,
            r#"SELECT u.id, u.collection_id, u.user_id, name, object_key, size_bytes, content_type,
                sha256, u.status::text AS "status!", o.uuid AS "operation_id?", expires_at,
                received_at, u.created_at, u.attributes AS "attributes: Json<DocumentMetadata>"
            FROM uploads u LEFT JOIN operations o ON o.id = u.operation_id
            WHERE u.id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(Upload::try_from).transpose()
    }

    /// Returns the collection's uploads in the order they were announced, optionally only those in one
    /// state.
    pub async fn list(
        &mut self,
        collection_id: CollectionId,
        status: Option<UploadStatus>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<Upload>, DbError> {
        let status = status.map(UploadStatus::as_str);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM uploads
            WHERE collection_id = $1 AND ($2::text IS NULL OR status = $2::text::upload_status)"#,
            collection_id.0,
            status,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            UploadRow,
            r#"SELECT u.id, u.collection_id, u.user_id, name, object_key, size_bytes, content_type,
                sha256, u.status::text AS "status!", o.uuid AS "operation_id?", expires_at,
                received_at, u.created_at, u.attributes AS "attributes: Json<DocumentMetadata>"
            FROM uploads u LEFT JOIN operations o ON o.id = u.operation_id
            WHERE u.collection_id = $1 AND ($2::text IS NULL OR u.status = $2::text::upload_status)
            ORDER BY u.created_at, u.id LIMIT $3 OFFSET $4"#,
            collection_id.0,
            status,
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

    /// Marks the uploads with these object keys as received by the operation.
    pub async fn mark_received(
        &mut self,
        object_keys: &[String],
        operation_id: OperationId,
    ) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'received', received_at = now(),
                operation_id = (SELECT id FROM operations WHERE uuid = $2)
            WHERE object_key = ANY ($1) AND status = 'expected'",
            object_keys,
            operation_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Returns the announcer of the first of these object keys that is still expected.
    pub async fn find_announcer(&mut self, object_keys: &[String]) -> Result<Option<UserId>, DbError> {
        let user_id = sqlx::query_scalar!(
            "SELECT user_id FROM uploads WHERE object_key = ANY ($1) AND status = 'expected'
            ORDER BY created_at, id LIMIT 1",
            object_keys,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(user_id.map(UserId))
    }

    /// Returns those of the uploads that have not arrived.
    pub async fn list_expected(&mut self, ids: &[UploadId]) -> Result<Vec<Upload>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_as!(
            UploadRow,
            r#"SELECT id, collection_id, user_id, name, object_key, size_bytes, content_type, sha256,
                status::text AS "status!", NULL::uuid AS "operation_id?", expires_at, received_at,
                created_at, attributes AS "attributes: Json<DocumentMetadata>"
            FROM uploads WHERE id = ANY ($1) AND status = 'expected' ORDER BY created_at, id"#,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut uploads = Vec::with_capacity(rows.len());
        for row in rows {
            uploads.push(row.try_into()?);
        }
        Ok(uploads)
    }

    /// Marks an upload as expired whose file did not arrive in time. Returns whether it was still expected.
    pub async fn mark_expired(&mut self, id: UploadId) -> Result<bool, DbError> {
        let done =
            sqlx::query!("UPDATE uploads SET status = 'expired' WHERE id = $1 AND status = 'expected'", id.0)
                .execute(&mut *self.connection)
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns expected uploads that need a check: those whose URL expired before `expired_before`, and
    /// those announced between `announced_from` and `announced_until`, whose S3 event may be lost. Oldest
    /// first.
    pub async fn list_unsettled(
        &mut self,
        expired_before: DateTime<Utc>,
        announced_from: DateTime<Utc>,
        announced_until: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<UploadId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM uploads
            WHERE status = 'expected' AND (expires_at < $1 OR created_at BETWEEN $2 AND $3)
            ORDER BY created_at, id LIMIT $4",
            expired_before,
            announced_from,
            announced_until,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(UploadId).collect())
    }

    /// Deletes received and expired uploads that were announced before this time, at most `limit`. Returns
    /// how many.
    pub async fn delete_settled(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM uploads WHERE id IN (
                SELECT id FROM uploads WHERE status <> 'expected' AND created_at < $1 LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

struct UploadRow {
    id: Uuid,
    collection_id: Uuid,
    user_id: i64,
    name: String,
    object_key: String,
    size_bytes: i64,
    content_type: String,
    sha256: Option<String>,
    attributes: Option<Json<DocumentMetadata>>,
    status: String,
    operation_id: Option<Uuid>,
    expires_at: DateTime<Utc>,
    received_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<UploadRow> for Upload {
    type Error = DbError;

    fn try_from(row: UploadRow) -> Result<Self, DbError> {
        Ok(Self {
            id: UploadId(row.id),
            collection_id: CollectionId(row.collection_id),
            user_id: UserId(row.user_id),
            name: row.name,
            object_key: row.object_key,
            size_bytes: row.size_bytes,
            content_type: row.content_type,
            sha256: row.sha256,
            metadata: row.attributes.map(|metadata| metadata.0),
            status: DbError::parse_label("uploads", "status", &row.status)?,
            operation_id: row.operation_id.map(OperationId),
            expires_at: row.expires_at,
            received_at: row.received_at,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests;
