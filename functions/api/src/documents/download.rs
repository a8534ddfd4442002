//! Downloads the bytes of a document as they were indexed.

use std::time::Duration;

use access::Granted;
use artifacts::ArtifactError;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::response::Response;
use db::documents::{Document, DocumentArtifact};
use domain::{AccessLevel, ArtifactKey, CollectionId, DocumentId, DocumentStatus, ErrorKind};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda::http::{
    ApiError, ApiPath, MAX_PAYLOAD_BYTES, is_transferred_as_text, least_payload_bytes, payload_bytes,
};
use mime::Mime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use utoipa::ToSchema;

use super::find::find;
use crate::State;
use crate::redaction;

/// Lifetime of the presigned URL of a larger document.
const DOWNLOAD_URL_LIFETIME: Duration = Duration::from_secs(300);
const OCTETS: &str = "application/octet-stream";
/// What an extended header parameter leaves unencoded (RFC 5987), as far as it is unreserved in URLs, too.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The bytes of a document.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes the response")]
pub(crate) struct DocumentContent(Vec<u8>);

/// Download a document
///
/// Returns the bytes as they were indexed. Documents of more than about 4 MiB, the most that a function can return, are
/// redirected to a presigned URL that is valid for five minutes; follow it without the `Authorization` header.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/{document_id}/content", operation_id = "downloadDocument", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses(
        (
            status = 200, description = "The bytes. `Content-Type` is the document's media type.",
            // Client generators know the first; the second is what it is.
            content((DocumentContent = "application/octet-stream"), (DocumentContent = "*/*")),
        ),
        (status = 307, description = "`Location` is a presigned URL of the bytes."),
    ),
)]
pub(crate) async fn download(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<Response, ApiError> {
    // Release the connection before the bytes are read.
    let (document, content) = {
        let mut connection = state.db.connection().await?;
        let document = find(connection.documents(), collection_id, id).await?;
        if document.status == DocumentStatus::Deleted {
            return Err(ApiError::not_found("document", id));
        }
        let content = connection.document_artifacts().find_content(id).await?;
        (document, content)
    };
    let Some(content) = content else { return Err(not_staged(&document, found.access)) };
    let key = content.key();
    let mut headers = safe_headers(&document, &content);
    let size = usize::try_from(content.size_bytes).unwrap_or(usize::MAX);
    if least_payload_bytes(&headers, size) > MAX_PAYLOAD_BYTES {
        return redirect(&state, &key, &headers).await;
    }
    let bytes = match state.artifacts.read(&key).await {
        Ok(bytes) => bytes,
        Err(ArtifactError::NotFound { .. }) => return Err(not_staged(&document, found.access)),
        Err(error) => return Err(error.into()),
    };
    if !survives_lambda(&headers, &bytes) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    }
    // A text of many quotation marks or line ends is transferred as one of twice its size.
    if payload_bytes(&headers, &bytes) > MAX_PAYLOAD_BYTES {
        return redirect(&state, &key, &headers).await;
    }
    let mut response = Response::new(Body::from(bytes));
    *response.headers_mut() = headers;
    Ok(response)
}

async fn redirect(state: &State, key: &ArtifactKey, headers: &HeaderMap) -> Result<Response, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or(OCTETS);
    let url = state
        .artifacts
        .presign_download(
            key,
            text(header::CONTENT_TYPE),
            text(header::CONTENT_DISPOSITION),
            DOWNLOAD_URL_LIFETIME,
        )
        .await?;
    let location = HeaderValue::from_str(&url)
        .map_err(|_| ApiError::new(ErrorKind::Internal, "the presigned URL is not a valid header value"))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

fn not_staged(document: &Document, access: AccessLevel) -> ApiError {
    let reason = redaction::redact_error(access, document.error_message.clone());
    let reason = reason.as_deref().unwrap_or("it was not read yet");
    ApiError::new(ErrorKind::NotFound, format!("document {} has no content: {reason}", document.id))
}

/// The bytes are untrusted: whatever they are, a browser must only save them.
fn safe_headers(document: &Document, content: &DocumentArtifact) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Recorded as a duplicate by an earlier version, it has the bytes of its original, but a media type of its
    // own.
    let mime_type = match content.document_id == document.id {
        true => &content.mime_type,
        false => document.mime_type.as_deref().unwrap_or(OCTETS),
    };
    let content_type = HeaderValue::from_str(mime_type).ok();
    headers.insert(header::CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static(OCTETS)));
    let disposition = HeaderValue::from_str(&attachment(&document.file_name));
    headers
        .insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", content.content_hash)) {
        headers.insert(header::ETAG, etag);
    }
    headers
}

/// Whether Lambda transfers the bytes unchanged. Text stays unchanged only if it is UTF-8 and declares no other charset:
/// a byte order mark would be dropped, another encoding replaced.
fn survives_lambda(headers: &HeaderMap, bytes: &[u8]) -> bool {
    if !is_transferred_as_text(headers) {
        return true;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.parse::<Mime>().ok()).unwrap_or(mime::TEXT_PLAIN);
    let is_utf8 = media_type.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8);
    is_utf8 && !bytes.starts_with(b"\xef\xbb\xbf") && std::str::from_utf8(bytes).is_ok()
}

/// The value of `Content-Disposition`: the name in UTF-8 by RFC 5987, and in ASCII for old clients.
fn attachment(file_name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '%');
    let plain: String = file_name
        .chars()
        .map(|character| if is_plain(character) || character == ' ' { character } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(file_name, UNRESERVED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_utf8_is_transferred_as_text() {
        let survives_lambda = |content_type: &'static str, bytes: &[u8]| {
            let value = HeaderValue::from_static(content_type);
            survives_lambda(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]), bytes)
        };
        assert!(survives_lambda("text/plain", "é🦀".as_bytes()));
        assert!(survives_lambda("text/html; charset=UTF-8", b"a"));
        assert!(survives_lambda("application/pdf", b"\xff\xfe"));
        assert!(!survives_lambda("text/plain", b"caf\xe9"));
        assert!(!survives_lambda("text/plain", b"\xef\xbb\xbfa"));
        assert!(!survives_lambda("text/plain; charset=iso-8859-1", b"caf\xe9"));
        assert!(!survives_lambda("image/svg+xml", b"\xff"));
    }

    #[test]
    fn file_names_cannot_inject_headers() {
        insta::assert_snapshot!(
            attachment("a \"b\"\r\nset-cookie: x=1; 🦀.html"),
            @r#"attachment; filename="a _b___set-cookie: x=1; _.html"; filename*=UTF-8''a%20%22b%22%0D%0Aset-cookie%3A%20x%3D1%3B%20%F0%9F%A6%80.html"#
        );
    }
}
