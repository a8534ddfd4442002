//! Presigned URLs: time-limited requests that a client sends to S3 without credentials of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::ArtifactKey;

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

impl ArtifactStore {
    /// Presigns a PUT of exactly `size_bytes` bytes with this content type and, if given, this SHA-256 (32 bytes).
    ///
    /// # Errors
    /// Returns `Call` if there are no credentials to sign with.
    pub async fn presign_upload(
        &self,
        key: &ArtifactKey,
        size_bytes: u64,
        content_type: &str,
        sha256: Option<[u8; 32]>,
        now: DateTime<Utc>,
        expires_in: Duration,
    ) -> Result<PresignedUpload, ArtifactError> {
        let path = key.path();
        let config = PresigningConfig::expires_in(expires_in)
            .map_err(|error| ArtifactError::call(&path, "presign", error))?;
        let size = i64::try_from(size_bytes).unwrap_or(i64::MAX);
        let request = self
            .client()
            .put_object()
            .bucket(self.bucket())
            .key(&path)
            .content_length(size)
            .content_type(content_type)
            .set_checksum_sha256(sha256.map(|digest| STANDARD.encode(digest)));
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
