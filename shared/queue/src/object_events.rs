//! What a bucket tells through a queue.

use serde::Deserialize;

/// The part that we read of an S3 event notification
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
#[derive(Debug, Deserialize)]
pub struct ObjectEvents {
    #[serde(rename = "Records")]
    /// One for each object.
    pub records: Vec<ObjectEvent>,
}

/// What happened to one object.
#[derive(Debug, Deserialize)]
pub struct ObjectEvent {
    /// `ObjectCreated:Put` and the like.
    #[serde(rename = "eventName", default)]
    pub event_name: String,
    /// Which object.
    pub s3: ObjectLocation,
}

/// An object and where it lies.
#[derive(Debug, Deserialize)]
pub struct ObjectLocation {
    /// The bucket.
    pub bucket: Bucket,
    /// The object.
    pub object: Object,
}

/// A bucket.
#[derive(Debug, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
}

/// An object.
#[derive(Debug, Deserialize)]
pub struct Object {
    /// Form-encoded, see [`Object::decoded_key`].
    pub key: String,
    /// In bytes.
    #[serde(default)]
    pub size: i64,
    /// The ETag, where the event says it.
    #[serde(rename = "eTag")]
    pub etag: Option<String>,
}

impl ObjectEvent {
    /// Whether the object was made or replaced; `s3:` before the name is how some emulators say it.
    pub fn is_created(&self) -> bool {
        self.event_name.trim_start_matches("s3:").starts_with("ObjectCreated:")
    }
}

impl Object {
    /// The key without the form encoding that it has in an event. Nothing if it is not UTF-8.
    pub fn decoded_key(&self) -> Option<String> {
        decode_key(&self.key)
    }
}

/// `+` is a space, `%2B` a plus.
fn decode_key(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, later)) = rest.split_first() {
        rest = later;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_or_refused() {
        assert_eq!(decode_key("a%2Fb+%F0%9F%98%80.md").as_deref(), Some("a/b 😀.md"));
        for broken in ["%", "%2", "%zz", "%FF", "%é"] {
            assert_eq!(decode_key(broken), None, "{broken}");
        }
    }
}
