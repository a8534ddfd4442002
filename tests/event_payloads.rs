//! The recorded payloads in `events/` have the format that the functions read.
//!
//! HTTP events are sent to their routes by the tests of `api`; scheduled events, dead letters and custom
//! resource requests are handled by the tests of `sweep` and `migrate`.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lambda_events::sqs::SqsEvent;
use domain::{AttemptDelivery, ChunkDocument, EmbedBatch, RunSweep, ScanMessage};
use queue::S3Notification;
use serde::de::DeserializeOwned;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Parses the bodies of an SQS event as the messages of a stage.
fn messages<M: DeserializeOwned>(name: &str) -> Vec<M> {
    let path = root().join("events").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let event: SqsEvent = serde_json::from_str(&text).unwrap();
    let bodies = event.records.iter().map(|record| record.body.as_deref().unwrap());
    bodies.map(|body| serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}

#[test]
fn queue_events_have_messages_of_their_stage() {
    let notifications = messages::<S3Notification>("intake.json");
    let object = &notifications[0].records[0].s3.object;
    assert!(object.decoded_key().unwrap().ends_with("/notes/a b+ü.txt"), "{object:?}");
    assert!(messages::<S3Notification>("intake-removed.json")[0].records[0].is_removed());
    let scan = messages::<ScanMessage>("scan.json");
    assert!(
        matches!(scan[..], [ScanMessage::RunOperation { .. }, ScanMessage::StageItems { .. }]),
        "{scan:?}"
    );
    for name in ["extract.json", "chunk.json"] {
        assert_eq!(messages::<ChunkDocument>(name)[0].item_id.0, 7);
    }
    assert_eq!(messages::<EmbedBatch>("embed.json")[0].batch, 0);
    assert_eq!(messages::<AttemptDelivery>("notify.json")[0].attempts, 0);
    assert_eq!(messages::<ChunkDocument>("sweep-dead-letter.json").len(), 1);
    assert_eq!(messages::<RunSweep>("sweep-run.json")[0].sweep_at, 1_764_590_460);
}

#[test]
fn every_function_has_a_payload() {
    for function in fs::read_dir(root().join("functions")).unwrap() {
        let name = function.unwrap().file_name().into_string().unwrap();
        assert!(root().join("events").join(format!("{name}.json")).is_file(), "no payload of {name}");
    }
}
