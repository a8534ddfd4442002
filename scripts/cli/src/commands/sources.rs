//! Lists, adds, tests and reads sources.

use client::{Client, ClientError, Operation, Source, SourceTest};
use domain::{OperationId, SourceId};
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use super::{find_collection, watch};
use crate::arguments::{NewSource, Sources, object};
use crate::failure::Failure;
use crate::output::{Output, sanitize};
use crate::{Outcome, prompt};

/// Runs `semantik sources …`.
pub async fn run(client: &Client, command: Sources, output: Output) -> Outcome {
    match command {
        Sources::List { collection } => list(client, &collection, output).await,
        Sources::Add { source, wait } => add(client, &source, wait, output).await,
        Sources::Test { source, id } => test(client, &source, id.map(SourceId), output).await,
        Sources::Sync { collection, wait } => sync(client, &collection, wait, output).await,
    }
}

async fn list(client: &Client, collection: &str, output: Output) -> Outcome {
    let collection = find_collection(client, collection).await?;
    let sources: Vec<Source> = client.sources(collection.id).try_collect().await?;
    if output.json {
        return Ok(output.value(&sources)?);
    }
    let rows: Vec<Vec<String>> = sources
        .iter()
        .map(|source| {
            let read =
                source.last_run_started_at.map_or("never".to_owned(), |at| at.format("%F %R").to_string());
            let status = source.last_error.as_ref().or(source.last_run_status.as_ref());
            vec![
                source.id.to_string(),
                source.source_type.clone(),
                sanitize(&source.source_path).into_owned(),
                source.document_count.to_string(),
                read,
                status.map_or(String::new(), |status| sanitize(status).into_owned()),
            ]
        })
        .collect();
    Ok(output.table(&["ID", "TYPE", "PATH", "DOCUMENTS", "LAST READ (UTC)", "STATUS"], &rows)?)
}

/// The request for a source of these arguments.
fn describe(source: &NewSource) -> Outcome<Map<String, Value>> {
    let Some(source_type) = &source.source_type else {
        return Err(Failure::Usage("name the type of the source, such as git, url or s3".to_owned()));
    };
    let mut request = Map::from_iter([
        ("source_type".to_owned(), json!(source_type)),
        ("source_config".to_owned(), Value::Object(object(&source.settings))),
    ]);
    if let Some(name) = &source.secrets {
        let secret = prompt::ask_secret(&format!("Secret {name}"))?;
        request.insert("secrets".to_owned(), json!({ name: secret }));
    }
    Ok(request)
}

async fn add(client: &Client, source: &NewSource, wait: bool, output: Output) -> Outcome {
    let collection = find_collection(client, &source.collection).await?;
    let mut operation = client.add_source(collection.id, &describe(source)?).await?;
    if wait {
        operation = watch::until_it_ends(client, operation.id).await?;
    }
    report(&operation, wait, output)
}

/// Prints an operation that was started, and if it was waited for, how it ended.
fn report(operation: &Operation, waited: bool, output: Output) -> Outcome {
    if output.json {
        output.value(operation)?;
    } else if waited {
        output.line(watch::describe(operation))?;
    } else {
        output.line(format!("started; `semantik watch {}` follows it", operation.id))?;
    }
    if waited { watch::judge(operation) } else { Ok(()) }
}

async fn test(client: &Client, source: &NewSource, id: Option<SourceId>, output: Output) -> Outcome {
    let collection = find_collection(client, &source.collection).await?;
    let tested: SourceTest = match id {
        Some(id) => client.test_stored_source(collection.id, id).await?,
        None => client.test_source(collection.id, &describe(source)?).await?,
    };
    if output.json {
        output.value(&tested)?;
    } else {
        for document in &tested.documents {
            let path = document.get("file_path").and_then(Value::as_str).unwrap_or_default();
            output.line(sanitize(path))?;
        }
        if !tested.is_complete && tested.ok {
            output.line("…")?;
        }
        if let Some(error) = &tested.error {
            output.line(sanitize(error))?;
        }
    }
    if tested.ok { Ok(()) } else { Err(Failure::Items) }
}

async fn sync(client: &Client, collection: &str, wait: bool, output: Output) -> Outcome {
    let collection = find_collection(client, collection).await?;
    let run = client.sync(collection.id).await?;
    let id = run.get("id").and_then(Value::as_i64).unwrap_or_default();
    if !wait {
        if output.json {
            return Ok(output.value(&run)?);
        }
        return Ok(output.line(format!("sync run {id} has started"))?);
    }
    let started = client.sync_run(collection.id, id).await?;
    let ended = watch::until_they_end(client, &operation_ids(&started)?).await?;
    if output.json {
        output.value(&ended)?;
    }
    let mut outcome = Ok(());
    for operation in &ended {
        if !output.json {
            output.line(watch::describe(operation))?;
        }
        outcome = outcome.and(watch::judge(operation));
    }
    outcome
}

fn operation_ids(run: &Map<String, Value>) -> Outcome<Vec<OperationId>> {
    let operations = run.get("operations").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids = operations.into_iter().map(|operation| {
        let id = operation.get("id").cloned().unwrap_or_default();
        serde_json::from_value(id).map_err(|error| {
            Failure::Client(ClientError::Unexpected {
                url: "the sync run".to_owned(),
                reason: error.to_string(),
            })
        })
    });
    ids.collect()
}
