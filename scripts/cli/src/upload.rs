//! `semantik upload`: sends what has changed below folders, and mirrors them.

mod files;
mod mirror;
mod plan;
pub mod progress;
mod state;
mod transfer;
mod wait;

use client::{Client, Collection, Document};
use serde_json::{Map, json};

use self::files::Found;
use self::plan::Plan;
use self::state::State;
use self::transfer::Transferred;
use self::wait::Unsearchable;
use crate::arguments::Upload;
use crate::commands::{find_collection, find_if_any};
use crate::failure::Failure;
use crate::output::{Output, bytes, count, sanitize};
use crate::{Outcome, environment};

/// Everything that a run did.
#[derive(Debug, Default)]
struct Report {
    collection: Option<Collection>,
    transferred: Transferred,
    unchanged: usize,
    deleted: usize,
    unsearchable: Unsearchable,
    /// Files that were not read or sent, with the reason.
    failures: Vec<(String, String)>,
    waited: bool,
}

/// Runs `semantik upload`.
pub async fn run(client: &Client, options: &Upload, output: Output) -> Outcome {
    let found = Found::read(options)?;
    if options.dry_run {
        return dry_run(client, options, &found, output).await;
    }
    let collection = open_collection(client, options).await?;
    let id = collection.id;
    let mut state = State::open(&environment::state_folder()?, client.base_url(), id)?;
    let plan = Plan::make(&found.files, &mut state, options.force).await?;
    let parallel = usize::from(options.parallel);
    let (transferred, outcome) = transfer::transfer(client, id, &plan.pending, parallel, &mut state).await;

    let mut report = Report {
        collection: Some(collection),
        unchanged: plan.unchanged,
        failures: [found.failures.clone(), plan.failures].concat(),
        transferred,
        ..Report::default()
    };
    let outcome = match outcome {
        Ok(()) => finish(client, options, &found, &mut state, &mut report).await,
        stopped => stopped,
    };
    // What was done is said even if the rest was not possible.
    report.print(output)?;
    outcome.and_then(|()| report.judge(options.strict))
}

/// What follows when everything is sent.
async fn finish(
    client: &Client,
    options: &Upload,
    found: &Found,
    state: &mut State,
    report: &mut Report,
) -> Outcome {
    let Some(id) = report.collection.as_ref().map(|collection| collection.id) else { return Ok(()) };
    if options.delete {
        let gone = list_gone(client, options, found, id).await?;
        let failures = mirror::delete(client, id, &gone).await?;
        report.deleted = gone.len() - failures.len();
        for document in &gone {
            state.forget(&document.file_path);
        }
        report.failures.extend(failures);
    }
    if options.wait {
        report.unsearchable = wait::wait(client, id, &report.transferred.uploads, found).await?;
        report.waited = true;
        for (name, _) in &report.unsearchable.lost {
            state.forget(name);
        }
    }
    state.save()
}

async fn list_gone(
    client: &Client,
    options: &Upload,
    found: &Found,
    id: domain::CollectionId,
) -> Outcome<Vec<Document>> {
    if !options.delete {
        return Ok(Vec::new());
    }
    if let Some((path, reason)) = found.failures.first() {
        return Err(Failure::Other(format!(
            "nothing was deleted, because not everything could be read; {path}: {reason}"
        )));
    }
    mirror::list_gone(client, id, found).await
}

async fn open_collection(client: &Client, options: &Upload) -> Outcome<Collection> {
    let named = &options.collection;
    if !options.create {
        return find_collection(client, named).await.map_err(|failure| match failure {
            Failure::Other(reason) => Failure::Other(format!("{reason}; --create creates it")),
            other => other,
        });
    }
    if let Some(collection) = find_if_any(client, named).await? {
        return Ok(collection);
    }
    Ok(client.create_collection(&Map::from_iter([("name".to_owned(), json!(named))])).await?)
}

/// Says what would be sent and deleted.
async fn dry_run(client: &Client, options: &Upload, found: &Found, output: Output) -> Outcome {
    let collection = find_if_any(client, &options.collection).await?;
    let (plan, gone) = match &collection {
        Some(collection) => {
            let mut state = State::open(&environment::state_folder()?, client.base_url(), collection.id)?;
            let plan = Plan::make(&found.files, &mut state, options.force).await?;
            (plan, list_gone(client, options, found, collection.id).await?)
        }
        None if options.create => {
            let folder = environment::state_folder()?;
            let mut state = State::open(&folder, client.base_url(), uuid::Uuid::nil().into())?;
            (Plan::make(&found.files, &mut state, true).await?, Vec::new())
        }
        None => return find_collection(client, &options.collection).await.map(drop),
    };
    let uploads: Vec<&str> = plan.pending.iter().map(|pending| pending.name.as_str()).collect();
    let deletions: Vec<&str> = gone.iter().map(|document| document.file_path.as_str()).collect();
    if output.json {
        return Ok(
            output.value(&json!({ "upload": uploads, "delete": deletions, "unchanged": plan.unchanged }))?
        );
    }
    for (verb, names) in [("upload", &uploads), ("delete", &deletions)] {
        for name in names {
            output.line(format!("{verb} {}", sanitize(name)))?;
        }
    }
    let (sent, gone) = (count(uploads.len(), "file"), count(deletions.len(), "document"));
    Ok(output.line(format!("would upload {sent}, delete {gone}; {} unchanged", plan.unchanged))?)
}

impl Report {
    fn print(&self, output: Output) -> Outcome {
        let sent = &self.transferred;
        let failures: Vec<&(String, String)> =
            self.failures.iter().chain(&sent.failures).chain(&self.unsearchable.lost).collect();
        if output.json {
            let list = |entries: &[&(String, String)]| -> Vec<serde_json::Value> {
                entries.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect()
            };
            return Ok(output.value(&json!({
                "collection_id": self.collection.as_ref().map(|collection| collection.id),
                "uploaded": sent.uploads.len(), "bytes": sent.bytes, "unchanged": self.unchanged,
                "deleted": self.deleted, "waited": self.waited,
                "refused": list(&Vec::from_iter(&sent.refused)),
                "not_uploaded": list(&failures),
                "not_indexed": list(&Vec::from_iter(&self.unsearchable.failed)),
            }))?);
        }
        let groups = [
            ("refused", Vec::from_iter(&sent.refused)),
            ("not uploaded", failures.clone()),
            ("not indexed", Vec::from_iter(&self.unsearchable.failed)),
        ];
        for (what, entries) in &groups {
            for (name, reason) in entries {
                output.line(sanitize(&format!("{what}: {name}: {reason}")))?;
            }
        }
        let mut parts =
            vec![format!("uploaded {} ({})", count(sent.uploads.len(), "file"), bytes(sent.bytes))];
        parts.push(format!("{} unchanged", self.unchanged));
        if self.deleted > 0 {
            parts.push(format!("{} deleted", self.deleted));
        }
        for (what, entries) in &groups {
            if !entries.is_empty() {
                parts.push(format!("{} {what}", entries.len()));
            }
        }
        if self.waited && self.unsearchable.lost.is_empty() && self.unsearchable.failed.is_empty() {
            parts.push("all searchable".to_owned());
        }
        Ok(output.line(parts.join(", "))?)
    }

    fn judge(&self, strict: bool) -> Outcome {
        let is_complete = self.failures.is_empty()
            && self.transferred.failures.is_empty()
            && self.unsearchable.lost.is_empty()
            && self.unsearchable.failed.is_empty()
            && (!strict || self.transferred.refused.is_empty());
        if is_complete { Ok(()) } else { Err(Failure::Items) }
    }
}
