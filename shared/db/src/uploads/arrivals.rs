//! Files that arrived in the staging bucket, announced or dropped.

use chrono::{DateTime, Utc};
use domain::{Actor, ApiKeyId, CollectionId, DocumentMetadata, OperationId, PushSource, UploadId, UserId};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::upload::{Upload, UploadDocument, Uploads};
use crate::DbError;

/// An upload whose row is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedUpload {
    /// The upload. Its operation is not loaded.
    pub upload: Upload,
    /// Whether its accepted object is still to be read.
    pub needs_object: bool,
}

/// A version of an uploaded document that arrived in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// URI of the document.
    pub uri: String,
    /// Key of the object.
    pub object_key: String,
    /// ETag of the object.
    pub etag: String,
    /// Orders the events of the key, if the version is known from an event.
    pub sequencer: Option<String>,
    /// When it arrived.
    pub arrived_at: DateTime<Utc>,
}

/// What arrived of a document before, and whether it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestArrival {
    /// URI of the document.
    pub uri: String,
    /// The latest version that arrived.
    pub arrival: Option<Arrival>,
    /// When the document was deleted, unless it exists or its source lost it.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Uploads<'_> {
    /// Locks these uploads of the collection until the transaction ends. Take the lock of the collection row
    /// first.
    pub async fn lock_many(
        &mut self,
        collection_id: CollectionId,
        ids: &[UploadId],
    ) -> Result<Vec<LockedUpload>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_file!("queries/uploads/lock_uploads.sql", &ids, collection_id.0)
            .fetch_all(&mut *self.connection)
            .await?;
        let mut uploads = Vec::with_capacity(rows.len());
        for row in rows {
            let upload = Upload {
                id: UploadId(row.id),
                collection_id: CollectionId(row.collection_id),
                announcer: Actor { user_id: UserId(row.user_id), api_key_id: row.api_key_id.map(ApiKeyId) },
                name: row.name,
                object_key: row.object_key,
                size_bytes: row.size_bytes,
                content_type: row.content_type,
                sha256: row.sha256,
                metadata: row.attributes.map(|metadata| metadata.0),
                document: UploadDocument {
                    pushed: row.uri.zip(row.push_source),
                    title: row.title,
                    url: row.url,
                },
                status: DbError::parse_label("uploads", "status", &row.status)?,
                reason: row.reason,
                etag: row.etag,
                operation_id: row.operation_id.map(OperationId),
                expires_at: row.expires_at,
                received_at: row.received_at,
                created_at: row.created_at,
            };
            uploads.push(LockedUpload { upload, needs_object: row.needs_object });
        }
        Ok(uploads)
    }

    /// Returns the collection and the object key of these uploads.
    pub async fn find_keys(&mut self, ids: &[UploadId]) -> Result<Vec<(CollectionId, UploadId)>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows =
            sqlx::query!("SELECT id, collection_id FROM uploads WHERE id = ANY ($1) ORDER BY id", &ids)
                .fetch_all(&mut *self.connection)
                .await?;
        Ok(rows.into_iter().map(|row| (CollectionId(row.collection_id), UploadId(row.id))).collect())
    }

    /// Returns the push source of those of these uploads that have one.
    pub async fn find_push_sources(
        &mut self,
        ids: &[UploadId],
    ) -> Result<Vec<(UploadId, PushSource)>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT id, push_source AS "push_source!" FROM uploads
            WHERE id = ANY ($1) AND push_source IS NOT NULL"#,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let source = |name: String| {
            PushSource::parse(&name).map_err(|_| DbError::Inconsistent {
                table: "uploads",
                column: "push_source",
                value: name,
            })
        };
        rows.into_iter().map(|row| Ok((UploadId(row.id), source(row.push_source)?))).collect()
    }

    /// Marks expected uploads as received by the operation, each with the ETag of its object.
    pub async fn mark_received(
        &mut self,
        accepted: &[(UploadId, String)],
        operation_id: OperationId,
    ) -> Result<u64, DbError> {
        let (ids, etags) = columns(accepted);
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'received', received_at = now(), etag = accepted.etag,
                holds_object = TRUE, operation_id = (SELECT id FROM operations WHERE uuid = $3)
            FROM unnest($1::uuid[], $2::text[]) AS accepted (id, etag)
            WHERE uploads.id = accepted.id AND uploads.status = 'expected'",
            &ids,
            &etags,
            operation_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Marks expected uploads as refused, each with the reason.
    pub async fn mark_refused(&mut self, refused: &[(UploadId, String)]) -> Result<u64, DbError> {
        let (ids, reasons) = columns(refused);
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'refused', reason = refused.reason
            FROM unnest($1::uuid[], $2::text[]) AS refused (id, reason)
            WHERE uploads.id = refused.id AND uploads.status = 'expected'",
            &ids,
            &reasons,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Marks expected uploads as expired. Returns how many.
    pub async fn mark_expired(&mut self, ids: &[UploadId]) -> Result<u64, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let done = sqlx::query!(
            "UPDATE uploads SET status = 'expired' WHERE id = ANY ($1) AND status = 'expected'",
            &ids
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Records that these objects are deleted.
    pub async fn mark_objects_deleted(&mut self, object_keys: &[String]) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE uploads SET holds_object = FALSE WHERE object_key = ANY ($1) AND holds_object",
            object_keys
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

/// Reads and changes the latest arrivals of documents.
#[derive(Debug)]
pub struct UploadArrivals<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> UploadArrivals<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns what arrived of these documents before: one entry for each URI, in no particular order.
    pub async fn find_latest(
        &mut self,
        collection_id: CollectionId,
        uris: &[String],
    ) -> Result<Vec<LatestArrival>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT
                entry.uri AS "uri!", a.object_key AS "object_key?", a.etag AS "etag?", a.sequencer,
                a.arrived_at AS "arrived_at?",
                (
                    SELECT max(d.deleted_at) FROM documents d
                    WHERE d.collection_id = $1 AND d.status = 'deleted'
                        AND d.uri IN (entry.uri, purged_uri($1, entry.uri))
                        AND d.deletion_reason IS DISTINCT FROM 'missing'
                ) AS deleted_at
            FROM unnest($2::text[]) AS entry (uri)
            LEFT JOIN upload_arrivals a ON a.collection_id = $1 AND a.uri = entry.uri"#,
            collection_id.0,
            uris,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let latest = rows.into_iter().map(|row| LatestArrival {
            arrival: row.object_key.zip(row.etag).zip(row.arrived_at).map(
                |((object_key, etag), arrived_at)| Arrival {
                    uri: row.uri.clone(),
                    object_key,
                    etag,
                    sequencer: row.sequencer,
                    arrived_at,
                },
            ),
            uri: row.uri,
            deleted_at: row.deleted_at,
        });
        Ok(latest.collect())
    }

    /// Records these arrivals as the latest ones of their documents.
    ///
    /// # Errors
    /// Returns [`DbError::Statement`] if the same document is given twice.
    pub async fn record(&mut self, collection_id: CollectionId, arrivals: &[Arrival]) -> Result<(), DbError> {
        let uris: Vec<String> = arrivals.iter().map(|arrival| arrival.uri.clone()).collect();
        let keys: Vec<String> = arrivals.iter().map(|arrival| arrival.object_key.clone()).collect();
        let etags: Vec<String> = arrivals.iter().map(|arrival| arrival.etag.clone()).collect();
        let sequencers: Vec<Option<String>> =
            arrivals.iter().map(|arrival| arrival.sequencer.clone()).collect();
        let times: Vec<DateTime<Utc>> = arrivals.iter().map(|arrival| arrival.arrived_at).collect();
        sqlx::query!(
            "INSERT INTO upload_arrivals (collection_id, uri, object_key, etag, sequencer, arrived_at)
            SELECT $1, entry.*
            FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS entry
            ON CONFLICT (collection_id, uri) DO UPDATE
            SET object_key = EXCLUDED.object_key, etag = EXCLUDED.etag, sequencer = EXCLUDED.sequencer,
                arrived_at = EXCLUDED.arrived_at",
            collection_id.0,
            &uris,
            &keys,
            &etags,
            &sequencers as &[Option<String>],
            &times,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

fn columns(pairs: &[(UploadId, String)]) -> (Vec<Uuid>, Vec<String>) {
    pairs.iter().map(|(id, text)| (id.0, text.clone())).unzip()
}
