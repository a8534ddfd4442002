//! Objects of a bucket that the operator lets this installation read.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime as AwsDateTime;
use chrono::{DateTime, Utc};

use crate::entry::{last_segment, mime_type};
use crate::patterns::Patterns;
use crate::{ConnectorError, Entry, Page, SourceReader};

/// All buckets that this function's role may read. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    client: Client,
}

impl Buckets {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }

    /// One page, in S3's own order; the cursor is the last key of the page before. Folder markers
    /// are left out. A page may hold fewer objects than were listed, even none, and yet not be
    /// the last.
    pub(crate) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        include: &[String],
        exclude: &[String],
        cursor: Option<&str>,
    ) -> Result<Page, ConnectorError> {
        let patterns = Patterns::new(include, exclude)?;
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let answer = request.set_start_after(cursor.map(str::to_owned)).send().await;
        let answer = answer.map_err(|error| explain(format!("s3://{bucket}/{prefix}"), error))?;
        let objects = answer.contents();
        let is_truncated = answer.is_truncated().unwrap_or(false);
        let next = objects.last().and_then(|object| object.key()).filter(|_| is_truncated).map(str::to_owned);
        let mut entries = Vec::new();
        for object in objects {
            let Some(key) = object.key().filter(|key| !key.ends_with('/')) else {
                continue;
            };
            let file_path = key.strip_prefix(prefix).unwrap_or(key).trim_start_matches('/');
            // A prefix may be a whole key.
            let file_path = if file_path.is_empty() { last_segment(key) } else { file_path };
            if !patterns.want(file_path) {
                continue;
            }
            let file_name = last_segment(key).to_owned();
            entries.push(Entry {
                uri: format!("s3://{bucket}/{key}"),
                location: key.to_owned(),
                mime_type: mime_type(&file_name),
                file_name,
                file_path: file_path.to_owned(),
                size_bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                change_hint: etag(object.e_tag()),
                modified_at: object.last_modified().and_then(to_chrono),
            });
        }
        Ok(Page { entries, next, unreadable: 0 })
    }

    /// Opens an object that a listing of the source named.
    pub(crate) async fn open(
        &self,
        bucket: &str,
        prefix: &str,
        key: &str,
    ) -> Result<SourceReader, ConnectorError> {
        let name = format!("s3://{bucket}/{key}");
        if !key.starts_with(prefix) {
            let message = format!("{name} is no document of the source s3://{bucket}/{prefix}");
            return Err(ConnectorError::invalid("location", message));
        }
        let answer = self.client.get_object().bucket(bucket).key(key).send().await;
        let answer = answer.map_err(|error| explain(&name, error))?;
        let size = answer.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
        let hint = etag(answer.e_tag());
        Ok(SourceReader::of_object(name, size, hint, answer.body))
    }
}

fn etag(value: Option<&str>) -> String {
    value.unwrap_or_default().trim_matches('"').to_owned()
}

fn to_chrono(time: &AwsDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

/// Tells a bucket that is not there or not ours from one that does not answer.
fn explain<E>(what: impl Into<String>, error: SdkError<E>) -> ConnectorError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let what = what.into();
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    match code {
        "NoSuchBucket" | "NoSuchKey" | "NotFound" => ConnectorError::NotFound { what },
        "AccessDenied" | "Forbidden" | "AllAccessDisabled" => ConnectorError::Forbidden {
            what,
            reason: "the scan function's role may not read this bucket; its operator names it in the template's SourceBucket".to_owned(),
        },
        // Neither gets better by asking again.
        "PermanentRedirect" | "IllegalLocationConstraintException" => {
            ConnectorError::invalid("bucket", format!("{what} lies in another region; copy it to this installation's"))
        }
        "InvalidObjectState" => ConnectorError::Forbidden {
            what,
            reason: "it is archived; restore it in S3 first".to_owned(),
        },
        _ => ConnectorError::unavailable(what, error),
    }
}
