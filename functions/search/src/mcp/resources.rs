//! Collections as resources, which people add to a conversation.

use db::Connection;
use domain::{CollectionId, ErrorKind};
use lambda::http::ApiError;
use serde_json::{Value, json};

use super::description::describe_collection;
use super::failure::Failure;
use super::message::{McpMessage, RpcError};
use super::revision::Revision;
use super::view::View;

/// The scheme and host of the URIs of resources.
const COLLECTIONS: &str = "semantik://collections/";
/// Resources per page.
const PAGE: i64 = 100;

/// Lists collections.
pub(super) async fn list(
    connection: &mut Connection,
    view: &View<'_>,
    message: &McpMessage,
) -> Result<Value, Failure> {
    let offset = match message.parameter("cursor") {
        None | Some(Value::Null) => 0,
        Some(cursor) => cursor
            .as_str()
            .and_then(|cursor| cursor.parse::<u32>().ok())
            .ok_or_else(|| invalid("cursor: unknown; the nextCursor of a response allowed"))?
            .into(),
    };
    let (found, total) = view.list(connection, None, PAGE, offset).await?;
    let next = offset + i64::try_from(found.len()).unwrap_or_default();
    let resources: Vec<Value> = found
        .iter()
        .map(|found| {
            let collection = &found.collection;
            let mut resource = json!({
                "uri": format!("{COLLECTIONS}{}", collection.id),
                "name": collection.name,
                "mimeType": "application/json",
            });
            if let Some(description) = &collection.description {
                resource["description"] = json!(description);
            }
            resource
        })
        .collect();
    let mut listed = json!({ "resources": resources });
    if next < total {
        listed["nextCursor"] = json!(next.to_string());
    }
    Ok(listed)
}

/// Shows a collection: its description, and what is in it.
pub(super) async fn read(
    connection: &mut Connection,
    view: &View<'_>,
    revision: Revision,
    message: &McpMessage,
) -> Result<Value, Failure> {
    let uri = message.parameter("uri").and_then(Value::as_str);
    let uri = uri.ok_or_else(|| invalid("uri: missing; the URI of a resource is required"))?;
    let missing = || {
        let code = match revision {
            Revision::Handshake => RpcError::RESOURCE_NOT_FOUND,
            Revision::Stateless => RpcError::INVALID_PARAMS,
        };
        let shown: String = uri.chars().take(200).collect();
        let text = format!("No such resource, or you do not have access to it: {shown}");
        RpcError { data: Some(json!({ "uri": shown })), ..RpcError::new(code, text) }
    };
    let id = uri.strip_prefix(COLLECTIONS).and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let found =
        view.find(connection, CollectionId(id)).await.map_err(|error: ApiError| match error.kind() {
            ErrorKind::NotFound => Failure::Protocol(missing()),
            _ => Failure::Api(error),
        })?;
    let text = json!(describe_collection(&found)).to_string();
    Ok(json!({ "contents": [{ "uri": uri, "mimeType": "application/json", "text": text }] }))
}

fn invalid(text: &str) -> RpcError {
    RpcError::new(RpcError::INVALID_PARAMS, text)
}
