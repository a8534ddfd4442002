//! What a person puts into the settings of an assistant.

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Where the person's own API key goes.
const PLACEHOLDER: &str = "<your API key, smtk_...>";

/// How Semantik's MCP server is started for a profile; `mcpServers` is the same as assistants read it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpConfigResponse {
    /// Named for the profile.
    server_name: String,
    #[serde(flatten)]
    server: McpServerResponse,
    /// The server by its name.
    #[serde(rename = "mcpServers")]
    mcp_servers: BTreeMap<String, McpServerResponse>,
}

/// How the server is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpServerResponse {
    command: &'static str,
    args: Vec<String>,
    /// The API's address, and the place of the API key.
    env: BTreeMap<&'static str, String>,
}

impl McpConfigResponse {
    pub(super) fn of(profile: &str, headers: &HeaderMap) -> Self {
        let server = McpServerResponse {
            command: "semantik-mcp",
            args: ["serve", "--profile", profile].map(str::to_owned).to_vec(),
            env: BTreeMap::from([
                ("SEMANTIK_WEBUI_URL", api_url(headers)),
                ("SEMANTIK_AUTH_TOKEN", PLACEHOLDER.to_owned()),
            ]),
        };
        let server_name = format!("semantik-{profile}");
        let mcp_servers = BTreeMap::from([(server_name.clone(), server.clone())]);
        Self { server_name, server, mcp_servers }
    }
}

/// The address by which the caller has just reached the API.
fn api_url(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).unwrap_or("localhost");
    let is_local = ["localhost", "127.0.0.1"].iter().any(|local| host.starts_with(local));
    let usual = if is_local { "http" } else { "https" };
    let scheme = text("x-forwarded-proto").filter(|scheme| ["http", "https"].contains(scheme));
    format!("{}://{host}", scheme.unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_was_called() {
        let url = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            api_url(&pairs.collect())
        };
        assert_eq!(url(&[("host", "api.example.org")]), "https://api.example.org");
        assert_eq!(url(&[("host", "127.0.0.1:4566")]), "http://127.0.0.1:4566");
        let forwarded = [("host", "localhost:3000"), ("x-forwarded-proto", "https")];
        assert_eq!(url(&forwarded), "https://localhost:3000");
    }
}
