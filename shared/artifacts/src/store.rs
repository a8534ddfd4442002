//! Reading, writing and copying objects of the staging bucket.

use std::collections::VecDeque;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use domain::ArtifactKey;

use crate::ArtifactError;

/// A client of the staging bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    client: Client,
    bucket: String,
}

/// The headers of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Size in bytes.
    pub size_bytes: u64,
    /// The entity tag without quotes: changes with the content.
    pub etag: String,
    /// The media type that its writer set.
    pub content_type: Option<String>,
}

/// An object that is being read as a stream.
#[derive(Debug)]
pub struct ArtifactReader {
    key: String,
    head: ObjectHead,
    /// What was peeked at and is not read yet.
    peeked: VecDeque<Bytes>,
    body: ByteStream,
}

impl ArtifactReader {
    /// Returns the object's headers.
    pub fn head(&self) -> &ObjectHead {
        &self.head
    }

    /// Returns the next part of the body, of any size, or `None` at its end.
    ///
    /// # Errors
    /// Returns `Call` if the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ArtifactError> {
        match self.peeked.pop_front() {
            Some(part) => Ok(Some(part)),
            None => self.receive().await,
        }
    }

    /// Returns the next `length` bytes, or fewer at the end of the body. They are still to be read.
    ///
    /// # Errors
    /// Returns `Call` if the connection breaks.
    pub async fn peek(&mut self, length: usize) -> Result<Vec<u8>, ArtifactError> {
        let mut known: usize = self.peeked.iter().map(Bytes::len).sum();
        while known < length
            && let Some(part) = self.receive().await?
        {
            known += part.len();
            self.peeked.push_back(part);
        }
        Ok(self.peeked.iter().flatten().take(length).copied().collect())
    }

    /// Reads the rest of the body into memory: only for artifacts of a known small size.
    ///
    /// # Errors
    /// Returns `Call` if the connection breaks.
    pub async fn into_bytes(self) -> Result<Bytes, ArtifactError> {
        let rest = self.body.collect().await;
        let rest = rest.map_err(|error| ArtifactError::call(&self.key, "GetObject", error))?.into_bytes();
        if self.peeked.is_empty() {
            return Ok(rest);
        }
        Ok(self.peeked.into_iter().chain([rest]).flatten().collect())
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, ArtifactError> {
        let part = self.body.try_next().await;
        part.map_err(|error| ArtifactError::call(&self.key, "GetObject", error))
    }
}

impl ArtifactStore {
    /// Creates a client of this bucket.
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        Self { client: Client::new(config), bucket: bucket.into() }
    }

    /// Returns the bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the headers of an object, or `None` if there is no such object.
    ///
    /// # Errors
    /// Returns `Refused` if S3 does not let this installation read the object.
    pub async fn head(&self, key: &ArtifactKey) -> Result<Option<ObjectHead>, ArtifactError> {
        let path = key.path();
        match self.client.head_object().bucket(&self.bucket).key(&path).send().await {
            Ok(response) => Ok(Some(ObjectHead {
                size_bytes: size(response.content_length),
                etag: etag(response.e_tag.as_deref()),
                content_type: response.content_type,
            })),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(ArtifactError::of_read(path, "HeadObject", error, None)),
        }
    }

    /// Opens an object for reading.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no such object, `Refused` if S3 will not return it.
    pub async fn open(&self, key: &ArtifactKey) -> Result<ArtifactReader, ArtifactError> {
        self.open_if(key, None).await
    }

    /// Opens an object for reading if its ETag is still `etag`.
    ///
    /// # Errors
    /// Returns `Replaced` if it has another ETag, `NotFound` if there is no such object.
    pub async fn open_version(&self, key: &ArtifactKey, etag: &str) -> Result<ArtifactReader, ArtifactError> {
        self.open_if(key, Some(etag.to_owned())).await
    }

    async fn open_if(
        &self,
        key: &ArtifactKey,
        if_match: Option<String>,
    ) -> Result<ArtifactReader, ArtifactError> {
        let path = key.path();
        let request = self.client.get_object().bucket(&self.bucket).key(&path).set_if_match(if_match);
        match request.send().await {
            Ok(response) => Ok(ArtifactReader {
                key: path,
                head: ObjectHead {
                    size_bytes: size(response.content_length),
                    etag: etag(response.e_tag.as_deref()),
                    content_type: response.content_type,
                },
                peeked: VecDeque::new(),
                body: response.body,
            }),
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => {
                Err(ArtifactError::NotFound { key: path })
            }
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 412 => {
                Err(ArtifactError::Replaced { key: path })
            }
            Err(error) => {
                let class = error.as_service_error().and_then(storage_class).map(str::to_owned);
                Err(ArtifactError::of_read(path, "GetObject", error, class.as_deref()))
            }
        }
    }

    /// Reads a small artifact into memory.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no such object, `Refused` if S3 will not return it.
    pub async fn read(&self, key: &ArtifactKey) -> Result<Bytes, ArtifactError> {
        self.open(key).await?.into_bytes().await
    }

    /// Writes a small artifact in one request, replacing an existing one.
    pub async fn write(
        &self,
        key: &ArtifactKey,
        bytes: impl Into<Bytes>,
        content_type: &str,
    ) -> Result<(), ArtifactError> {
        self.write_object(&key.path(), bytes, content_type).await
    }

    /// Writes an object under any key: for buckets whose keys are not [`ArtifactKey`]s.
    pub async fn write_object(
        &self,
        key: &str,
        bytes: impl Into<Bytes>,
        content_type: &str,
    ) -> Result<(), ArtifactError> {
        let body = ByteStream::from(bytes.into());
        let request =
            self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type).body(body);
        request.send().await.map_err(|error| ArtifactError::call(key, "PutObject", error))?;
        Ok(())
    }
}

/// The storage class of an archived object, from which it must be restored before it can be read.
fn storage_class(error: &GetObjectError) -> Option<&str> {
    match error {
        GetObjectError::InvalidObjectState(state) => state.storage_class().map(|class| class.as_str()),
        _ => None,
    }
}

pub(crate) fn size(content_length: Option<i64>) -> u64 {
    content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

pub(crate) fn etag(value: Option<&str>) -> String {
    value.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod refusal_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_peeked_at_is_read_again() {
        let reader = || ArtifactReader {
            key: "raw/a".to_owned(),
            head: ObjectHead { size_bytes: 6, etag: String::new(), content_type: None },
            peeked: VecDeque::from([Bytes::from_static(b"ab"), Bytes::from_static(b"cd")]),
            body: ByteStream::from_static(b"ef"),
        };
        let mut read = reader();
        assert_eq!(read.peek(1).await.unwrap(), b"a");
        assert_eq!(read.peek(5).await.unwrap(), b"abcde");
        assert_eq!(read.peek(100).await.unwrap(), b"abcdef");
        let mut parts = Vec::new();
        while let Some(part) = read.next().await.unwrap() {
            parts.push(part);
        }
        assert_eq!(parts.concat(), b"abcdef");
        assert_eq!(read.peek(1).await.unwrap(), b"");
        assert_eq!(reader().into_bytes().await.unwrap(), "abcdef");
    }
}
