//! Pushes one document.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use client::{Client, Upload};
use domain::{CollectionId, UploadId, UploadStatus};
use serde_json::{Map, Value, json};

use super::{find_collection, watch};
use crate::Outcome;
use crate::arguments::{Push, object};
use crate::failure::Failure;
use crate::output::{Output, sanitize};

/// Runs `semantik push`.
pub async fn run(client: &Client, push: Push, output: Output) -> Outcome {
    let collection = find_collection(client, &push.collection).await?;
    let content = read(push.file.as_deref())?;
    let mut document = Map::from_iter([("uri".to_owned(), json!(push.uri))]);
    match String::from_utf8(content) {
        Ok(text) => document.insert("text".to_owned(), json!(text)),
        Err(binary) => document.insert("content_base64".to_owned(), json!(base64(binary.as_bytes()))),
    };
    let guessed = || mime_guess::from_path(push.file.as_deref()?).first().map(|found| found.to_string());
    let named = [
        ("title", push.title),
        ("url", push.link),
        ("mime_type", push.media_type.clone().or_else(guessed)),
        ("source", push.source),
    ];
    document.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    if !push.metadata.is_empty() {
        document.insert("metadata".to_owned(), Value::Object(object(&push.metadata)));
    }
    let pushed = client.push(collection.id, &document).await?;
    if push.wait {
        let upload = await_arrival(client, collection.id, pushed.upload_id).await?;
        if upload.status != UploadStatus::Received {
            return Err(Failure::Other(upload.message));
        }
        if let Some(operation) = upload.operation_id {
            // The operation may have other documents, too; this one decides.
            watch::until_they_end(client, &[operation]).await?;
        }
        let document = client.document(collection.id, pushed.document_id).await?;
        if let Some(reason) = document.error_message {
            return Err(Failure::Other(reason));
        }
    }
    if output.json {
        return Ok(output.value(&pushed)?);
    }
    let state = if push.wait { "is searchable" } else { "is on its way" };
    Ok(output.line(format!("{} {state} (document {})", sanitize(&pushed.uri), pushed.document_id))?)
}

fn read(file: Option<&Path>) -> Outcome<Vec<u8>> {
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => std::fs::read(file).map_err(|error| Failure::file(file, error)),
        None => {
            let mut content = Vec::new();
            std::io::stdin()
                .read_to_end(&mut content)
                .map_err(|error| Failure::file(Path::new("standard input"), error))?;
            Ok(content)
        }
    }
}

async fn await_arrival(client: &Client, id: CollectionId, upload_id: UploadId) -> Outcome<Upload> {
    loop {
        let upload = client.upload(id, upload_id).await?;
        if upload.status != UploadStatus::Expected {
            return Ok(upload);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn base64(content: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(content)
}
