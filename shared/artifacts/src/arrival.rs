//! Objects that arrived in the staging bucket: announced files and drops.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::UploadId;

use crate::store::{etag, size};
use crate::{ArtifactError, ArtifactStore};

/// The metadata field of an announced object with its upload's id: the header `x-amz-meta-upload-id` of the PUT.
pub(crate) const UPLOAD_ID: &str = "upload-id";

/// An object that arrived, as it is in the bucket now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedObject {
    /// Size in bytes.
    pub size_bytes: u64,
    /// The entity tag without quotes.
    pub etag: String,
    /// The media type that its writer set.
    pub content_type: Option<String>,
    /// SHA-256 in hex, if its writer sent it; S3 has verified it.
    pub sha256: Option<String>,
    /// When it was written, in whole seconds.
    pub last_modified: DateTime<Utc>,
    /// The id of the announced upload that its writer signed.
    pub upload_id: Option<UploadId>,
}

impl ArtifactStore {
    /// Returns what is under this key now, or `None` if there is nothing.
    ///
    /// # Errors
    /// Returns `Refused` if there is an object that S3 does not describe.
    pub async fn find_arrived(&self, key: &str) -> Result<Option<ArrivedObject>, ArtifactError> {
        let request =
            self.client().head_object().bucket(self.bucket()).key(key).checksum_mode(ChecksumMode::Enabled);
        let response = match request.send().await {
            Ok(response) => response,
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 404 => return Ok(None),
            // A response to HEAD has no error code: the one to GET says whether a retry can help.
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 400 => {
                let refused = self.open_first_byte(key).await.err();
                return Err(refused.unwrap_or_else(|| {
                    ArtifactError::call(key, "HeadObject", SdkError::ServiceError(error))
                }));
            }
            Err(error) => return Err(ArtifactError::of_read(key, "HeadObject", error, None)),
        };
        let modified = response.last_modified.and_then(|at| DateTime::from_timestamp(at.secs(), 0));
        let last_modified = modified.ok_or_else(|| {
            ArtifactError::call(key, "HeadObject", "the response has no valid Last-Modified header")
        })?;
        let upload_id = response.metadata.as_ref().and_then(|metadata| metadata.get(UPLOAD_ID)?.parse().ok());
        Ok(Some(ArrivedObject {
            size_bytes: size(response.content_length),
            etag: etag(response.e_tag.as_deref()),
            content_type: response.content_type,
            sha256: response.checksum_sha256.as_deref().and_then(hex),
            last_modified,
            upload_id,
        }))
    }

    async fn open_first_byte(&self, key: &str) -> Result<(), ArtifactError> {
        let request = self.client().get_object().bucket(self.bucket()).key(key).range("bytes=0-0");
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ArtifactError::of_read(key, "GetObject", error, None)),
        }
    }

    /// Deletes an object if its ETag is still `etag`: another object that was written under the same key meanwhile
    /// stays. An empty ETag, of an object that S3 did not describe, stands for any. Succeeds if there is none.
    ///
    /// S3 checks the condition and deletes in one step (`If-Match`, also in buckets without versions).
    pub async fn delete_version(&self, key: &str, etag: &str) -> Result<(), ArtifactError> {
        let if_match = Some(etag).filter(|etag| !etag.is_empty()).map(str::to_owned);
        let request = self.client().delete_object().bucket(self.bucket()).key(key).set_if_match(if_match);
        match request.send().await {
            Ok(_) => Ok(()),
            // Gone already, or another object.
            Err(SdkError::ServiceError(error)) if matches!(error.raw().status().as_u16(), 404 | 412) => {
                Ok(())
            }
            Err(error) => Err(ArtifactError::call(key, "DeleteObject", error)),
        }
    }
}

/// Returns a base64 SHA-256 in hex; `None` for anything else, such as the checksum of a multipart upload.
fn hex(base64: &str) -> Option<String> {
    let digest = STANDARD.decode(base64).ok().filter(|digest| digest.len() == 32)?;
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_as_hex_unless_they_are_of_parts() {
        let digest = STANDARD.encode([0xa5; 32]);
        assert_eq!(hex(&digest), Some("a5".repeat(32)));
        assert_eq!(hex(&format!("{digest}-3")), None);
    }
}
