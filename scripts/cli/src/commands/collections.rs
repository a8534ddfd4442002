//! Lists, creates, shows and deletes collections.

use client::{Client, Collection};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::find_collection;
use crate::arguments::{Collections, CreateCollection, object};
use crate::output::{Output, bytes, sanitize};
use crate::{Outcome, prompt};

/// Runs `semantik collections …`.
pub async fn run(client: &Client, command: Collections, output: Output) -> Outcome {
    match command {
        Collections::List => list(client, output).await,
        Collections::Create(options) => create(client, options, output).await,
        Collections::Show { collection } => show(&find_collection(client, &collection).await?, output),
        Collections::Delete { collection, yes } => delete(client, &collection, yes, output).await,
    }
}

async fn list(client: &Client, output: Output) -> Outcome {
    let collections: Vec<Collection> = client.collections().try_collect().await?;
    if output.json {
        return Ok(output.value(&collections)?);
    }
    let rows: Vec<Vec<String>> = collections
        .iter()
        .map(|collection| {
            vec![
                sanitize(&collection.name).into_owned(),
                collection.status.to_string(),
                collection.document_count.to_string(),
                bytes(collection.total_size_bytes),
                collection.access.as_str().to_owned(),
                collection.id.to_string(),
            ]
        })
        .collect();
    Ok(output.table(&["NAME", "STATUS", "DOCUMENTS", "SIZE", "ACCESS", "ID"], &rows)?)
}

async fn create(client: &Client, options: CreateCollection, output: Output) -> Outcome {
    let mut settings = object(&options.settings);
    settings.insert("name".to_owned(), json!(options.name));
    for (name, value) in [("description", options.description), ("embedding_model", options.model)] {
        settings.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    if options.public {
        settings.insert("is_public".to_owned(), json!(true));
    }
    let collection = client.create_collection(&settings).await?;
    if output.json {
        return Ok(output.value(&collection)?);
    }
    Ok(output.line(format!("created {} ({})", sanitize(&collection.name), collection.id))?)
}

fn show(collection: &Collection, output: Output) -> Outcome {
    if output.json {
        return Ok(output.value(collection)?);
    }
    let setting = |name: &str| match collection.other.get(name) {
        None | Some(serde_json::Value::Null) => "-".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let status = match &collection.status_message {
        Some(message) => format!("{}: {message}", collection.status),
        None => collection.status.to_string(),
    };
    let lines = [
        ("name", collection.name.clone()),
        ("id", collection.id.to_string()),
        ("description", setting("description")),
        ("status", status),
        ("documents", collection.document_count.to_string()),
        ("failed", collection.error_count.to_string()),
        ("size", bytes(collection.total_size_bytes)),
        ("model", collection.embedding_model.clone()),
        ("quantization", setting("quantization")),
        ("chunks", format!("{}, {} tokens", setting("chunking_strategy"), setting("chunk_size"))),
        ("public", setting("is_public")),
        ("access", collection.access.as_str().to_owned()),
    ];
    for (name, value) in lines {
        output.line(format!("{name:13} {}", sanitize(&value)))?;
    }
    Ok(())
}

async fn delete(client: &Client, named: &str, yes: bool, output: Output) -> Outcome {
    let collection = find_collection(client, named).await?;
    if !yes {
        let documents = collection.document_count;
        prompt::confirm(&format!("Delete {} with {documents} documents for good?", collection.name))?;
    }
    client.delete_collection(collection.id).await?;
    if output.json {
        return Ok(output.value(&json!({ "id": collection.id, "name": collection.name }))?);
    }
    Ok(output.line(format!("deleted {}", sanitize(&collection.name)))?)
}
