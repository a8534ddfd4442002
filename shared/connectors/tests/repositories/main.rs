//! Sources of git, read from git's own HTTP backend and from sshd on this machine, and of GitHub, read from a server that
//! answers as GitHub does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod github;
mod github_server;
mod large;
mod over_http;
mod over_ssh;
mod ssh_server;

use std::collections::BTreeMap;

use connectors::{
    ConnectorError, Connectors, Entry, Listing, Page, Secrets, SourcePolicy, SourceSession, SourceSpec,
};
use domain::SecretType;
use egress::{Egress, EgressConfig};
use serde_json::Value;

/// Connectors that reach servers on this machine.
fn connectors() -> Connectors {
    let sdk =
        aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let egress = Egress::new(EgressConfig::new("127.0.0.1".parse().unwrap())).unwrap();
    Connectors::new(&sdk, egress, SourcePolicy::new(Vec::new(), "staging", None, &[]))
}

fn source(settings: &Value, secrets: &[(SecretType, &str)]) -> SourceSpec {
    source_of("git", settings, secrets)
}

fn source_of(source_type: &str, settings: &Value, secrets: &[(SecretType, &str)]) -> SourceSpec {
    let secrets = secrets.iter().map(|(secret_type, secret)| (*secret_type, (*secret).into()));
    SourceSpec::parse(source_type, settings).unwrap().with_secrets(Secrets::from_iter(secrets))
}

/// The entries of all pages, and the last page.
async fn list_all(
    connectors: &Connectors,
    source: &SourceSpec,
    checkpoint: Option<&str>,
    limit: usize,
) -> Result<(Vec<Entry>, Page), ConnectorError> {
    let (mut entries, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let listing = Listing { checkpoint, limit, ..Listing::from_cursor(cursor.as_deref()) };
        let mut page = connectors.list(source, listing).await?;
        assert!(page.entries.len() <= limit);
        entries.append(&mut page.entries);
        match page.next.take() {
            Some(next) => cursor = Some(next),
            None => return Ok((entries, page)),
        }
    }
}

/// Reads entries as one message does: the bytes or the error of each, by path.
async fn read_all(
    connectors: &Connectors,
    source: &SourceSpec,
    entries: &[Entry],
) -> Result<BTreeMap<String, Result<Vec<u8>, ConnectorError>>, ConnectorError> {
    let locations = entries.iter().map(|entry| entry.location.clone()).collect();
    let session = connectors.session(source, locations).await?;
    let mut contents = BTreeMap::new();
    for entry in entries {
        contents.insert(entry.file_path.clone(), read(&session, entry).await);
    }
    Ok(contents)
}

async fn read(session: &SourceSession, entry: &Entry) -> Result<Vec<u8>, ConnectorError> {
    let mut reader = session.open(&entry.location).await?;
    assert_eq!(reader.change_hint(), entry.change_hint.as_deref());
    let mut content = Vec::new();
    while let Some(piece) = reader.next().await? {
        content.extend_from_slice(&piece);
    }
    assert_eq!(reader.size_bytes(), content.len() as u64);
    Ok(content)
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.file_path.as_str()).collect()
}
