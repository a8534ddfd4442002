//! Which channels a source reads.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::SlackSource;
use super::api::{Api, NextPage};
use crate::ConnectorError;

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

/// The workspace, as the token's app knows it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Workspace {
    #[serde(rename = "team_id")]
    pub(super) id: String,
    /// Where people open it, with a slash at the end.
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
struct ChannelAnswer {
    channel: Channel,
}

#[derive(Debug, Deserialize)]
struct ChannelsAnswer {
    channels: Vec<Channel>,
    #[serde(default)]
    response_metadata: NextPage,
}

/// Whether a setting is the id of a channel rather than its name, which is never in capital letters.
fn is_id(entry: &str) -> bool {
    entry.len() >= 8
        && entry.starts_with(['C', 'G'])
        && entry.chars().all(|character| character.is_ascii_uppercase() || character.is_ascii_digit())
}

/// Reads the setting `channels`.
pub(crate) fn parse_channels(entries: &[&str]) -> Result<Vec<String>, ConnectorError> {
    let mut channels = Vec::new();
    for entry in entries {
        let name = entry.trim().trim_start_matches('#');
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let message = format!(
                "not a channel; a name such as general or an id such as C0123456789 allowed, got {entry:?}"
            );
            return Err(ConnectorError::invalid("channels", message));
        }
        channels.push(name.to_owned());
    }
    Ok(channels)
}

impl SlackSource {
    /// Returns the channels of the source, sorted and each once.
    pub(super) async fn resolve_channels(
        &self,
        api: &Api<'_>,
        until: Instant,
    ) -> Result<Vec<Channel>, ConnectorError> {
        let (ids, names): (Vec<&String>, Vec<&String>) = self.channels.iter().partition(|entry| is_id(entry));
        let mut found = Vec::new();
        for id in ids {
            let what = format!("the channel {id}");
            let parameters = [("channel", id.as_str())];
            let answer: ChannelAnswer =
                api.call_until("conversations.info", &parameters, &what, until).await?;
            found.push(answer.channel);
        }
        found.extend(find_names(api, &names, until).await?);
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup_by(|one, other| one.id == other.id);
        Ok(found)
    }
}

/// Looks for channels by name among those that the app sees, until all are found.
async fn find_names(
    api: &Api<'_>,
    names: &[&String],
    until: Instant,
) -> Result<Vec<Channel>, ConnectorError> {
    let mut found: Vec<Channel> = Vec::new();
    let mut types = "public_channel,private_channel";
    let mut cursor = None::<String>;
    while found.len() < names.len() {
        let at = cursor.as_deref().unwrap_or_default();
        let parameters = [("types", types), ("limit", "200"), ("cursor", at)];
        let answer = api.call_until("conversations.list", &parameters, "the list of channels", until).await;
        let answer: ChannelsAnswer = match answer {
            // Without groups:read, there are public channels.
            Err(ConnectorError::Forbidden { .. }) if types.contains("private") => {
                types = "public_channel";
                continue;
            }
            other => other?,
        };
        let is_wanted = |channel: &Channel| names.iter().any(|name| **name == channel.name);
        found.extend(answer.channels.into_iter().filter(is_wanted));
        cursor = answer.response_metadata.cursor();
        if cursor.is_none() {
            break;
        }
    }
    let missing = names.iter().find(|name| !found.iter().any(|channel| channel.name == ***name));
    match missing {
        None => Ok(found),
        Some(missing) => {
            let message = format!(
                "no such channel that the app sees; public channels and private ones that it is a member of are allowed, got {missing:?}"
            );
            Err(ConnectorError::invalid("channels", message))
        }
    }
}
