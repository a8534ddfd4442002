//! Presigned URLs: time-limited requests that a client sends to S3 without credentials of its own. And the one write that
//! the program does in a client's place.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{ArtifactKey, UploadId};

use crate::arrival::UPLOAD_ID;
use crate::{ArtifactError, ArtifactStore};

/// A presigned upload: everything that the client needs for its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignedUpload {
    /// The presigned URL.
    pub url: String,
    /// The HTTP method.
    pub method: String,
    /// The signed headers: the client must send exactly these.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires.
    pub expires_at: DateTime<Utc>,
}

/// The content that a presigned upload accepts.
#[derive(Debug, Clone, Copy)]
pub struct UploadContent<'a> {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub content_type: &'a str,
    /// SHA-256, if the client knows it.
    pub sha256: Option<[u8; 32]>,
}

impl ArtifactStore {
    /// Presigns a PUT of exactly this content.
    ///
    /// The request carries the upload's id as metadata of the object, and is refused by S3 while the object exists:
    /// bytes that have arrived cannot be replaced before they are staged.
    ///
    /// # Errors
    /// Returns `Call` if there are no credentials to sign with.
    pub async fn presign_upload(
        &self,
        key: &ArtifactKey,
        upload_id: UploadId,
        content: UploadContent<'_>,
        now: DateTime<Utc>,
        expires_in: Duration,
    ) -> Result<PresignedUpload, ArtifactError> {
        let path = key.path();
        let config = PresigningConfig::expires_in(expires_in)
            .map_err(|error| ArtifactError::call(&path, "presign", error))?;
        let size = i64::try_from(content.size_bytes).unwrap_or(i64::MAX);
        let request = self
            .client()
            .put_object()
            .bucket(self.bucket())
            .key(&path)
            .content_length(size)
            .content_type(content.content_type)
            .metadata(UPLOAD_ID, upload_id.to_string())
            .if_none_match("*")
            .set_checksum_sha256(content.sha256.map(|digest| STANDARD.encode(digest)));
        let presigned = request.presigned(config).await;
        let presigned = presigned.map_err(|error| ArtifactError::call(&path, "presign", error))?;
        let headers = presigned.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(PresignedUpload {
            url: presigned.uri().to_owned(),
            method: presigned.method().to_owned(),
            headers: headers.collect(),
            expires_at: now + expires_in,
        })
    }

    /// Writes the file of an announced upload on behalf of its announcer, as the presigned PUT would.
    pub async fn write_announced(
        &self,
        key: &ArtifactKey,
        upload_id: UploadId,
        bytes: impl Into<Bytes>,
        content_type: &str,
    ) -> Result<(), ArtifactError> {
        let path = key.path();
        let request = self
            .client()
            .put_object()
            .bucket(self.bucket())
            .key(&path)
            .content_type(content_type)
            .metadata(UPLOAD_ID, upload_id.to_string())
            .body(ByteStream::from(bytes.into()));
        request.send().await.map_err(|error| ArtifactError::call(&path, "PutObject", error))?;
        Ok(())
    }

    /// Presigns a GET that S3 answers with this content type and content disposition.
    ///
    /// # Errors
    /// Returns `Call` if there are no credentials to sign with.
    pub async fn presign_download(
        &self,
        key: &ArtifactKey,
        content_type: &str,
        content_disposition: &str,
        expires_in: Duration,
    ) -> Result<String, ArtifactError> {
        let path = key.path();
        let config = PresigningConfig::expires_in(expires_in)
            .map_err(|error| ArtifactError::call(&path, "presign", error))?;
        let request = self
            .client()
            .get_object()
            .bucket(self.bucket())
            .key(&path)
            .response_content_type(content_type)
            .response_content_disposition(content_disposition);
        let presigned = request.presigned(config).await;
        let presigned = presigned.map_err(|error| ArtifactError::call(&path, "presign", error))?;
        Ok(presigned.uri().to_owned())
    }
}
