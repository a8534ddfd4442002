//! Waits until uploaded files are searchable, with a number of requests that does not grow with each file.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use client::{Client, Document, Upload};
use domain::{CollectionId, DocumentStatus, OperationId, UploadId, UploadStatus};
use futures_util::TryStreamExt as _;

use super::files::Found;
use crate::Outcome;
use crate::commands::watch;

/// Between two looks at what has arrived.
const PAUSE: Duration = Duration::from_secs(1);

/// Files that are not searchable, with the reason.
#[derive(Debug, Default)]
pub struct Unsearchable {
    /// Did not arrive or were refused: sending them again may help.
    pub lost: Vec<(String, String)>,
    /// Could not be indexed.
    pub failed: Vec<(String, String)>,
}

/// Waits for the uploads of this run, then lists what is not searchable, of earlier runs, too.
pub async fn wait(
    client: &Client,
    collection: CollectionId,
    sent: &HashMap<String, UploadId>,
    found: &Found,
) -> Outcome<Unsearchable> {
    let mut result = Unsearchable::default();
    if let Some(first) = sent.values().min() {
        await_arrivals(client, collection, sent).await?;
        let uploads = load_since(client, collection, *first).await?;
        let mut operations: BTreeSet<OperationId> = BTreeSet::new();
        for (name, id) in sent {
            match uploads.get(id) {
                Some(upload) if upload.status == UploadStatus::Received => {
                    operations.extend(upload.operation_id)
                }
                Some(upload) => result.lost.push((name.clone(), upload.message.clone())),
                None => {}
            }
        }
        watch::until_they_end(client, &Vec::from_iter(operations)).await?;
    }
    let failed: Vec<Document> =
        client.documents(collection, Some(DocumentStatus::Failed)).try_collect().await?;
    let of_these = failed.into_iter().filter(|document| found.files.contains_key(&document.file_path));
    result.failed = of_these
        .map(|document| {
            (document.file_path, document.error_message.unwrap_or_else(|| "no reason was given".to_owned()))
        })
        .collect();
    result.lost.sort();
    result.failed.sort();
    Ok(result)
}

/// Waits until none of the uploads is expected any more. Each ends: what does not arrive expires.
async fn await_arrivals(
    client: &Client,
    collection: CollectionId,
    sent: &HashMap<String, UploadId>,
) -> Outcome {
    let ids: BTreeSet<UploadId> = sent.values().copied().collect();
    loop {
        let expected = client.uploads(collection, Some(UploadStatus::Expected));
        let expected: Vec<Upload> = expected.try_collect().await?;
        if !expected.iter().any(|upload| ids.contains(&upload.id)) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Loads the uploads from one on.
async fn load_since(
    client: &Client,
    collection: CollectionId,
    first: UploadId,
) -> Outcome<HashMap<UploadId, Upload>> {
    let mut found = HashMap::new();
    for status in UploadStatus::ALL {
        if *status == UploadStatus::Expected {
            continue;
        }
        let uploads: Vec<Upload> = client.uploads(collection, Some(*status)).try_collect().await?;
        found.extend(
            uploads.into_iter().filter(|upload| upload.id >= first).map(|upload| (upload.id, upload)),
        );
    }
    Ok(found)
}
