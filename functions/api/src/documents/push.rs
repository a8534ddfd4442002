//! Pushes a document: the client sends its content and gives it a URI.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use db::uploads::{NewUpload, UploadDocument};
use domain::{
    ArtifactKey, Classify, CollectionId, DocumentId, DocumentMetadata, DocumentUri, ErrorKind, PushRunId,
    PushSource, UploadId, document_id,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use segmentation::{Ocr, ReadableFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{metadata, pushed};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::words;
use crate::quotas::enforce;

/// The most bytes of a document's content in one request.
const MAX_CONTENT_BYTES: usize = 1_000_000;

/// A document to push, with `text` or `content_base64`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "uri": "crm://tickets/17", "title": "Printer out of order", "text": "The printer on floor 3 is out of order.",
    "url": "https://crm.example.org/tickets/17", "metadata": { "status": "open" }, "source": "crm",
}))]
pub(crate) struct PushDocumentRequest {
    /// Identifies the document in the collection: any absolute URI, at most 2048 bytes. The same URI again replaces it.
    /// Schemes that other sources use, such as `file` and `s3`, are refused.
    #[schema(max_length = 2048)]
    uri: String,
    /// Its content as text, at most 1,000,000 bytes in UTF-8.
    text: Option<String>,
    /// Its content in Base64, at most 1,000,000 bytes decoded; for example of a PDF document.
    content_base64: Option<String>,
    /// Media type of the content. Default `text/plain` for `text`; else it is known by the end of the URI and the bytes.
    #[schema(example = "text/markdown")]
    mime_type: Option<String>,
    /// Shown with hits, and searched. Without one, the document keeps the one it has, or gets that in its content.
    #[schema(max_length = 512)]
    title: Option<String>,
    /// Where people open the original, an http or https address. Without one, the document keeps the one it has; at first,
    /// its URI if that is such an address.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Metadata of the document, for `attributes` in a search's `metadata_filter`. If it is left out, an existing document
    /// keeps its metadata.
    #[schema(value_type = Option<words::MetadataSchema>)]
    metadata: Option<Map<String, Value>>,
    /// Name of the source that the document belongs to, 1 to 64 characters; created on first use.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", default = "push")]
    source: Option<String>,
    /// The push run that this is part of, to be told if it is not open any more. Without it, an open run of the source
    /// counts the document, too.
    #[schema(value_type = Option<Uuid>)]
    run_id: Option<PushRunId>,
}

/// A document that was pushed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushedDocumentResponse {
    /// Identifies the document; it exists when it is staged, some seconds later.
    #[schema(value_type = Uuid)]
    document_id: DocumentId,
    /// Its URI, in normal form.
    uri: String,
    /// Its source.
    source: String,
    /// The upload that carries it.
    #[schema(value_type = Uuid)]
    upload_id: UploadId,
    /// The URL of the upload, whose status shows the outcome.
    upload: String,
}

/// Push a document
///
/// Sends the content of a document and gives it a URI; the same URI again replaces it, and the same content again changes
/// nothing. It becomes searchable within seconds, by the operation that the upload in `Location` names; pushes at the same
/// time share one. The request can be repeated safely. Larger content is announced with
/// `POST /api/v2/collections/{collection_id}/uploads`, with the same `uri`. What is left out of title, URL and metadata
/// stays as it is.
#[utoipa::path(
    put, path = "/api/v2/collections/{collection_id}/documents/by-uri", operation_id = "pushDocument", tag = "documents",
    params(("collection_id" = Uuid, Path)), request_body = PushDocumentRequest,
    responses((
        status = 202, body = PushedDocumentResponse,
        headers(("Location" = String, description = "The upload, with its status.")),
    )),
)]
pub(crate) async fn push(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    request: Result<ApiJson<PushDocumentRequest>, ApiError>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<PushedDocumentResponse>), ApiError> {
    let collection_id = found.collection.id;
    let ApiJson(request) = request.map_err(|error| match error.kind() {
        ErrorKind::TooLarge => too_large(collection_id, "the request body", "2 MiB"),
        _ => error,
    })?;
    let run_id = request.run_id;
    let checked = check(request, pushed::ocr(&state, found.collection.settings.ocr))?;
    let size = checked.content.len();
    if size > MAX_CONTENT_BYTES {
        let what = format!("the content, {size} bytes,");
        return Err(too_large(collection_id, &what, &format!("{MAX_CONTENT_BYTES} bytes")));
    }

    let upload_id = UploadId(Uuid::now_v7());
    let key = ArtifactKey::Announced { collection_id, upload_id };
    let tx = pushed::with_source(state.db.begin().await?, collection_id, &checked.source).await?;
    let mut tx = tx;
    let uri = checked.uri.as_str();
    pushed::claim(&mut tx, collection_id, &checked.source, run_id, &[uri.to_owned()]).await?;
    let new = NewUpload {
        id: upload_id,
        collection_id,
        announcer: caller.actor(),
        name: checked.path,
        object_key: key.path(),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        content_type: checked.content_type.clone(),
        sha256: None,
        metadata: checked.metadata,
        document: checked.document,
        expires_at: Utc::now() + state.limits.upload_url_lifetime,
    };
    tx.uploads().insert_many(&[new]).await?;
    let announcer_id = caller.principal.user_id;
    enforce::check_uploads(&mut tx, collection_id, found.collection.owner_id, announcer_id).await?;
    let document_id = document_id(collection_id, uri);
    let change = Change {
        action: "document_pushed",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: None,
        details: json!({
            "document_id": document_id, "uri": uri, "source": checked.source.as_str(), "upload_id": upload_id,
            "bytes": size,
        }),
    };
    audit::record(&mut tx, &client, change).await?;
    dispatch::arm_sweep(&state.queues).await;
    // Before the object is written: an object without an announcement is deleted.
    tx.commit().await?;
    if let Err(error) =
        state.artifacts.write_announced(&key, upload_id, checked.content, &checked.content_type).await
    {
        // What may still arrive of this request does not overtake the repeated one.
        state.db.connection().await?.uploads().withdraw(upload_id).await?;
        let detail = "the document could not be stored; repeat the request";
        return Err(ApiError::unavailable(&error, detail).with_dependency(error.dependency()));
    }
    let upload = format!("/api/v2/collections/{collection_id}/uploads/{upload_id}");
    let location = HeaderValue::from_str(&upload).map_err(|error| ApiError::internal(&error))?;
    let response = PushedDocumentResponse {
        document_id,
        uri: uri.to_owned(),
        source: checked.source.as_str().to_owned(),
        upload_id,
        upload,
    };
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(response)))
}

fn too_large(collection_id: CollectionId, what: &str, most: &str) -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        format!(
            "{what} is too large to be pushed in one request; at most {most} allowed. Announce the content with \
             POST /api/v2/collections/{collection_id}/uploads, with the same uri, and PUT it to the presigned URL"
        ),
    )
}

/// A validated document.
struct CheckedDocument {
    uri: DocumentUri,
    source: PushSource,
    /// The path within the source, whose end tells the format together with the media type.
    path: String,
    content: Vec<u8>,
    content_type: String,
    metadata: Option<DocumentMetadata>,
    document: UploadDocument,
}

fn check(request: PushDocumentRequest, ocr: Ocr) -> Result<CheckedDocument, ApiError> {
    let mut errors = FieldErrors::default();
    let uri = pushed::check_uri(&mut errors, "uri", &request.uri);
    let source = pushed::check_source(&mut errors, request.source.as_deref());
    let mime_type = request.mime_type.as_deref().filter(|text| !text.is_empty());
    if let Some(mime_type) = mime_type.filter(|text| !pushed::is_media_type(text)) {
        let message = format!("wrong format; a media type like text/plain allowed, got {mime_type:?}");
        errors.add("mime_type", message);
    }
    let content_type = match mime_type {
        Some(mime_type) if request.text.is_some() => text_type(&mut errors, mime_type),
        Some(mime_type) => mime_type.to_owned(),
        None if request.text.is_some() => text_type(&mut errors, "text/plain"),
        None => "application/octet-stream".to_owned(),
    };
    let content = match (request.text, request.content_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(content)) => STANDARD.decode(&content).unwrap_or_else(|error| {
            errors.add(
                "content_base64",
                format!("not Base64 ({error}); the standard alphabet with padding allowed"),
            );
            Vec::new()
        }),
        (Some(_), Some(_)) => {
            errors.add("content_base64", "given together with text; one of them allowed");
            Vec::new()
        }
        (None, None) => {
            errors.add("text", "missing; text or content_base64 needed");
            Vec::new()
        }
    };
    let metadata = request.metadata.as_ref();
    let metadata = metadata.map(|given| metadata::check(&mut errors, "metadata", given));
    let named = (request.title.as_deref(), request.url.as_deref());
    let document =
        pushed::check_document(&mut errors, str::to_owned, named, uri.as_ref().map(|uri| (uri, &source)));
    let path = uri.as_ref().map(|uri| file_path(uri, &content_type)).unwrap_or_default();
    let is_known = content_type != "application/octet-stream";
    if let Err(error) = ReadableFormat::check(&path, is_known.then_some(content_type.as_str()), ocr) {
        errors.add("mime_type", format!("{error}, got {content_type:?} for {path:?}"));
    }
    errors.finish()?;
    // Without one, `finish` has returned the error.
    let uri = uri.ok_or_else(|| ApiError::invalid_field("uri", "not an absolute URI"))?;
    Ok(CheckedDocument { uri, source, path, content, content_type, metadata, document })
}

/// Returns the media type of a JSON text, which is UTF-8 whatever a page says of itself.
fn text_type(errors: &mut FieldErrors, mime_type: &str) -> String {
    let Ok(parsed) = mime_type.parse::<mime::Mime>() else {
        return mime_type.to_owned();
    };
    match parsed.get_param(mime::CHARSET) {
        Some(charset) if charset != mime::UTF_8 => {
            let message = format!("text is sent in UTF-8; no other charset allowed, got {mime_type:?}");
            errors.add("mime_type", message);
            mime_type.to_owned()
        }
        None if parsed.type_() == mime::TEXT => format!("{mime_type}; charset=utf-8"),
        _ => mime_type.to_owned(),
    }
}

/// Returns the path of the document within its source. The client says what the format is, so the end of a URI that names
/// another one (a page `index.php` sent as text) gets the extension of that format.
fn file_path(uri: &DocumentUri, content_type: &str) -> String {
    let path = uri.path();
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let covers = |known: &str| known.strip_suffix('*').is_some_and(|prefix| essence.starts_with(prefix));
    let format =
        ReadableFormat::all().find(|format| format.media_types.contains(&essence.as_str())).or_else(|| {
            ReadableFormat::all().find(|format| format.media_types.iter().any(|known| covers(known)))
        });
    let (Some(format), Some((_, extension))) = (format, name.rsplit_once('.')) else {
        return path.to_owned();
    };
    match format.extensions.first() {
        Some(own) if !format.extensions.contains(&extension) => format!("{path}.{own}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
