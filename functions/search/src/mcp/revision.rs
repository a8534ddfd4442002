//! Revisions of the protocol, and which one a message is of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use super::message::{McpMessage, RpcError};

/// The revision without a handshake: each request names it, and headers repeat parts of the body.
pub(super) const STATELESS: &str = "2026-07-28";
/// Revisions with a handshake (`initialize`), newest first.
pub(super) const HANDSHAKE: [&str; 2] = ["2025-11-25", "2025-06-18"];

const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// The kind of the revision of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revision {
    Handshake,
    Stateless,
}

impl Revision {
    /// Determines the revision of a message and checks its headers. A message that names none is from a client that
    /// has not agreed on one yet.
    ///
    /// # Errors
    /// Returns `HEADER_MISMATCH` if a header is missing, repeated or differs from the body, `UNSUPPORTED_VERSION` with
    /// the supported ones, and `INVALID_PARAMS` if the message lacks what the stateless revision requires.
    pub(super) fn of(headers: &HeaderMap, message: &McpMessage) -> Result<Self, RpcError> {
        let header = single(headers, VERSION_HEADER)?;
        let Some(named) = message.meta("protocolVersion") else {
            return match header {
                None => Ok(Self::Handshake),
                Some(version) if HANDSHAKE.contains(&version) => Ok(Self::Handshake),
                Some(STATELESS) if message.id.is_none() => Ok(Self::Stateless),
                Some(STATELESS) => Err(missing_meta("protocolVersion")),
                Some(version) => Err(unsupported(version)),
            };
        };
        if header.is_none_or(|header| named != header) {
            return Err(mismatch(VERSION_HEADER, "protocolVersion in _meta", Some(named), header));
        }
        let method = message.method.as_deref().map(Value::from);
        let header = single(headers, METHOD_HEADER)?;
        if header.map(Value::from) != method {
            return Err(mismatch(METHOD_HEADER, "method", method.as_ref(), header));
        }
        if let Some(name) = named_parameter(message) {
            let header = single(headers, NAME_HEADER)?;
            if header.and_then(decode).is_none_or(|header| *name != header) {
                return Err(mismatch(NAME_HEADER, "parameter of the method", Some(name), header));
            }
        }
        if named != STATELESS {
            return Err(unsupported(named.as_str().unwrap_or_default()));
        }
        if message.meta("clientCapabilities").is_none() {
            return Err(missing_meta("clientCapabilities"));
        }
        Ok(Self::Stateless)
    }
}

/// Returns the parameter that the header `Mcp-Name` repeats.
fn named_parameter(message: &McpMessage) -> Option<&Value> {
    let name = match message.method.as_deref()? {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    message.parameter(name)
}

/// Returns the only value of a header. Of several, a proxy might have read another one.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str());
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(_), _) => Err(RpcError::new(
            RpcError::HEADER_MISMATCH,
            format!("{name}: repeated or not ASCII; one value allowed"),
        )),
    }
}

/// Decodes a header's value: `=?base64?…?=` stands for a text that no header can have.
fn decode(header: &str) -> Option<String> {
    let Some(encoded) = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(header.to_owned());
    };
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

fn mismatch(header: &str, part: &str, expected: Option<&Value>, got: Option<&str>) -> RpcError {
    let (expected, got) = (json!(expected), json!(got));
    RpcError::new(
        RpcError::HEADER_MISMATCH,
        format!("{header}: differs from the {part} in the body; {expected} expected, got {got}"),
    )
}

fn unsupported(requested: &str) -> RpcError {
    let supported: Vec<&str> = [STATELESS].into_iter().chain(HANDSHAKE).collect();
    let listed = supported.join(", ");
    RpcError {
        data: Some(json!({ "supported": supported, "requested": requested })),
        ..RpcError::new(
            RpcError::UNSUPPORTED_VERSION,
            format!("Unsupported protocol version; {listed} allowed, got {requested:?}"),
        )
    }
}

fn missing_meta(name: &str) -> RpcError {
    let prefix = super::message::META_PREFIX;
    RpcError::new(
        RpcError::INVALID_PARAMS,
        format!("params._meta: {prefix}{name} is missing; revision {STATELESS} requires it in each request"),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn revision(headers: &[(&'static str, &'static str)], message: Value) -> Result<Revision, (i32, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let message = serde_json::from_value(message).unwrap();
        Revision::of(&map, &message).map_err(|error| (error.code, error.message))
    }

    fn call(version: &str, capabilities: bool) -> Value {
        let mut meta = json!({ "io.modelcontextprotocol/protocolVersion": version });
        if capabilities {
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "säarch", "_meta": meta } })
    }

    #[test]
    fn clients_before_their_handshake_name_no_revision() {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(revision(&[], list.clone()), Ok(Revision::Handshake));
        for version in ["2025-11-25", "2025-06-18"] {
            assert_eq!(revision(&[(VERSION_HEADER, version)], list.clone()), Ok(Revision::Handshake));
        }
        let (code, text) = revision(&[(VERSION_HEADER, "1900-01-01")], list.clone()).unwrap_err();
        assert_eq!(code, RpcError::UNSUPPORTED_VERSION);
        assert_eq!(
            text,
            r#"Unsupported protocol version; 2026-07-28, 2025-11-25, 2025-06-18 allowed, got "1900-01-01""#
        );
        assert_eq!(revision(&[(VERSION_HEADER, STATELESS)], list).unwrap_err().0, RpcError::INVALID_PARAMS);
    }

    #[test]
    fn headers_of_the_stateless_revision_equal_the_body() {
        let version = (VERSION_HEADER, STATELESS);
        let method = (METHOD_HEADER, "tools/call");
        let name = (NAME_HEADER, "=?base64?c8OkYXJjaA==?=");
        assert_eq!(revision(&[version, method, name], call(STATELESS, true)), Ok(Revision::Stateless));
        for headers in [
            vec![method, name],
            vec![version, name],
            vec![version, method],
            vec![(VERSION_HEADER, "2025-11-25"), method, name],
            vec![version, (METHOD_HEADER, "tools/list"), name],
            vec![version, method, (NAME_HEADER, "fetch")],
            vec![version, method, (NAME_HEADER, "=?base64?%%?=")],
            vec![version, version, method, name],
        ] {
            let (code, text) = revision(&headers, call(STATELESS, true)).unwrap_err();
            assert_eq!(code, RpcError::HEADER_MISMATCH, "{headers:?}: {text}");
        }
        let (code, _) = revision(&[version, method, name], call(STATELESS, false)).unwrap_err();
        assert_eq!(code, RpcError::INVALID_PARAMS);
        let future = (VERSION_HEADER, "2027-01-01");
        let (code, _) = revision(&[future, method, name], call("2027-01-01", true)).unwrap_err();
        assert_eq!(code, RpcError::UNSUPPORTED_VERSION);
    }
}
