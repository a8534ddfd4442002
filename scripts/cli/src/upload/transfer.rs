//! Announces files and PUTs them, several at the same time.

use std::collections::HashMap;

use client::{AnnouncedUpload, Body, Client, ClientError, FileAnnouncement, Problem};
use domain::{CollectionId, UploadId};
use futures_util::{StreamExt as _, stream};

use super::plan::Pending;
use super::progress::Progress;
use super::state::State;
use crate::Outcome;
use crate::output::count;

/// Files of one announcement: few enough that each is sent long before its URL expires.
const BATCH: usize = 50;

/// What was sent and what was not.
#[derive(Debug, Default)]
pub struct Transferred {
    /// The uploads of the files that were sent, by the names of their documents.
    pub uploads: HashMap<String, UploadId>,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Files that the API does not index, with the reason.
    pub refused: Vec<(String, String)>,
    /// Files that could not be sent, with the reason.
    pub failures: Vec<(String, String)>,
}

/// A file that is announced.
struct Announced {
    file: Pending,
    upload: AnnouncedUpload,
}

/// Sends files. What was sent is remembered even if the rest fails.
///
/// # Errors
/// The first error that is not about one file, such as an unreachable server or a used-up quota, ends it.
pub async fn transfer(
    client: &Client,
    collection: CollectionId,
    pending: &[Pending],
    parallel: usize,
    state: &mut State,
) -> (Transferred, Outcome) {
    let mut transferred = Transferred::default();
    let outcome = send(client, collection, pending, parallel, state, &mut transferred).await;
    let saved = state.save();
    (transferred, outcome.and(saved))
}

async fn send(
    client: &Client,
    collection: CollectionId,
    pending: &[Pending],
    parallel: usize,
    state: &mut State,
    transferred: &mut Transferred,
) -> Outcome {
    let progress = Progress::bytes(pending.iter().map(|pending| pending.file.size).sum());
    let batches = stream::iter(pending.chunks(BATCH));
    // The next batch is announced while files of the last one are sent.
    let announced = batches.then(|batch| announce(client, collection, batch)).flat_map(stream::iter);
    let puts = announced.map(|step| async move {
        match step {
            Step::Put(announced) => {
                let result = put(client, &announced).await;
                Step::Sent(announced, result)
            }
            other => other,
        }
    });
    let mut puts = std::pin::pin!(puts.buffer_unordered(parallel));
    let mut outcome = Ok(());
    while let Some(step) = puts.next().await {
        match step {
            Step::Put(_) => {}
            Step::Refused(name, reason) => transferred.refused.push((name, reason)),
            Step::Sent(Announced { file, upload }, Ok(())) => {
                state.remember(&file.name, &file.file, &file.sha256)?;
                transferred.bytes += file.file.size;
                transferred.uploads.insert(file.name, upload.id);
                progress.add(file.file.size, &count(transferred.uploads.len(), "file"));
            }
            Step::Sent(Announced { file, .. }, Err(error)) if is_about_the_file(&error) => {
                transferred.failures.push((file.name, error.to_string()));
            }
            Step::Sent(_, Err(error)) | Step::Stopped(error) => {
                outcome = Err(error.into());
                break;
            }
        }
    }
    progress.finish();
    outcome
}

/// Where a file is.
enum Step {
    Put(Announced),
    Refused(String, String),
    Sent(Announced, Result<(), ClientError>),
    Stopped(ClientError),
}

/// Announces a batch without the files that the API refuses.
async fn announce(client: &Client, collection: CollectionId, batch: &[Pending]) -> Vec<Step> {
    let mut files: Vec<Pending> = batch.to_vec();
    let mut steps = Vec::new();
    while !files.is_empty() {
        let announcements: Vec<FileAnnouncement> = files.iter().map(describe).collect();
        match client.announce(collection, &announcements).await {
            Ok(uploads) => {
                let announced = files.into_iter().zip(uploads);
                steps.extend(announced.map(|(file, upload)| Step::Put(Announced { file, upload })));
                break;
            }
            Err(error) => {
                let refused = error.problem().map(refused_files).unwrap_or_default();
                // A response names 20 fields at most, so the rest is announced again.
                let (named, rest): (Vec<_>, Vec<_>) =
                    files.into_iter().enumerate().partition(|(position, _)| refused.contains_key(position));
                if named.is_empty() {
                    steps.push(Step::Stopped(error));
                    break;
                }
                steps.extend(named.into_iter().map(|(position, file)| {
                    let reason = refused.get(&position).cloned().unwrap_or_default();
                    Step::Refused(file.name, reason)
                }));
                files = rest.into_iter().map(|(_, file)| file).collect();
            }
        }
    }
    steps
}

fn describe(pending: &Pending) -> FileAnnouncement {
    let media_type = mime_guess::from_path(&pending.name).first_or_octet_stream();
    FileAnnouncement {
        name: pending.name.clone(),
        size: pending.file.size,
        content_type: media_type.to_string(),
        sha256: Some(pending.sha256.clone()),
        metadata: None,
    }
}

/// The positions of the files that a validation error names (`files[3].name`), with the reasons.
fn refused_files(problem: &Problem) -> HashMap<usize, String> {
    let named = problem.errors.iter().filter_map(|error| {
        let (position, _) = error.field.strip_prefix("files[")?.split_once(']')?;
        Some((position.parse().ok()?, error.message.clone()))
    });
    named.collect()
}

async fn put(client: &Client, announced: &Announced) -> Result<(), ClientError> {
    let path = &announced.file.file.path;
    let open = async || {
        let file = tokio::fs::File::open(path).await;
        file.map(Body::from).map_err(|source| ClientError::File { path: path.display().to_string(), source })
    };
    client.put_content(&announced.upload, announced.file.file.size, open).await
}

/// Whether other files may still be sent. A bucket refuses a file that has changed since it was read.
fn is_about_the_file(error: &ClientError) -> bool {
    matches!(error, ClientError::File { .. } | ClientError::Storage { .. })
}

#[cfg(test)]
mod tests {
    use client::FieldError;

    use super::*;

    #[test]
    fn refused_files_are_named_by_their_position() {
        let error =
            |field: &str| FieldError { field: field.to_owned(), message: format!("{field} is wrong") };
        let errors = vec![error("files[3].name"), error("files[12].size"), error("files"), error("source")];
        let problem = Problem {
            status: 422,
            title: String::new(),
            detail: String::new(),
            request_id: String::new(),
            errors,
        };
        let mut refused: Vec<(usize, String)> = refused_files(&problem).into_iter().collect();
        refused.sort();
        assert_eq!(
            refused,
            [(3, "files[3].name is wrong".to_owned()), (12, "files[12].size is wrong".to_owned())]
        );
    }
}
