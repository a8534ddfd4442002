//! Announces uploads: a client names its files and gets a presigned URL for each.

use std::collections::HashSet;
use std::time::Duration;

use access::{Begun, Caller, Granted, Idempotency};
use artifacts::UploadContent;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::uploads::{NewUpload, UploadDocument};
use domain::{ArtifactKey, DocumentMetadata, DocumentName, PushRunId, PushSource, UploadId};
use hex::FromHex;
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use segmentation::{Ocr, ReadableFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::documents::{metadata, pushed};
use crate::openapi::words;
use crate::quotas::enforce;

/// Files per request at most.
const MAX_FILES: usize = 100;
/// Maximum lifetime of a presigned URL: a day.
const MAX_LIFETIME_SECONDS: i64 = 86_400;
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Files to upload.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnnounceUploadsRequest {
    /// 1 to 100 files.
    #[schema(min_items = 1, max_items = 100)]
    files: Vec<AnnouncedFile>,
    /// Lifetime of the presigned URLs, 1 to 86400 seconds; default 15 minutes, and a second more for each MiB of the
    /// file. The whole file must have arrived by then.
    #[schema(minimum = 1, maximum = 86400)]
    expires_in_seconds: Option<i64>,
    /// Name of the source that the files with a `uri` belong to, as for
    /// `PUT /api/v2/collections/{collection_id}/documents/by-uri`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", default = "push")]
    source: Option<String>,
    /// The push run that the files with a `uri` are part of.
    #[schema(value_type = Option<Uuid>)]
    run_id: Option<PushRunId>,
}

/// A file to upload.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnnouncedFile {
    /// A relative path with `/` as separator, at most 512 bytes. Uploading the same name again replaces
    /// the document, unless `uri` identifies it.
    #[schema(example = "guides/été.md")]
    name: String,
    /// In bytes; the presigned URL accepts exactly that many.
    #[schema(minimum = 0, example = 12)]
    size: i64,
    /// Its media type; the PUT must have the same.
    #[schema(example = "text/markdown", default = "application/octet-stream")]
    content_type: Option<String>,
    /// SHA-256 of its bytes in hex; the presigned URL accepts only those bytes.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
    /// Metadata of the document, for `attributes` in a search's `metadata_filter`. If it is left out, an existing document
    /// keeps its metadata.
    #[schema(value_type = Option<words::MetadataSchema>)]
    metadata: Option<Map<String, Value>>,
    /// Makes it a pushed document with this URI, as `PUT /api/v2/collections/{collection_id}/documents/by-uri` does for
    /// small ones.
    #[schema(max_length = 2048, example = "crm://attachments/55")]
    uri: Option<String>,
    /// Shown with hits, and searched. Without one, the document keeps the one it has, or gets that in its content.
    #[schema(max_length = 512)]
    title: Option<String>,
    /// Where people open the original, an http or https address.
    #[schema(max_length = 2048)]
    url: Option<String>,
}

/// Presigned URLs, in the order of the request's files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnnouncedUploadsResponse {
    /// The presigned URLs, in the order of the request.
    uploads: Vec<AnnouncedUploadResponse>,
}

/// The presigned URL of one file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnnouncedUploadResponse {
    /// The upload's id, to look up its status.
    #[schema(value_type = Uuid)]
    id: UploadId,
    /// Name of the file.
    name: String,
    /// Presigned URL.
    url: String,
    /// HTTP method, `PUT`.
    method: String,
    /// Headers that the PUT must have.
    headers: std::collections::BTreeMap<String, String>,
    /// When the presigned URL expires.
    expires_at: DateTime<Utc>,
}

/// Announce files to upload
///
/// PUT each file once to its presigned URL with exactly the returned headers. No further call is needed: the
/// bucket's event starts the operation that indexes it. A file is refused, with the reason in the upload's `reason`, if
/// it is not what was announced, if the announcer has lost write access, or if the document was deleted or replaced
/// after it arrived. A user has at most 1,000 open announcements, and no more bytes in them than the user's storage
/// quota.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/uploads", operation_id = "announceUploads", tag = "uploads",
    params(("collection_id" = Uuid, Path)), request_body = AnnounceUploadsRequest,
    responses((status = 201, body = AnnouncedUploadsResponse)),
)]
pub(crate) async fn announce(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<AnnounceUploadsRequest>,
) -> Result<Response, ApiError> {
    let collection_id = found.collection.id;
    let ocr = pushed::ocr(&state, found.collection.settings.ocr);
    let (source, files) = check(&request, state.limits.max_upload_bytes, ocr)?;
    let pushed: Vec<String> =
        files.iter().filter_map(|file| Some(file.document.pushed.as_ref()?.0.clone())).collect();
    let lifetime = |size: u64| match request.expires_in_seconds {
        Some(seconds) => Duration::from_secs(seconds.unsigned_abs()),
        None => state.limits.upload_url_lifetime + Duration::from_secs(size >> 20),
    };

    // Signed before the transaction begins, without network access.
    let now = Utc::now();
    let mut new_uploads = Vec::with_capacity(files.len());
    let mut uploads = Vec::with_capacity(files.len());
    for file in files {
        let name = file.name.as_str().to_owned();
        // Version 7: the ids of one request sort in the order of its files.
        let id = UploadId(Uuid::now_v7());
        let key = ArtifactKey::Announced { collection_id, upload_id: id };
        let content =
            UploadContent { size_bytes: file.size, content_type: file.content_type, sha256: file.sha256 };
        let presigned = state.artifacts.presign_upload(&key, id, content, now, lifetime(file.size)).await?;
        new_uploads.push(NewUpload {
            id,
            collection_id,
            announcer: caller.actor(),
            name: name.clone(),
            object_key: key.path(),
            size_bytes: i64::try_from(file.size).unwrap_or(i64::MAX),
            content_type: file.content_type.to_owned(),
            sha256: file.sha256.as_ref().map(hex::encode),
            metadata: file.metadata,
            document: file.document,
            expires_at: presigned.expires_at,
        });
        uploads.push(AnnouncedUploadResponse {
            id,
            name,
            url: presigned.url,
            method: presigned.method,
            headers: presigned.headers,
            expires_at: presigned.expires_at,
        });
    }
    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    if !pushed.is_empty() {
        tx = pushed::with_source(tx, collection_id, &source).await?;
        pushed::claim(&mut tx, collection_id, &source, request.run_id, &pushed).await?;
    }
    tx.uploads().insert_many(&new_uploads).await?;
    let (owner_id, announcer_id) = (found.collection.owner_id, caller.principal.user_id);
    enforce::check_uploads(&mut tx, collection_id, owner_id, announcer_id).await?;
    let bytes: i64 = new_uploads.iter().map(|upload| upload.size_bytes).sum();
    let change = Change {
        action: "uploads_announced",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: None,
        details: json!({ "files": new_uploads.len(), "bytes": bytes }),
    };
    audit::record(&mut tx, &client, change).await?;
    dispatch::arm_sweep(&state.queues).await;
    tx.commit(StatusCode::CREATED, &AnnouncedUploadsResponse { uploads }).await
}

/// A validated file.
struct CheckedFile<'a> {
    name: DocumentName,
    size: u64,
    content_type: &'a str,
    sha256: Option<[u8; 32]>,
    metadata: Option<DocumentMetadata>,
    document: UploadDocument,
}

fn check(
    request: &AnnounceUploadsRequest,
    max_bytes: u64,
    ocr: Ocr,
) -> Result<(PushSource, Vec<CheckedFile<'_>>), ApiError> {
    let files = &request.files;
    let mut errors = FieldErrors::default();
    let source = pushed::check_source(&mut errors, request.source.as_deref());
    if let Some(seconds) = request.expires_in_seconds {
        errors.range("expires_in_seconds", seconds, 1..=MAX_LIFETIME_SECONDS);
    }
    if files.is_empty() || files.len() > MAX_FILES {
        let message = format!("wrong number of items; 1 to {MAX_FILES} allowed, got {}", files.len());
        return Err(ApiError::invalid_field("files", message));
    }
    let mut documents = HashSet::with_capacity(files.len());
    let mut checked = Vec::with_capacity(files.len());
    for (position, file) in files.iter().enumerate() {
        let field = |name: &str| format!("files[{position}].{name}");
        let name = DocumentName::parse(&file.name);
        let uri = file.uri.as_deref().filter(|uri| !uri.is_empty());
        let uri = uri.and_then(|uri| pushed::check_uri(&mut errors, &field("uri"), uri));
        match (&name, &uri) {
            (Err(error), _) => errors.add(field("name"), error.to_string()),
            (Ok(_), Some(uri)) if !documents.insert(uri.to_string()) => errors.add(
                field("uri"),
                format!("not unique; one file of each URI allowed, got {:?} twice", uri.as_str()),
            ),
            (Ok(name), None) if !documents.insert(name.to_string()) => errors.add(
                field("name"),
                format!("not unique; one file of each name allowed, got {:?} twice", file.name),
            ),
            _ => {}
        }
        let named = (file.title.as_deref(), file.url.as_deref());
        let document =
            pushed::check_document(&mut errors, field, named, uri.as_ref().map(|uri| (uri, &source)));
        let size = u64::try_from(file.size).ok().filter(|size| *size <= max_bytes);
        if size.is_none() {
            errors.add(
                field("size"),
                format!("out of range; 0 to {max_bytes} bytes allowed, got {}", file.size),
            );
        }
        let given = file.content_type.as_deref().filter(|text| !text.is_empty());
        let content_type = given.unwrap_or(DEFAULT_CONTENT_TYPE);
        if !pushed::is_media_type(content_type) {
            errors.add(
                field("content_type"),
                format!("wrong format; a media type like text/plain allowed, got {content_type:?}"),
            );
        }
        if let (Ok(name), Err(error)) = (&name, ReadableFormat::check(&file.name, given, ocr)) {
            errors.add(field("name"), format!("{error}, got {:?}", name.as_str()));
        }
        let sha256 = file.sha256.as_deref().map(from_hex);
        if sha256 == Some(None) {
            let got = file.sha256.as_deref().unwrap_or_default().chars().count();
            errors.add(
                field("sha256"),
                format!("wrong format; 64 hexadecimal digits allowed, got {got} characters"),
            );
        }
        let metadata = file.metadata.as_ref();
        let metadata = metadata.map(|given| metadata::check(&mut errors, &field("metadata"), given));
        if let (Ok(name), Some(size)) = (name, size) {
            checked.push(CheckedFile {
                name,
                size,
                content_type,
                sha256: sha256.flatten(),
                metadata,
                document,
            });
        }
    }
    errors.finish()?;
    Ok((source, checked))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    <[u8; 32]>::from_hex(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(files: impl IntoIterator<Item = AnnouncedFile>) -> AnnounceUploadsRequest {
        let files = files.into_iter().collect();
        AnnounceUploadsRequest { files, expires_in_seconds: None, source: None, run_id: None }
    }

    fn file(name: &str) -> AnnouncedFile {
        AnnouncedFile {
            name: name.to_owned(),
            size: 1,
            content_type: None,
            sha256: None,
            metadata: None,
            uri: None,
            title: None,
            url: None,
        }
    }

    #[test]
    fn every_invalid_field_of_every_file_is_named() {
        let files = [
            file("../a"),
            AnnouncedFile { size: -1, ..file("b") },
            AnnouncedFile { size: 11, content_type: Some("text\n/html".to_owned()), ..file("c") },
            AnnouncedFile { sha256: Some("xyz".to_owned()), ..file("b") },
            AnnouncedFile { metadata: json!({ "a b": [1] }).as_object().cloned(), ..file("d") },
        ];
        let error = check(&request(files), 10, Ocr::Off).err().unwrap();
        insta::assert_snapshot!(error.detail().replace("; files[", "\nfiles["), @r#"
        files[0].name: contains the folder ".."; names of folders allowed between two '/', got "../a"
        files[1].size: out of range; 0 to 10 bytes allowed, got -1
        files[2].size: out of range; 0 to 10 bytes allowed, got 11
        files[2].content_type: wrong format; a media type like text/plain allowed, got "text\n/html"
        files[3].name: not unique; one file of each name allowed, got "b" twice
        files[3].sha256: wrong format; 64 hexadecimal digits allowed, got 3 characters
        files[4].metadata: wrong key; 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got "a b"
        files[4].metadata: "a b" has a wrong type; a string, a 64-bit integer or a boolean allowed, got a list
        "#);
    }

    #[test]
    fn a_request_has_1_to_100_files() {
        let files = |count: usize| request((0..count).map(|n| file(&n.to_string())));
        let detail = |count: usize| check(&files(count), 10, Ocr::Off).err().unwrap().detail().to_owned();
        assert_eq!(detail(101), "files: wrong number of items; 1 to 100 allowed, got 101");
        assert_eq!(detail(0), "files: wrong number of items; 1 to 100 allowed, got 0");
        assert_eq!(check(&files(100), 10, Ocr::Off).unwrap().1.len(), 100);
    }

    #[test]
    fn empty_files_and_emoji_are_accepted() {
        let files = [AnnouncedFile { size: 0, ..file("🦀.md") }];
        assert_eq!(check(&request(files), 10, Ocr::Off).unwrap().1[0].content_type, DEFAULT_CONTENT_TYPE);
    }

    #[test]
    fn digests_round_trip() {
        let digest = [0xa5; 32];
        assert_eq!(from_hex(&hex::encode(digest)), Some(digest));
        assert_eq!(from_hex(&hex::encode_upper(digest)), Some(digest));
        assert_eq!(from_hex("é".repeat(32).as_str()), None);
    }
}
