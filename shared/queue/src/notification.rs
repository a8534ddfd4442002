//! S3 event notifications, as they arrive through a queue.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// The fields of an S3 event notification that are read here
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
///
/// The type in `aws_lambda_events` requires fields that are not needed here, has an optional key and bucket
/// name, and does not decode the key.
#[derive(Debug, Deserialize)]
pub struct S3Notification {
    /// One record per object.
    #[serde(rename = "Records")]
    pub records: Vec<S3NotificationRecord>,
}

/// One event of one object.
#[derive(Debug, Deserialize)]
pub struct S3NotificationRecord {
    /// The event's type, such as `ObjectCreated:Put`.
    #[serde(rename = "eventName", default)]
    pub event_name: String,
    /// When S3 finished the request.
    #[serde(rename = "eventTime")]
    pub event_time: Option<DateTime<Utc>>,
    /// The object and its bucket.
    pub s3: S3Entity,
}

/// An object and its bucket.
#[derive(Debug, Deserialize)]
pub struct S3Entity {
    /// The bucket.
    pub bucket: S3Bucket,
    /// The object.
    pub object: S3Object,
}

/// A bucket.
#[derive(Debug, Deserialize)]
pub struct S3Bucket {
    /// The bucket's name.
    pub name: String,
}

/// An object.
#[derive(Debug, Deserialize)]
pub struct S3Object {
    /// The form-encoded key; see [`S3Object::decoded_key`].
    pub key: String,
    /// The size in bytes.
    #[serde(default)]
    pub size: i64,
    /// The ETag, if the event has one.
    #[serde(rename = "eTag")]
    pub etag: Option<String>,
    /// Orders the events of one key: a hexadecimal number, of which a shorter one ends in zeros.
    pub sequencer: Option<String>,
}

impl S3NotificationRecord {
    /// Returns whether the object was created or overwritten. Some emulators put `s3:` before the event's type.
    pub fn is_created(&self) -> bool {
        self.kind().starts_with("ObjectCreated:")
    }

    /// Returns whether the object was copied from another one.
    pub fn is_copy(&self) -> bool {
        self.kind() == "ObjectCreated:Copy"
    }

    /// Returns whether the object was deleted.
    pub fn is_removed(&self) -> bool {
        self.kind().starts_with("ObjectRemoved:")
    }

    fn kind(&self) -> &str {
        self.event_name.trim_start_matches("s3:")
    }
}

impl S3Object {
    /// Returns the key without the form encoding of events (`+` is a space, `%2B` a plus), or `None` if it is
    /// not UTF-8.
    pub fn decoded_key(&self) -> Option<String> {
        let with_spaces = self.key.replace('+', " ");
        percent_decode_str(&with_spaces).decode_utf8().ok().map(Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_form_decoded() {
        let decoded =
            |key: &str| S3Object { key: key.to_owned(), size: 0, etag: None, sequencer: None }.decoded_key();
        assert_eq!(decoded("a%2Fb+%2B%F0%9F%98%80.md").as_deref(), Some("a/b +😀.md"));
        assert_eq!(decoded("%FF"), None);
        // S3 encodes every percent sign; one that encodes nothing stays as it is.
        assert_eq!(decoded("50%").as_deref(), Some("50%"));
    }
}
