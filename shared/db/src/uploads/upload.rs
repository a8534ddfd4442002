//! Announced uploads: their rows, and reading and changing them.

use chrono::{DateTime, Utc};
use domain::{
    Actor, ApiKeyId, CollectionId, DocumentMetadata, DocumentUri, OperationId, PushSource, UploadId,
    UploadStatus, UserId,
};
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
    /// The user or API key that announced it.
    pub announcer: Actor,
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
    /// What else the client said of the document.
    pub document: UploadDocument,
    /// State of the upload.
    pub status: UploadStatus,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The ETag of the object that was accepted.
    pub etag: Option<String>,
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
    /// The user or API key that announces it.
    pub announcer: Actor,
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
    /// What else the client says of the document.
    pub document: UploadDocument,
    /// When the presigned URL expires.
    pub expires_at: DateTime<Utc>,
}

/// What an announcement says of its document beside the file and the metadata. Nothing, if the file alone names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadDocument {
    /// The URI, and the name of the push source that the document belongs to.
    pub pushed: Option<(String, String)>,
    /// The title; without one, the document keeps its own.
    pub title: Option<String>,
    /// The URL at which people open the original; without one, the document keeps its own.
    pub url: Option<String>,
}

impl Upload {
    /// Returns the URI of the document.
    pub fn uri(&self) -> String {
        let pushed = self.document.pushed.as_ref();
        pushed.map_or_else(|| format!("upload://{}", self.name), |(uri, _)| uri.clone())
    }
}

/// The open announcements of one user: their presigned URLs are valid, and nothing has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenUploads {
    /// Their number.
    pub count: i64,
    /// Their announced size in bytes.
    pub bytes: i64,
}

/// Reads and changes uploads.
#[derive(Debug)]
pub struct Uploads<'c> {
    pub(super) connection: &'c mut PgConnection,
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
        let user_ids: Vec<i64> = new.iter().map(|upload| upload.announcer.user_id.0).collect();
        let key_ids: Vec<Option<Uuid>> =
            new.iter().map(|upload| upload.announcer.api_key_id.map(|id| id.0)).collect();
        let names: Vec<String> = new.iter().map(|upload| upload.name.clone()).collect();
        let object_keys: Vec<String> = new.iter().map(|upload| upload.object_key.clone()).collect();
        let sizes: Vec<i64> = new.iter().map(|upload| upload.size_bytes).collect();
        let content_types: Vec<String> = new.iter().map(|upload| upload.content_type.clone()).collect();
        let hashes: Vec<Option<String>> = new.iter().map(|upload| upload.sha256.clone()).collect();
        let metadata: Vec<Option<Json<&DocumentMetadata>>> =
            new.iter().map(|upload| upload.metadata.as_ref().map(Json)).collect();
        let expiries: Vec<DateTime<Utc>> = new.iter().map(|upload| upload.expires_at).collect();
        let (uris, sources): (Vec<Option<String>>, Vec<Option<String>>) =
            new.iter().map(|upload| upload.document.pushed.clone().unzip()).unzip();
        let titles: Vec<Option<String>> = new.iter().map(|upload| upload.document.title.clone()).collect();
        let urls: Vec<Option<String>> = new.iter().map(|upload| upload.document.url.clone()).collect();
        sqlx::query!(
            "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes,
                content_type, sha256, expires_at, attributes, api_key_id, uri, push_source, title, url)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[],
                $6::bigint[], $7::text[], $8::text[], $9::timestamptz[], $10::jsonb[], $11::uuid[],
                $12::text[], $13::text[], $14::text[], $15::text[])",
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
            &key_ids as &[Option<Uuid>],
            &uris as &[Option<String>],
            &sources as &[Option<String>],
            &titles as &[Option<String>],
            &urls as &[Option<String>],
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
                received_at, u.created_at, u.attributes AS "attributes: Json<DocumentMetadata>",
                u.api_key_id, u.reason, u.etag, u.uri, u.push_source, u.title, u.url
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
                received_at, u.created_at, u.attributes AS "attributes: Json<DocumentMetadata>",
                u.api_key_id, u.reason, u.etag, u.uri, u.push_source, u.title, u.url
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

    /// Returns the user's open announcements in all collections, with whatever API key they were made. Those of
    /// collections that the user lost access to do not count.
    pub async fn open_of(&mut self, user_id: UserId) -> Result<OpenUploads, DbError> {
        let open = sqlx::query_as!(
            OpenUploads,
            r#"SELECT count(*) AS "count!", coalesce(sum(size_bytes), 0)::bigint AS "bytes!"
            FROM open_uploads WHERE user_id = $1"#,
            user_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(open)
    }

    /// Withdraws an upload. Returns whether it was still expected.
    pub async fn withdraw(&mut self, id: UploadId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'withdrawn' WHERE id = $1 AND status = 'expected'",
            id.0
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Withdraws the expected uploads of a push source that is being removed. Returns how many.
    pub async fn withdraw_of_source(
        &mut self,
        collection_id: CollectionId,
        source: &PushSource,
    ) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'withdrawn'
            WHERE collection_id = $1 AND push_source = $2 AND status = 'expected'",
            collection_id.0,
            source.as_str(),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Withdraws the expected uploads of a document that is being deleted. Returns how many.
    pub async fn withdraw_of_document(
        &mut self,
        collection_id: CollectionId,
        uri: &DocumentUri,
    ) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'withdrawn' WHERE collection_id = $1 AND uri = $2 AND status = 'expected'",
            collection_id.0,
            uri.as_str(),
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
    api_key_id: Option<Uuid>,
    reason: Option<String>,
    etag: Option<String>,
    uri: Option<String>,
    push_source: Option<String>,
    title: Option<String>,
    url: Option<String>,
}

impl TryFrom<UploadRow> for Upload {
    type Error = DbError;

    fn try_from(row: UploadRow) -> Result<Self, DbError> {
        Ok(Self {
            id: UploadId(row.id),
            collection_id: CollectionId(row.collection_id),
            announcer: Actor { user_id: UserId(row.user_id), api_key_id: row.api_key_id.map(ApiKeyId) },
            name: row.name,
            object_key: row.object_key,
            size_bytes: row.size_bytes,
            content_type: row.content_type,
            sha256: row.sha256,
            metadata: row.attributes.map(|metadata| metadata.0),
            document: UploadDocument { pushed: row.uri.zip(row.push_source), title: row.title, url: row.url },
            status: DbError::parse_label("uploads", "status", &row.status)?,
            reason: row.reason,
            etag: row.etag,
            operation_id: row.operation_id.map(OperationId),
            expires_at: row.expires_at,
            received_at: row.received_at,
            created_at: row.created_at,
        })
    }
}
