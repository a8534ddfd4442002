//! Prints what an AI assistant needs to search.

use client::Client;
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::arguments::Mcp;
use crate::failure::Failure;
use crate::output::Output;

/// Runs `semantik mcp …`.
pub async fn run(client: &Client, command: Mcp, output: Output) -> Outcome {
    let Mcp::Config { profile } = command;
    let profiles: Vec<Map<String, Value>> = client.mcp_profiles().try_collect().await?;
    let text = |profile: &Map<String, Value>, field: &str| {
        profile.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let found = match &profile {
        Some(named) => profiles.iter().find(|known| [text(known, "id"), text(known, "name")].contains(named)),
        None if profiles.len() == 1 => profiles.first(),
        None => None,
    };
    let Some(found) = found else {
        let names: Vec<String> = profiles.iter().map(|profile| text(profile, "name")).collect();
        return Err(Failure::Usage(if names.is_empty() {
            "you have no MCP profile; create one with POST /api/v2/mcp/profiles".to_owned()
        } else {
            format!("name one of your MCP profiles: {}", names.join(", "))
        }));
    };
    let config = client.mcp_config(&text(found, "id")).await?;
    // The form that assistants read; the rest of the response only with --json.
    let servers = config.get("mcpServers").filter(|_| !output.json);
    Ok(output.value(&servers.map_or_else(|| json!(config), |servers| json!({ "mcpServers": servers })))?)
}
