//! The recorded payloads in `events/` are what the functions read.

use std::path::Path;

use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::SqsEvent;
use domain::{ChunkDocument, EmbedBatch, ScanMessage};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The bodies of an SQS event, each read as the stage reads it.
fn bodies<M: DeserializeOwned>(name: &str) -> Vec<M> {
    let event: SqsEvent = serde_json::from_value(read(name)).unwrap();
    assert!(!event.records.is_empty(), "{name} holds no record");
    event
        .records
        .iter()
        .map(|record| serde_json::from_str(record.body.as_deref().unwrap()).unwrap())
        .collect()
}

#[test]
fn queue_events_hold_messages_of_their_stage() {
    bodies::<S3Event>("intake.json");
    bodies::<ScanMessage>("scan.json");
    bodies::<ChunkDocument>("chunk.json");
    bodies::<EmbedBatch>("embed.json");
}

#[test]
fn http_events_are_of_payload_format_2() {
    for name in ["api.json", "search.json"] {
        assert_eq!(read(name)["version"], "2.0", "{name}");
    }
}

#[test]
fn every_function_has_a_payload() {
    for name in ["api", "search", "intake", "scan", "chunk", "embed", "sweep", "migrate"] {
        assert!(read(&format!("{name}.json")).is_object(), "{name}");
    }
}
