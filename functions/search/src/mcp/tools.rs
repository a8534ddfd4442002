//! Tools: what an assistant calls.

mod fetch;
mod listings;
mod search;

use domain::ErrorKind;
use lambda::http::{ApiError, read_object};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::message::{McpMessage, RpcError};
use super::sender::Sender;
use super::view::View;
use crate::State;

/// A call of a tool.
struct Call<'c> {
    state: &'c State,
    sender: &'c Sender,
    view: &'c View<'c>,
    /// The base URL of the API.
    api_url: String,
}

/// Calls the tool that the message names. An error of the tool is a result, so that the assistant can read it.
pub(super) async fn call(
    state: &State,
    sender: &Sender,
    view: &View<'_>,
    message: &McpMessage,
) -> Result<Value, Failure> {
    let name = message.parameter("name").and_then(Value::as_str).unwrap_or_default();
    let arguments = match message.parameter("arguments") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(arguments) => arguments.clone(),
    };
    let call = Call { state, sender, view, api_url: sender.api_url(state) };
    let result = match name {
        "search" => call.search(arguments).await,
        "fetch" => call.fetch(arguments).await,
        "list_collections" => call.list_collections(arguments).await,
        "list_documents" => call.list_documents(arguments).await,
        "find_similar" => call.find_similar(arguments).await,
        _ => {
            let text = format!("Unknown tool: {name:?}; tools/list lists all");
            return Err(RpcError::new(RpcError::INVALID_PARAMS, text).into());
        }
    };
    Ok(match result {
        Ok(structured) => json!({
            "content": [{ "type": "text", "text": structured.to_string() }],
            "structuredContent": structured,
            "isError": false,
        }),
        Err(error) => refusal(&error, &sender.request_id),
    })
}

fn refusal(error: &ApiError, request_id: &str) -> Value {
    error.record();
    let text = match error.kind() {
        ErrorKind::Internal | ErrorKind::Unavailable => {
            format!("{} (request id {request_id})", error.detail())
        }
        _ => error.detail().to_owned(),
    };
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
}

/// Reads the arguments of a tool; unknown ones are rejected.
fn arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, ApiError> {
    if !arguments.is_object() {
        return Err(ApiError::invalid_field("arguments", "wrong type; an object allowed"));
    }
    read_object(arguments)
}
