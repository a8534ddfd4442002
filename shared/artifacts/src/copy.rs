//! Copies objects within the bucket: S3 moves the bytes, this program only asks for it.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use domain::ArtifactKey;
use futures_util::{StreamExt, TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{ArtifactError, ArtifactStore, ObjectHead};

/// What the `x-amz-copy-source` header leaves unencoded: unreserved characters (RFC 3986) and slashes.
const COPY_SOURCE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Larger objects are copied in parts of this size. S3 allows 10,000 parts, so objects of up to 1.2 TiB.
const PART_BYTES: u64 = 128 << 20;

/// Parts of one object that are copied concurrently: 5 GiB take five rounds.
const CONCURRENCY: usize = 8;

impl ArtifactStore {
    /// Copies an object within the bucket if its ETag is still that of `head`. Memory does not depend on its size.
    ///
    /// # Errors
    /// Returns `Replaced` if it has another ETag, `NotFound` if it does not exist, `Refused` if S3 will not copy it,
    /// for example because its tags cannot be read.
    pub async fn copy(
        &self,
        from: &ArtifactKey,
        head: &ObjectHead,
        to: &ArtifactKey,
    ) -> Result<(), ArtifactError> {
        if head.size_bytes > PART_BYTES {
            return self.copy_in_parts(from, head, to).await;
        }
        let source = from.path();
        let request = self
            .client()
            .copy_object()
            .bucket(self.bucket())
            .copy_source(self.copy_source(&source))
            .copy_source_if_match(&head.etag)
            .key(to.path());
        request.send().await.map_err(|error| copy_error(source, "CopyObject", error))?;
        Ok(())
    }

    /// Copies an object by a multipart upload whose parts are ranges of it. If it fails, the target does not exist; a
    /// lifecycle rule of the bucket deletes the parts.
    async fn copy_in_parts(
        &self,
        from: &ArtifactKey,
        head: &ObjectHead,
        to: &ArtifactKey,
    ) -> Result<(), ArtifactError> {
        let (source, target) = (from.path(), to.path());
        let request = self.client().create_multipart_upload().bucket(self.bucket()).key(&target);
        let request = request.set_content_type(head.content_type.clone());
        let created = request.send().await;
        let created =
            created.map_err(|error| ArtifactError::call(&target, "CreateMultipartUpload", error))?;
        let copy_part = |(number, range): (i32, String)| {
            let request = self.client().upload_part_copy().bucket(self.bucket()).key(&target);
            let request = request
                .set_upload_id(created.upload_id.clone())
                .part_number(number)
                .copy_source(self.copy_source(&source))
                .copy_source_if_match(&head.etag)
                .copy_source_range(range);
            let source = source.clone();
            async move {
                let response = request.send().await;
                let response = response.map_err(|error| copy_error(source, "UploadPartCopy", error))?;
                let etag = response.copy_part_result.and_then(|result| result.e_tag);
                Ok(CompletedPart::builder().part_number(number).set_e_tag(etag).build())
            }
        };
        let parts = stream::iter((1..).zip(ranges(head.size_bytes, PART_BYTES))).map(copy_part);
        let parts: Vec<CompletedPart> = parts.buffered(CONCURRENCY).try_collect().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client().complete_multipart_upload().bucket(self.bucket()).key(&target);
        let response = request.set_upload_id(created.upload_id).multipart_upload(parts).send().await;
        response.map_err(|error| ArtifactError::call(&target, "CompleteMultipartUpload", error))?;
        Ok(())
    }

    fn copy_source(&self, path: &str) -> String {
        format!("{}/{}", self.bucket(), utf8_percent_encode(path, COPY_SOURCE))
    }
}

fn copy_error<E>(source: String, call: &'static str, error: SdkError<E>) -> ArtifactError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = match &error {
        SdkError::ServiceError(service) => Some(service.raw().status().as_u16()),
        _ => None,
    };
    match status {
        Some(412) => ArtifactError::Replaced { key: source },
        Some(404) => ArtifactError::NotFound { key: source },
        _ => ArtifactError::of_read(source, call, error, None),
    }
}

/// Returns the ranges of the parts of an object, as the header `x-amz-copy-source-range` has them.
fn ranges(size: u64, part: u64) -> impl Iterator<Item = String> {
    (0..size.div_ceil(part)).map(move |index| {
        let last = ((index + 1) * part).min(size) - 1;
        format!("bytes={}-{last}", index * part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_sources_are_percent_encoded() {
        let encoded = utf8_percent_encode("uploads/a b/ü😀.md", COPY_SOURCE).to_string();
        assert_eq!(encoded, "uploads/a%20b/%C3%BC%F0%9F%98%80.md");
    }

    #[test]
    fn the_ranges_of_the_parts_cover_the_object() {
        assert_eq!(ranges(10, 4).collect::<Vec<_>>(), ["bytes=0-3", "bytes=4-7", "bytes=8-9"]);
        assert_eq!(ranges(8, 4).collect::<Vec<_>>(), ["bytes=0-3", "bytes=4-7"]);
        assert_eq!(ranges(5 << 30, PART_BYTES).count(), 40);
    }
}
