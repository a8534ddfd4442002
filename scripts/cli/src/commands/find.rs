//! Finds what people name: by id or by name.

use client::{Client, Collection};
use domain::CollectionId;
use futures_util::{StreamExt as _, TryStreamExt as _, future};

use crate::Outcome;
use crate::failure::Failure;

/// Finds a collection by its id, or by its name: first among the caller's own, whose names are unique.
pub async fn find_collection(client: &Client, named: &str) -> Outcome<Collection> {
    match find_if_any(client, named).await? {
        Some(collection) => Ok(collection),
        None => Err(Failure::Other(format!(
            "no collection {named:?} that you can read; `semantik collections list` lists them"
        ))),
    }
}

/// As [`find_collection`]; `None` if no collection has the name.
pub async fn find_if_any(client: &Client, named: &str) -> Outcome<Option<Collection>> {
    if let Ok(id) = named.parse::<uuid::Uuid>() {
        return Ok(Some(client.collection(CollectionId(id)).await?));
    }
    let name = domain::to_nfc(named.trim());
    let has_name = |collection: &Collection| future::ready(collection.name == name);
    let mut own = std::pin::pin!(client.own_collections(&name).try_filter(has_name));
    if let Some(collection) = own.next().await {
        return Ok(Some(collection?));
    }
    let mut found: Vec<Collection> = client.collections().try_filter(has_name).try_collect().await?;
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().map(|collection| collection.id.to_string()).collect();
        return Err(Failure::Usage(format!(
            "{} collections of other users are named {named:?}; use an id: {}",
            found.len(),
            ids.join(", ")
        )));
    }
    Ok(found.pop())
}
