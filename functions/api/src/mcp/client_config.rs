//! The configuration of an MCP client, to be pasted into the settings of an AI assistant.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Stands for the user's API key, which the API cannot show.
const PLACEHOLDER: &str = "<your API key, smtk_...>";

/// The command that starts Semantik's MCP server for a profile, also in the `mcpServers` form that assistants read, and
/// the endpoint that needs no command.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpConfigResponse {
    /// Name of the server, derived from the profile's name.
    server_name: String,
    #[serde(flatten)]
    server: McpServerResponse,
    /// The server, keyed by its name.
    #[serde(rename = "mcpServers")]
    mcp_servers: BTreeMap<String, McpServerResponse>,
    /// The endpoint of this API, for clients that speak MCP over HTTP: no command is needed.
    http: McpHttpServerResponse,
}

/// An MCP server that is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct McpHttpServerResponse {
    /// The transport, streamable HTTP.
    #[serde(rename = "type")]
    #[schema(example = "http")]
    transport: &'static str,
    /// The endpoint of the profile.
    url: String,
    /// The headers of each request, with a placeholder for the API key.
    headers: BTreeMap<&'static str, String>,
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
    /// Returns the configuration for a profile of the API at this base URL.
    pub(super) fn of(profile: &str, api_url: String) -> Self {
        let http = McpHttpServerResponse {
            transport: "http",
            url: format!("{api_url}/mcp/{profile}"),
            headers: BTreeMap::from([("Authorization", format!("Bearer {PLACEHOLDER}"))]),
        };
        let server = McpServerResponse {
            command: "semantik-mcp",
            args: ["serve", "--profile", profile].map(str::to_owned).to_vec(),
            env: BTreeMap::from([
                ("SEMANTIK_WEBUI_URL", api_url),
                ("SEMANTIK_AUTH_TOKEN", PLACEHOLDER.to_owned()),
            ]),
        };
        let server_name = format!("semantik-{profile}");
        let mcp_servers = BTreeMap::from([(server_name.clone(), server.clone())]);
        Self { server_name, server, mcp_servers, http }
    }
}
