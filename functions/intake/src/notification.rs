//! What arrives on IntakeQueue.

use domain::CheckUploads;
use serde::Deserialize;

/// One message of the queue.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Notification {
    /// Sweep asks after uploads.
    Check(CheckUploads),
    /// The bucket tells of objects.
    Objects(ObjectEvents),
    /// The bucket tells, once, that it can.
    Test(TestEvent),
}

/// The part that we read of an S3 event notification
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
#[derive(Debug, Deserialize)]
pub struct ObjectEvents {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<ObjectEvent>,
}

/// The greeting that S3 sends when a notification is set up.
#[derive(Debug, Deserialize)]
pub struct TestEvent {
    #[serde(rename = "Event")]
    pub(crate) event: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ObjectEvent {
    #[serde(rename = "eventName", default)]
    pub(crate) event_name: String,
    pub(crate) s3: ObjectLocation,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ObjectLocation {
    pub(crate) bucket: Bucket,
    pub(crate) object: Object,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    /// Form-encoded.
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) size: i64,
    #[serde(rename = "eTag")]
    pub(crate) etag: Option<String>,
}

impl ObjectEvent {
    /// Whether the object was made or replaced; `s3:` before the name is how some emulators say it.
    pub(crate) fn is_created(&self) -> bool {
        self.event_name.trim_start_matches("s3:").starts_with("ObjectCreated:")
    }
}

/// Undoes the form encoding of a key in an event: `+` is a space, `%2B` a plus. Nothing if the key
/// is not UTF-8.
pub(crate) fn decode_key(encoded: &str) -> Option<String> {
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
    use aws_lambda_events::sqs::SqsEvent;

    use super::*;

    fn bodies(file: &str) -> Vec<Notification> {
        let event: SqsEvent = serde_json::from_str(file).unwrap();
        let bodies = event.records.iter().map(|record| record.body.as_deref().unwrap());
        bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    #[test]
    fn recorded_events_are_understood() {
        let events = bodies(include_str!("../../../events/intake.json"));
        let [Notification::Objects(objects)] = events.as_slice() else { panic!("{events:?}") };
        let record = &objects.records[0];
        assert!(record.is_created());
        let key = decode_key(&record.s3.object.key).unwrap();
        assert_eq!(key, "uploads/0b5c4a7e-4f1d-4a35-9b60-3a8f5b6f2c11/notes/a b+ü.txt");
        let greeting = bodies(include_str!("../../../events/intake-test-event.json"));
        assert!(matches!(greeting.as_slice(), [Notification::Test(test)] if test.event == "s3:TestEvent"));
    }

    #[test]
    fn sweeps_question_is_no_event() {
        let question =
            CheckUploads { check_uploads: vec!["6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap()] };
        let json = serde_json::to_string(&question).unwrap();
        assert!(
            matches!(serde_json::from_str(&json).unwrap(), Notification::Check(read) if read == question)
        );
    }

    #[test]
    fn keys_are_decoded_or_refused() {
        assert_eq!(decode_key("a%2Fb+%F0%9F%98%80.md").as_deref(), Some("a/b 😀.md"));
        for broken in ["%", "%2", "%zz", "%FF", "%é"] {
            assert_eq!(decode_key(broken), None, "{broken}");
        }
    }
}
