//! A source of the fake, and what is read from it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use connectors::{ConnectorError, Connectors, Entry, Listing, Page, Secrets, SourcePolicy, SourceSpec};
use domain::SecretType;
use egress::{Egress, EgressConfig};
use serde_json::{Value, json};

use crate::fake::Slack;
use crate::state::TOKEN;

pub struct Source {
    connectors: Connectors,
    spec: SourceSpec,
}

impl Source {
    /// Reads #general, unless the settings say otherwise.
    pub fn of(slack: &Slack, settings: Value) -> Self {
        Self::with_token(slack, settings, TOKEN)
    }

    pub fn with_token(slack: &Slack, settings: Value, token: &str) -> Self {
        let mut config = json!({ "channels": ["general"], "api_url": format!("{}/api/", slack.url) });
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let egress = Egress::new(EgressConfig::new("127.0.0.1".parse().unwrap())).unwrap();
        let secrets = Secrets::from_iter([(SecretType::Token, token.to_owned().into())]);
        Self {
            connectors: Connectors::new(&sdk, egress, SourcePolicy::new(vec![], "staging", None, &[])),
            spec: SourceSpec::parse("slack", &config).unwrap().with_secrets(secrets),
        }
    }

    /// Lists one page, which must be complete after some seconds.
    pub async fn page(
        &self,
        cursor: Option<&str>,
        checkpoint: Option<&str>,
        limit: usize,
        seconds: u64,
    ) -> Result<Page, ConnectorError> {
        let until = Instant::now() + Duration::from_secs(seconds);
        let listing = Listing { checkpoint, limit, until, ..Listing::from_cursor(cursor) };
        self.connectors.list(&self.spec, listing).await
    }

    /// Lists all pages of at most `limit` documents.
    pub async fn pages(&self, checkpoint: Option<&str>, limit: usize) -> Result<Page, ConnectorError> {
        let (mut all, mut cursor) = (Page::default(), None::<String>);
        loop {
            let page = self.page(cursor.as_deref(), checkpoint, limit, 20).await?;
            assert!(page.entries.len() <= limit);
            all.entries.extend(page.entries);
            all.gone.extend(page.gone);
            (all.unlisted, all.checkpoint) = (page.unlisted, page.checkpoint);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    pub async fn list(&self, checkpoint: Option<&str>) -> Page {
        self.pages(checkpoint, 1000).await.unwrap()
    }

    /// Reads a document, as if it had changed; returns its bytes and the hint of what was read.
    pub async fn open(&self, entry: &Entry) -> Result<(String, Option<String>), ConnectorError> {
        let session = self.connectors.session(&self.spec, vec![entry.location.clone()]).await?;
        let mut reader = session.open(&entry.location).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok((String::from_utf8(bytes).unwrap(), reader.change_hint().map(str::to_owned)))
    }
}

/// The texts that came with the listing, by path.
pub fn texts(page: &Page) -> BTreeMap<&str, &str> {
    let with_text = page.entries.iter().filter_map(|entry| {
        Some((entry.file_path.as_str(), str::from_utf8(entry.content.as_ref()?).unwrap()))
    });
    with_text.collect()
}

/// The change hints, by URI.
pub fn hints(page: &Page) -> BTreeMap<String, String> {
    page.entries.iter().map(|entry| (entry.uri.clone(), entry.change_hint.clone().unwrap())).collect()
}
