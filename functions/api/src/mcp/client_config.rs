//! The configuration of an MCP client, to be pasted into the settings of an AI assistant.

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Stands for the user's API key, which the API cannot show.
const PLACEHOLDER: &str = "<your API key, smtk_...>";

/// The command that starts Semantik's MCP server for a profile, also in the `mcpServers` form that assistants
/// read.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpConfigResponse {
    /// Name of the server, derived from the profile's name.
    server_name: String,
    #[serde(flatten)]
    server: McpServerResponse,
    /// The server, keyed by its name.
    #[serde(rename = "mcpServers")]
    mcp_servers: BTreeMap<String, McpServerResponse>,
}

/// The command that starts an MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpServerResponse {
    /// The program to run.
    command: &'static str,
    /// Its arguments.
    args: Vec<String>,
    /// Environment variables: the API's URL, and a placeholder for the API key.
    env: BTreeMap<&'static str, String>,
}

impl McpConfigResponse {
    /// Returns the configuration for a profile; `headers` are those of the request.
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

/// Returns the URL under which the client reached the API.
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
    fn api_url_is_the_one_of_the_request() {
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
