//! A source of the test's server, and what is read from it.

use std::path::PathBuf;

use aws_config::{BehaviorVersion, SdkConfig};
use connectors::{ConnectorError, Connectors, Entry, Listing, Page, Secrets, SourcePolicy, SourceSpec};
use domain::SecretType;
use egress::{Egress, EgressConfig};
use serde_json::{Value, json};

use testkit::{DOVECOT_PASSWORD, DOVECOT_USER, Dovecot};

/// A source, and what it was read with.
pub struct Source {
    pub connectors: Connectors,
    pub spec: SourceSpec,
}

impl Source {
    /// Reads the server's inbox over an encrypted connection, unless the settings say otherwise.
    pub fn of(server: &Dovecot, settings: Value) -> Self {
        Self::with_password(server, settings, DOVECOT_PASSWORD)
    }

    pub fn with_password(server: &Dovecot, settings: Value, password: &str) -> Self {
        let mut config = json!({ "host": "127.0.0.1", "port": server.tls_port, "username": DOVECOT_USER });
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let secrets = Secrets::from_iter([(SecretType::Password, password.to_owned().into())]);
        Self {
            connectors: connectors(Some(server.ca_file())),
            spec: SourceSpec::parse("imap", &config).unwrap().with_secrets(secrets),
        }
    }

    /// Lists all pages of at most `limit` mails.
    pub async fn list(&self, checkpoint: Option<&str>, limit: usize) -> Result<Page, ConnectorError> {
        let (mut all, mut cursor) = (Page::default(), None::<String>);
        loop {
            let listing = Listing { checkpoint, limit, ..Listing::from_cursor(cursor.as_deref()) };
            let page = self.connectors.list(&self.spec, listing).await?;
            assert!(page.entries.len() <= limit);
            all.entries.extend(page.entries);
            all.unreadable += page.unreadable;
            (all.unlisted, all.checkpoint) = (page.unlisted, page.checkpoint);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Reads one document.
    pub async fn read(&self, entry: &Entry) -> Result<Vec<u8>, ConnectorError> {
        let mut read = self.read_all(std::slice::from_ref(entry)).await?;
        read.pop().unwrap()
    }

    /// Reads documents in one session.
    pub async fn read_all(
        &self,
        entries: &[Entry],
    ) -> Result<Vec<Result<Vec<u8>, ConnectorError>>, ConnectorError> {
        let locations = entries.iter().map(|entry| entry.location.clone()).collect();
        let session = self.connectors.session(&self.spec, locations).await?;
        let mut all = Vec::new();
        for entry in entries {
            let read = async {
                let mut reader = session.open(&entry.location).await?;
                assert_eq!(reader.change_hint(), entry.change_hint.as_deref());
                let mut bytes = Vec::new();
                while let Some(piece) = reader.next().await? {
                    bytes.extend_from_slice(&piece);
                }
                Ok(bytes)
            };
            all.push(read.await);
        }
        Ok(all)
    }
}

pub fn connectors(ca_file: Option<PathBuf>) -> Connectors {
    let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let config = EgressConfig { ca_file, ..EgressConfig::new("127.0.0.1".parse().unwrap()) };
    Connectors::new(&sdk, Egress::new(config).unwrap(), SourcePolicy::new(vec![], "staging", None, &[]))
}

/// A mail with lines as they are sent.
pub fn mail(subject: &str, body: &str) -> String {
    format!(
        "From: Grace Hopper <Grace@example.org>\r\nTo: ada@example.org, \"B, b\" <b@example.org>\r\n\
         Date: Fri, 27 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{}@example.org>\r\nSubject: {subject}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n",
        subject.replace(' ', "/")
    )
}

/// The subjects of the documents, sorted.
pub fn titles(page: &Page) -> Vec<&str> {
    let mut titles: Vec<&str> = page.entries.iter().filter_map(|entry| entry.title.as_deref()).collect();
    titles.sort_unstable();
    titles
}

/// The paths of the documents, sorted.
pub fn paths(page: &Page) -> Vec<&str> {
    let mut paths: Vec<&str> = page.entries.iter().map(|entry| entry.file_path.as_str()).collect();
    paths.sort_unstable();
    paths
}
