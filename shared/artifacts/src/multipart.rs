//! Writing an object of unknown size in constant memory, by multipart upload.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use domain::ArtifactKey;
use tokio::task::JoinSet;

use crate::{ArtifactError, ArtifactStore};

/// S3 allows 10,000 parts of at least 5 MiB: with this size, objects of up to 48 GiB. A writer holds two: one is sent
/// while the next is filled.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// An object that is being written as a stream. If it fits in one part it is written by a single PutObject. An
/// object that is never finished does not appear; a lifecycle rule of the bucket deletes its parts.
#[derive(Debug)]
pub struct ArtifactWriter {
    store: ArtifactStore,
    path: String,
    content_type: String,
    buffer: BytesMut,
    upload_id: Option<String>,
    parts: Vec<CompletedPart>,
    /// The part that is being sent.
    sending: JoinSet<Result<CompletedPart, ArtifactError>>,
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
            sending: JoinSet::new(),
        }
    }
}

impl ArtifactWriter {
    /// Appends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        let mut rest = bytes;
        // A full buffer is kept until there are more bytes, so that the last part is never empty.
        while self.buffer.len() + rest.len() > PART_BYTES {
            let (fits, more) = rest.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(fits);
            let part = std::mem::take(&mut self.buffer).freeze();
            self.send_part(part).await?;
            rest = more;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the rest and completes the object. If this fails, the object does not exist.
    pub async fn finish(mut self) -> Result<(), ArtifactError> {
        let rest = self.buffer.split().freeze();
        let (client, bucket) = (self.store.client().clone(), self.store.bucket().to_owned());
        if self.upload_id.is_none() {
            let request = client.put_object().bucket(bucket).key(&self.path).content_type(&self.content_type);
            let response = request.body(ByteStream::from(rest)).send().await;
            response.map_err(|error| ArtifactError::call(&self.path, "PutObject", error))?;
            return Ok(());
        }
        self.send_part(rest).await?;
        self.await_part().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts)).build();
        let request = client.complete_multipart_upload().bucket(bucket).key(&self.path);
        let response = request.set_upload_id(self.upload_id).multipart_upload(parts).send().await;
        response.map_err(|error| ArtifactError::call(&self.path, "CompleteMultipartUpload", error))?;
        Ok(())
    }

    /// Starts to send a part when the one before is sent.
    async fn send_part(&mut self, part: Bytes) -> Result<(), ArtifactError> {
        self.await_part().await?;
        let (client, bucket) = (self.store.client().clone(), self.store.bucket().to_owned());
        if self.upload_id.is_none() {
            let request = client.create_multipart_upload().bucket(&bucket).key(&self.path);
            let response = request.content_type(&self.content_type).send().await;
            let response =
                response.map_err(|error| ArtifactError::call(&self.path, "CreateMultipartUpload", error))?;
            self.upload_id = response.upload_id;
        }
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let request = client.upload_part().bucket(&bucket).key(&self.path).part_number(number);
        let request = request.set_upload_id(self.upload_id.clone()).body(ByteStream::from(part));
        let path = self.path.clone();
        self.sending.spawn(async move {
            let response = request.send().await;
            let response = response.map_err(|error| ArtifactError::call(path, "UploadPart", error))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(response.e_tag).build())
        });
        Ok(())
    }

    async fn await_part(&mut self) -> Result<(), ArtifactError> {
        while let Some(sent) = self.sending.join_next().await {
            let part = sent.map_err(|error| ArtifactError::call(&self.path, "UploadPart", error))?;
            self.parts.push(part?);
        }
        Ok(())
    }
}
