//! Lists, creates and revokes API keys.

use client::{ApiKey, Client};
use domain::ApiKeyId;
use futures_util::TryStreamExt as _;
use serde_json::{Map, json};

use super::find_collection;
use crate::Outcome;
use crate::arguments::Keys;
use crate::failure::Failure;
use crate::output::{Output, remark, sanitize};

/// Runs `semantik keys …`.
pub async fn run(client: &Client, command: Keys, output: Output) -> Outcome {
    match command {
        Keys::List => list(client, output).await,
        Keys::Create { name, scope, collections, days } => {
            let mut settings =
                Map::from_iter([("name".to_owned(), json!(name)), ("scope".to_owned(), json!(scope))]);
            let mut ids = Vec::new();
            for collection in &collections {
                ids.push(find_collection(client, collection).await?.id);
            }
            if !ids.is_empty() {
                settings.insert("collection_ids".to_owned(), json!(ids));
            }
            settings.extend(days.map(|days| ("expires_in_days".to_owned(), json!(days))));
            create(client, &settings, output).await
        }
        Keys::Revoke { key } => revoke(client, &key, output).await,
    }
}

async fn list(client: &Client, output: Output) -> Outcome {
    let keys: Vec<ApiKey> = client.api_keys().try_collect().await?;
    if output.json {
        return Ok(output.value(&keys)?);
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let day = |at: Option<chrono::DateTime<chrono::Utc>>| {
                at.map_or("never".to_owned(), |at| at.format("%F").to_string())
            };
            let collections =
                key.collection_ids.as_ref().map_or("all".to_owned(), |ids| ids.len().to_string());
            vec![
                sanitize(&key.name).into_owned(),
                key.scope.as_str().to_owned(),
                if key.is_active { "active" } else { "revoked" }.to_owned(),
                collections,
                day(key.last_used_at),
                day(key.expires_at),
                key.id.to_string(),
            ]
        })
        .collect();
    let header = ["NAME", "SCOPE", "STATE", "COLLECTIONS", "LAST USED", "EXPIRES", "ID"];
    Ok(output.table(&header, &rows)?)
}

/// The key alone is on standard output, so that it can be assigned to a variable.
async fn create(client: &Client, settings: &Map<String, serde_json::Value>, output: Output) -> Outcome {
    let key = client.create_api_key(settings).await?;
    if output.json {
        return Ok(output.value(&key)?);
    }
    remark("the key is shown only now:")?;
    Ok(output.line(key.api_key.unwrap_or_default())?)
}

async fn revoke(client: &Client, named: &str, output: Output) -> Outcome {
    let id = match named.parse::<uuid::Uuid>() {
        Ok(id) => ApiKeyId(id),
        Err(_) => {
            let keys: Vec<ApiKey> = client.api_keys().try_collect().await?;
            // Names are unique regardless of case.
            let found = keys.iter().find(|key| key.name.to_lowercase() == named.to_lowercase());
            found.map(|key| key.id).ok_or_else(|| {
                Failure::Other(format!("no API key {named:?}; `semantik keys list` lists them"))
            })?
        }
    };
    let key = client.revoke_api_key(id).await?;
    if output.json {
        return Ok(output.value(&key)?);
    }
    Ok(output.line(format!("revoked {}", sanitize(&key.name)))?)
}
