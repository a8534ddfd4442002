//! Messages of Slack channels.

use std::sync::Arc;

use domain::{SecretType, SourceType};
use egress::Url;
use serde_json::json;

use crate::clients::Clients;
use crate::field::ON_MISSING;
use crate::reader::Reading;
use crate::session::Session;
use crate::settings::Settings;
use crate::slack::channels::parse_channels;
use crate::slack::reading::SlackSession;
use crate::slack::{API_URL, SlackSource};
use crate::source::Source;
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("slack"),
    name: "Slack",
    description: "Messages of Slack channels: each thread is a document, and so are the other messages of a day. Whoever may read the collection may read them.",
    fields: &[
        ConfigField {
            name: "channels",
            value: FieldValue::RequiredTextList,
            description: "Names or ids of channels that the app is a member of, at most 100.",
        },
        ConfigField {
            name: "since",
            value: FieldValue::Text,
            description: "Only messages of this day or later, such as 2026-01-31; empty for all.",
        },
        ConfigField {
            name: "include_files",
            value: FieldValue::Boolean { default: false },
            description: "Whether files in messages are documents, too. They need the scope files:read.",
        },
        ConfigField {
            name: "edits_for_days",
            value: FieldValue::Integer { default: 7, min: 0, max: 90 },
            description: "For how many days edits and deletions are noticed: their messages, and threads with replies in them, are read again in every sync.",
        },
        ConfigField {
            name: "api_url",
            value: FieldValue::Text,
            description: "Where the methods of Slack's API are; empty for https://slack.com/api.",
        },
        ON_MISSING,
    ],
    secrets: &[SecretField {
        secret_type: SecretType::Token,
        is_required: true,
        description: "The bot token (xoxb-…) of an app with the scopes channels:read, channels:history and users:read; groups:read and groups:history for private channels.",
    }],
    example: || json!({ "channels": ["general", "C0123456789"], "since": "2026-01-01" }),
    settings_of_path: |_| None,
    parse: |settings| Ok(Arc::new(parse(settings)?)),
};

fn parse(settings: &Settings) -> Result<SlackSource, ConnectorError> {
    let api_url = match settings.text("api_url") {
        "" => API_URL,
        url => url.trim_end_matches('/'),
    };
    let is_base = |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none();
    if !Url::parse(api_url).is_ok_and(|url| is_base(&url)) {
        let message = format!("not a URL; one such as {API_URL} allowed, got {api_url:?}");
        return Err(ConnectorError::invalid("api_url", message));
    }
    Ok(SlackSource {
        api_url: api_url.to_owned(),
        channels: parse_channels(&settings.texts("channels"))?,
        since: settings.day("since")?,
        includes_files: settings.boolean("include_files"),
        edits_for_days: u16::try_from(settings.number("edits_for_days")).unwrap_or(u16::MAX),
    })
}

impl Source for SlackSource {
    /// The first channel, and how many follow.
    fn source_path(&self) -> String {
        let first = self.channels.first().map_or("", String::as_str);
        match self.channels.len() {
            0 | 1 => format!("slack://{first}"),
            count => format!("slack://{first} and {} more", count - 1),
        }
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(self.list_page(clients, listing))
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        Box::pin(async { Ok(Box::new(SlackSession::new(self, clients)) as Box<dyn Session>) })
    }
}
