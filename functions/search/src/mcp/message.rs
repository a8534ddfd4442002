//! JSON-RPC messages.

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, OneOfBuilder, Schema, Type};

/// A JSON-RPC 2.0 message of an MCP client.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct McpMessage {
    /// The version of JSON-RPC, `2.0`.
    #[schema(schema_with = jsonrpc)]
    pub(super) jsonrpc: String,
    /// Identifies the request in its response; absent in a notification.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = id)]
    pub(super) id: Option<Value>,
    /// What to do, such as `tools/call`; absent in a response of the client.
    #[serde(default)]
    pub(super) method: Option<String>,
    /// The parameters of the method.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) params: Option<Map<String, Value>>,
    /// The result in a response of the client, which is accepted and ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[expect(dead_code, reason = "the server sends no requests")]
    pub(super) result: Option<Map<String, Value>>,
    /// The error in a response of the client, which is accepted and ignored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[expect(dead_code, reason = "the server sends no requests")]
    pub(super) error: Option<Map<String, Value>>,
}

/// Tells an id that is null, which is not allowed, from none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn jsonrpc() -> Object {
    let mut version = access::one_of(["2.0"]);
    version.description = Some("The version of JSON-RPC.".to_owned());
    version
}

fn id() -> Schema {
    let (text, number) = (Object::with_type(Type::String), Object::with_type(Type::Integer));
    let description = "Identifies the request in its response; absent in a notification.";
    Schema::OneOf(OneOfBuilder::new().item(text).item(number).description(Some(description)).build())
}

impl McpMessage {
    /// Returns a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&Value> {
        self.params.as_ref()?.get(name)
    }

    /// Returns an entry of `_meta`, by its name without the prefix that the protocol reserves.
    pub(super) fn meta(&self, name: &str) -> Option<&Value> {
        self.parameter("_meta")?.get(format!("{META_PREFIX}{name}"))
    }
}

/// The prefix of the names that the protocol reserves in `_meta`.
pub(super) const META_PREFIX: &str = "io.modelcontextprotocol/";

/// An error of the protocol. Errors of tools are results, which an assistant reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) const INVALID_REQUEST: i32 = -32600;
    pub(super) const METHOD_NOT_FOUND: i32 = -32601;
    pub(super) const INVALID_PARAMS: i32 = -32602;
    /// Until revision 2025-11-25.
    pub(super) const RESOURCE_NOT_FOUND: i32 = -32002;
    pub(super) const HEADER_MISMATCH: i32 = -32020;
    pub(super) const UNSUPPORTED_VERSION: i32 = -32022;

    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The HTTP status of the response in the stateless revision.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            Self::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The response to the request with this id.
    pub(super) fn response(self, id: Option<&Value>) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data;
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}
