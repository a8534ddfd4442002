//! The messages of IntakeQueue.

use domain::{CheckObjects, CheckUploads, OperationId, WorkMessage};
use queue::S3Notification;
use serde::Deserialize;

/// One message.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Notification {
    /// A request of sweep to check announced uploads.
    Check(CheckUploads),
    /// A request of sweep to look at objects whose events could not be handled.
    Look(CheckObjects),
    /// The bucket's events about objects.
    Objects(S3Notification),
    /// The bucket's test event.
    Test(TestEvent),
}

/// The event that S3 sends once, when a notification is set up.
#[derive(Debug, Deserialize)]
pub struct TestEvent {
    #[serde(rename = "Event")]
    pub(crate) event: String,
}

impl WorkMessage for Notification {
    /// Operations begin with what these messages lead to.
    fn operation_id(&self) -> Option<OperationId> {
        None
    }
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
    fn recorded_events_are_parsed() {
        let events = bodies(include_str!("../../../events/intake.json"));
        let [Notification::Objects(objects)] = events.as_slice() else { panic!("{events:?}") };
        let record = &objects.records[0];
        assert!(record.is_created());
        let key = record.s3.object.decoded_key().unwrap();
        assert_eq!(key, "uploads/0b5c4a7e-4f1d-4a35-9b60-3a8f5b6f2c11/notes/a b+ü.txt");
        assert_eq!(record.event_time.unwrap().to_rfc3339(), "2026-11-24T00:10:20.693+00:00");
        assert_eq!(record.s3.object.sequencer.as_deref(), Some("0055AED6DCD90281E5"));
        let removed = bodies(include_str!("../../../events/intake-removed.json"));
        let [Notification::Objects(objects)] = removed.as_slice() else { panic!("{removed:?}") };
        assert!(objects.records[0].is_removed() && !objects.records[0].is_created());
        let test_event = bodies(include_str!("../../../events/intake-test-event.json"));
        assert!(matches!(test_event.as_slice(), [Notification::Test(test)] if test.event == "s3:TestEvent"));
    }

    #[test]
    fn a_check_of_uploads_is_not_parsed_as_an_event() {
        let request =
            CheckUploads { check_uploads: vec!["6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap()] };
        let json = serde_json::to_string(&request).unwrap();
        assert!(matches!(serde_json::from_str(&json).unwrap(), Notification::Check(read) if read == request));
        let request = CheckObjects { check_objects: vec!["uploads/x/a.txt".to_owned()] };
        let json = serde_json::to_string(&request).unwrap();
        assert!(matches!(serde_json::from_str(&json).unwrap(), Notification::Look(read) if read == request));
    }
}
