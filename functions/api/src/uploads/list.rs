//! Lists a collection's uploads, and shows one.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::uploads::Upload;
use domain::{AccessLevel, CollectionId, DocumentMetadata, OperationId, UploadId, UploadStatus};
use lambda::http::{ApiError, ApiPath, ListQuery, Page};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::openapi::words;
use crate::redaction;

/// An announced upload.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadResponse {
    /// Identifies the upload.
    #[schema(value_type = Uuid)]
    id: UploadId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// Name of the file.
    name: String,
    /// The announced size in bytes.
    size: i64,
    /// Announced media type.
    content_type: String,
    /// Metadata that was announced for the document.
    #[schema(value_type = Option<words::MetadataSchema>)]
    metadata: Option<DocumentMetadata>,
    /// URI of the document if it was pushed; only for callers with write access.
    uri: Option<String>,
    /// Name of the source that it was pushed to.
    source: Option<String>,
    /// Title that was given to the document.
    title: Option<String>,
    /// Where people open the original, if that was said.
    url: Option<String>,
    /// State of the upload.
    #[schema(value_type = words::UploadStatus)]
    status: UploadStatus,
    /// The status in words, with what to do next.
    message: String,
    /// Why it was refused; `null` unless it was.
    reason: Option<String>,
    /// The operation that indexes it.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// When the presigned URL expires.
    expires_at: DateTime<Utc>,
    /// When the file was received; `null` before that.
    received_at: Option<DateTime<Utc>>,
    /// When the upload was announced.
    created_at: DateTime<Utc>,
}

impl UploadResponse {
    /// The upload as a caller with this access level sees it.
    fn new(upload: Upload, access: AccessLevel) -> Self {
        let (uri, source) = upload.document.pushed.clone().unzip();
        Self {
            uri: redaction::redact_uri(access, uri),
            source,
            message: explain(&upload),
            id: upload.id,
            collection_id: upload.collection_id,
            name: upload.name,
            size: upload.size_bytes,
            content_type: upload.content_type,
            metadata: upload.metadata,
            title: upload.document.title,
            url: upload.document.url,
            status: upload.status,
            reason: upload.reason,
            operation_id: upload.operation_id,
            expires_at: upload.expires_at,
            received_at: upload.received_at,
            created_at: upload.created_at,
        }
    }
}

fn explain(upload: &Upload) -> String {
    match (upload.status, upload.operation_id) {
        (UploadStatus::Expected, _) => {
            format!("nothing uploaded yet; PUT the file to its presigned URL before {}", upload.expires_at)
        }
        (UploadStatus::Received, Some(operation_id)) => {
            format!("uploaded; see GET /api/v2/operations/{operation_id} for its progress")
        }
        (UploadStatus::Received, None) => "uploaded; its operation has expired from the history".to_owned(),
        (UploadStatus::Expired, _) => format!(
            "{:?} was not uploaded before {}, so nothing was indexed; announce it again with \
             POST /api/v2/collections/{}/uploads and PUT it to the new presigned URL",
            upload.name, upload.expires_at, upload.collection_id
        ),
        (UploadStatus::Refused, _) => format!(
            "{:?} was refused and nothing was indexed: {}",
            upload.name,
            upload.reason.as_deref().unwrap_or("no reason was recorded")
        ),
        (UploadStatus::Withdrawn, _) => {
            format!("{:?} was withdrawn before it arrived; announce it again to upload it", upload.name)
        }
    }
}

/// Which uploads to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUploadsQuery {
    /// Only uploads with this status.
    #[param(schema_with = words::UploadStatus::inline)]
    status: Option<String>,
}

/// A page of uploads, in the order of their announcement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadsResponse {
    /// The uploads of this page.
    uploads: Vec<UploadResponse>,
    /// Number of matching uploads on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List a collection's uploads
///
/// Returns one page, in the order of their announcement.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/uploads", operation_id = "listUploads", tag = "uploads",
    params(("collection_id" = Uuid, Path), ListUploadsQuery, Page),
    responses((status = 200, body = UploadsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath(collection_id): ApiPath<CollectionId>,
    ListQuery { page: paging, filters: query, mut errors }: ListQuery<Page, ListUploadsQuery>,
) -> Result<Json<UploadsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let status = query.status.as_deref().filter(|status| !status.is_empty());
    let status = status.and_then(|status| errors.keyword("status", status));
    errors.finish()?;
    let page = connection.uploads().list(collection_id, status, paging.per_page, paging.offset()).await?;
    Ok(Json(UploadsResponse {
        uploads: page.items.into_iter().map(|upload| UploadResponse::new(upload, found.access)).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show an upload
///
/// Returns what has become of it, and the operation that indexes it.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/uploads/{upload_id}", operation_id = "getUpload", tag = "uploads",
    params(("collection_id" = Uuid, Path), ("upload_id" = Uuid, Path)),
    responses((status = 200, body = UploadResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, UploadId)>,
) -> Result<Json<UploadResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let upload = connection.uploads().find(id).await?;
    let upload = upload.filter(|upload| upload.collection_id == collection_id);
    let upload = upload.ok_or_else(|| ApiError::not_found("upload", id))?;
    Ok(Json(UploadResponse::new(upload, found.access)))
}
