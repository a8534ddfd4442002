//! The handlers: one message in, one response out.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use lambda::http::{ApiError, ApiJson, ApiPath};
use serde_json::{Value, json};

use super::failure::Failure;
use super::message::{META_PREFIX, McpMessage, RpcError};
use super::revision::{HANDSHAKE, Revision, STATELESS};
use super::sender::Sender;
use super::view::View;
use super::{definitions, resources, tools};
use crate::State;

/// How long clients may keep what seldom changes, in milliseconds: capabilities, and the list of tools.
const KEPT_MS: u32 = 300_000;
/// The same of lists of collections.
const COLLECTIONS_KEPT_MS: u32 = 30_000;

/// Send an MCP message
///
/// The endpoint of AI assistants that speak the Model Context Protocol: streamable HTTP without sessions, with the
/// tools `search`, `fetch`, `list_collections`, `list_documents` and `find_similar`.
#[utoipa::path(
    post, path = "/mcp", tag = "mcp", operation_id = "sendMcpMessage",
    request_body(content = McpMessage, example = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })),
    responses(
        (status = 200, description = "The JSON-RPC response.", body = Object),
        (status = 202, description = "A notification was accepted."),
        (status = 400, description = "The message is invalid, or contradicts its headers: a JSON-RPC error.", body = Object),
        (status = 404, description = "A JSON-RPC error: no such method.", body = Object),
    ),
)]
pub(crate) async fn serve(
    Shared(state): Shared<State>,
    sender: Sender,
    ApiJson(message): ApiJson<McpMessage>,
) -> Result<Response, ApiError> {
    answer(&state, sender, None, message).await
}

/// Send an MCP message to a profile
///
/// Does the same with the collections and search settings of one of the caller's MCP profiles.
#[utoipa::path(
    post, path = "/mcp/{profile}", tag = "mcp", operation_id = "sendMcpMessageToProfile",
    params(("profile" = String, Path, description = "Name of the profile.")),
    request_body(content = McpMessage, example = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })),
    responses(
        (status = 200, description = "The JSON-RPC response.", body = Object),
        (status = 202, description = "A notification was accepted."),
        (status = 400, description = "The message is invalid, or contradicts its headers: a JSON-RPC error.", body = Object),
        (status = 404, description = "No such profile, or a JSON-RPC error: no such method.", body = Object),
    ),
)]
pub(crate) async fn serve_profile(
    Shared(state): Shared<State>,
    ApiPath(profile): ApiPath<String>,
    sender: Sender,
    ApiJson(message): ApiJson<McpMessage>,
) -> Result<Response, ApiError> {
    answer(&state, sender, Some(&profile), message).await
}

async fn answer(
    state: &State,
    sender: Sender,
    profile: Option<&str>,
    message: McpMessage,
) -> Result<Response, ApiError> {
    sender.site.check(state.api_url.as_deref())?;
    let revision = match checked(&sender.headers, &message) {
        Ok(revision) => revision,
        Err(error) => return Ok((error.status(), Json(error.response(message.id.as_ref()))).into_response()),
    };
    let (Some(id), Some(method)) = (&message.id, &message.method) else {
        // Notifications and responses need nothing: there are no sessions.
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    match result(state, &sender, profile, revision, method, &message).await {
        Ok(result) => Ok(Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response()),
        Err(Failure::Api(error)) => Err(error),
        Err(Failure::Protocol(error)) => {
            // Before the stateless revision, 404 meant that a session had ended.
            let status = if revision == Revision::Stateless { error.status() } else { StatusCode::OK };
            Ok((status, Json(error.response(Some(id)))).into_response())
        }
    }
}

/// Checks the form of a message and its headers.
fn checked(headers: &HeaderMap, message: &McpMessage) -> Result<Revision, RpcError> {
    // JSON has one kind of number: 2.0 is an integer, too.
    let is_integer = |id: &Value| id.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is_id = |id: &Value| id.is_string() || is_integer(id);
    if message.jsonrpc != "2.0" {
        let got = &message.jsonrpc;
        return Err(RpcError::new(
            RpcError::INVALID_REQUEST,
            format!("jsonrpc: unknown; 2.0 allowed, got {got:?}"),
        ));
    }
    if message.id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(RpcError::new(
            RpcError::INVALID_REQUEST,
            "id: wrong type; a string or an integer allowed",
        ));
    }
    Revision::of(headers, message)
}

async fn result(
    state: &State,
    sender: &Sender,
    profile: Option<&str>,
    revision: Revision,
    method: &str,
    message: &McpMessage,
) -> Result<Value, Failure> {
    let mut connection = state.db.connection().await?;
    let view = View::load(&mut connection, &sender.caller, profile).await?;
    let (mut result, kept_ms) = match (revision, method) {
        (Revision::Handshake, "ping") => (json!({}), None),
        (Revision::Handshake, "initialize") => {
            let requested = message.parameter("protocolVersion").and_then(Value::as_str).unwrap_or_default();
            let version = HANDSHAKE.into_iter().find(|version| *version == requested).unwrap_or(HANDSHAKE[0]);
            let result = json!({
                "protocolVersion": version,
                "capabilities": definitions::capabilities(),
                "serverInfo": definitions::server_info(),
                "instructions": view.instructions(&mut connection).await?,
            });
            (result, None)
        }
        (Revision::Stateless, "server/discover") => {
            let versions: Vec<&str> = [STATELESS].into_iter().chain(HANDSHAKE).collect();
            let result = json!({
                "supportedVersions": versions,
                "capabilities": definitions::capabilities(),
                "instructions": view.instructions(&mut connection).await?,
            });
            (result, Some(KEPT_MS))
        }
        (_, "tools/list") => (json!({ "tools": definitions::tools(view.profile.as_ref()) }), Some(KEPT_MS)),
        (_, "tools/call") => {
            // A tool takes the connections that it needs.
            drop(connection);
            (tools::call(state, sender, &view, message).await?, None)
        }
        (_, "resources/list") => {
            (resources::list(&mut connection, &view, message).await?, Some(COLLECTIONS_KEPT_MS))
        }
        (_, "resources/templates/list") => (json!({ "resourceTemplates": [] }), Some(KEPT_MS)),
        (_, "resources/read") => {
            (resources::read(&mut connection, &view, revision, message).await?, Some(COLLECTIONS_KEPT_MS))
        }
        _ => {
            let text = format!("No such method: {method}");
            return Err(RpcError::new(RpcError::METHOD_NOT_FOUND, text).into());
        }
    };
    if revision == Revision::Stateless {
        result["resultType"] = json!("complete");
        result["_meta"] = json!({ (format!("{META_PREFIX}serverInfo")): definitions::server_info() });
        if let Some(kept_ms) = kept_ms {
            result["ttlMs"] = json!(kept_ms);
            // Collections differ between callers.
            result["cacheScope"] = json!("private");
        }
    }
    Ok(result)
}
