//! Writing an object of unknown size in constant memory.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use domain::ArtifactKey;

use crate::{ArtifactError, ArtifactStore};

/// S3 takes at most 10,000 parts of at least 5 MiB. These reach 48 GiB, and a function holds one of them.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// An object being written, a piece at a time. What fits in one part becomes one plain put; an
/// object that is never finished does not appear (the bucket's lifecycle removes its parts).
#[derive(Debug)]
pub struct ArtifactWriter {
    store: ArtifactStore,
    path: String,
    content_type: String,
    buffer: BytesMut,
    upload_id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl ArtifactStore {
    /// Starts writing an object.
    pub fn writer(&self, key: &ArtifactKey, content_type: &str) -> ArtifactWriter {
        ArtifactWriter {
            store: self.clone(),
            path: key.path(),
            content_type: content_type.to_owned(),
            buffer: BytesMut::new(),
            upload_id: None,
            parts: Vec::new(),
        }
    }
}

impl ArtifactWriter {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When S3 refuses a part or does not answer.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), ArtifactError> {
        let mut rest = piece;
        // The last part is never empty: a full one waits until there is more.
        while self.buffer.len() + rest.len() > PART_BYTES {
            let (fits, more) = rest.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(fits);
            let part = std::mem::take(&mut self.buffer).freeze();
            // Gone before the next one is begun.
            self.send_part(part).await?;
            rest = more;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// Writes what is left and makes the object appear.
    ///
    /// # Errors
    /// When S3 refuses or does not answer; then there is no object.
    pub async fn finish(mut self) -> Result<(), ArtifactError> {
        let rest = self.buffer.split().freeze();
        let (client, bucket) = (self.store.client().clone(), self.store.bucket().to_owned());
        if self.upload_id.is_none() {
            let request = client.put_object().bucket(bucket).key(&self.path).content_type(&self.content_type);
            let answer = request.body(ByteStream::from(rest)).send().await;
            answer.map_err(|error| ArtifactError::call(&self.path, "PutObject", error))?;
            return Ok(());
        }
        self.send_part(rest).await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts)).build();
        let request = client.complete_multipart_upload().bucket(bucket).key(&self.path);
        let answer = request.set_upload_id(self.upload_id).multipart_upload(parts).send().await;
        answer.map_err(|error| ArtifactError::call(&self.path, "CompleteMultipartUpload", error))?;
        Ok(())
    }

    async fn send_part(&mut self, part: Bytes) -> Result<(), ArtifactError> {
        let (client, bucket) = (self.store.client().clone(), self.store.bucket().to_owned());
        if self.upload_id.is_none() {
            let request = client.create_multipart_upload().bucket(&bucket).key(&self.path);
            let answer = request.content_type(&self.content_type).send().await;
            let answer =
                answer.map_err(|error| ArtifactError::call(&self.path, "CreateMultipartUpload", error))?;
            self.upload_id = answer.upload_id;
        }
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let request = client.upload_part().bucket(&bucket).key(&self.path).part_number(number);
        let answer = request.set_upload_id(self.upload_id.clone()).body(ByteStream::from(part)).send().await;
        let answer = answer.map_err(|error| ArtifactError::call(&self.path, "UploadPart", error))?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build());
        Ok(())
    }
}
