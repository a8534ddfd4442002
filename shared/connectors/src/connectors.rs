//! The registry of connectors, and what they read with.

mod directory;
mod file;
mod git;
mod github;
mod imap;
mod s3;
mod slack;
mod url;
mod web;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use egress::Egress;

use crate::clients::Clients;
use crate::files::Roots;
use crate::git::cache::TreeCache;
use crate::web::robots::RobotsCache;
use crate::{Connector, ConnectorError, Listing, Page, Secrets, SourcePolicy, SourceSession, SourceSpec};

/// Every connector, by source type.
static CONNECTORS: &[&Connector] = &[
    &directory::CONNECTOR,
    &file::CONNECTOR,
    &git::CONNECTOR,
    &github::CONNECTOR,
    &imap::CONNECTOR,
    &s3::CONNECTOR,
    &slack::CONNECTOR,
    &url::CONNECTOR,
    &web::CONNECTOR,
];

impl Connector {
    /// Every connector, by name.
    pub fn all() -> &'static [&'static Self] {
        CONNECTORS
    }

    /// The connector of this source type.
    pub fn find(source_type: &str) -> Option<&'static Self> {
        CONNECTORS.iter().copied().find(|connector| connector.source_type.as_str() == source_type)
    }

    /// The source types of all connectors, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = CONNECTORS.iter().map(|connector| connector.source_type.as_str()).collect();
        names.join(", ")
    }
}

/// Lists and opens sources with this function's own permissions, within what each was granted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connectors {
    policy: Arc<SourcePolicy>,
    clients: Clients,
}

impl Connectors {
    /// Creates the clients; no request is sent.
    pub fn new(sdk: &SdkConfig, egress: Egress, policy: SourcePolicy) -> Self {
        let roots = Arc::new(Roots::new(policy.directory_roots.clone()));
        let s3 = Client::new(sdk);
        let (robots, git_trees) = (RobotsCache::default(), TreeCache::default());
        let (grants, secrets) = (Arc::default(), Secrets::default());
        let clients = Clients { roots, s3, egress, robots, git_trees, grants, secrets };
        Self { policy: Arc::new(policy), clients }
    }

    /// Lists one page of the source's documents.
    ///
    /// # Errors
    /// Returns `NotFound` if the source does not exist, `Invalid`, `Forbidden` or `SignIn` if it may not be read.
    pub async fn list(&self, spec: &SourceSpec, listing: Listing<'_>) -> Result<Page, ConnectorError> {
        spec.source.list(&self.clients_of(spec)?, listing).await
    }

    /// Begins to read documents at these [`crate::Entry::location`]s.
    ///
    /// # Errors
    /// Returns `NotFound` if the source does not exist, `Invalid`, `Forbidden` or `SignIn` if it may not be read.
    pub async fn session(
        &self,
        spec: &SourceSpec,
        locations: Vec<String>,
    ) -> Result<SourceSession, ConnectorError> {
        let session = Arc::clone(&spec.source).session(self.clients_of(spec)?, locations).await?;
        Ok(SourceSession::new(session))
    }

    /// The clients for a source, if it may be read.
    fn clients_of(&self, spec: &SourceSpec) -> Result<Clients, ConnectorError> {
        spec.authorize(&self.policy)?;
        spec.require_grant()?;
        spec.require_secrets(|secret_type| spec.secrets.contains(secret_type))?;
        Ok(self.clients.of_source(&spec.grants, &spec.secrets))
    }
}

#[cfg(test)]
impl Connectors {
    /// Connectors for folders below this root.
    pub(crate) fn below(root: &std::path::Path) -> Self {
        let sdk = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let policy = SourcePolicy::new(vec![root.to_owned()], "staging", None, &[]);
        Self::new(&sdk, crate::testing::egress(), policy)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::SourceType;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::ConfigField;

    /// The settings of the example whose fields `keep` selects.
    fn example(connector: &Connector, keep: impl Fn(&ConfigField) -> bool) -> Value {
        let whole = (connector.example)();
        let mut settings = Map::new();
        for field in connector.fields.iter().filter(|field| keep(field)) {
            if let Some(value) = whole.get(field.name) {
                settings.insert(field.name.to_owned(), value.clone());
            }
        }
        Value::Object(settings)
    }

    fn parse(connector: &Connector, config: &Value) -> Result<SourceSpec, ConnectorError> {
        SourceSpec::parse(connector.source_type.as_str(), config)
    }

    #[test]
    fn source_types_are_unique_sorted_and_not_that_of_uploads() {
        let listed: Vec<&str> =
            Connector::all().iter().map(|connector| connector.source_type.as_str()).collect();
        let sorted: BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(listed, sorted.into_iter().collect::<Vec<_>>());
        assert!(!listed.contains(&SourceType::UPLOAD.as_str()));
    }

    #[test]
    fn every_example_is_valid_and_has_declared_settings_only() {
        for connector in Connector::all() {
            let whole = (connector.example)();
            assert_eq!(parse(connector, &whole).unwrap().source_type(), &connector.source_type);
            assert_eq!(example(connector, |_| true), whole);
        }
    }

    #[test]
    fn required_settings_and_no_others_must_be_given() {
        for connector in Connector::all() {
            parse(connector, &example(connector, |field| field.value.is_required())).unwrap();
            for required in connector.fields.iter().filter(|field| field.value.is_required()) {
                let error = parse(connector, &example(connector, |field| field.name != required.name));
                assert_eq!(error.unwrap_err().field(), Some(required.name));
            }
        }
    }

    #[test]
    fn declared_defaults_apply() {
        for connector in Connector::all() {
            let least = example(connector, |field| field.value.is_required());
            let config = parse(connector, &least).unwrap().to_config();
            let names: Vec<&str> = config.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, connector.fields.iter().map(|field| field.name).collect::<Vec<_>>());
            for field in connector.fields {
                let expected = field.value.default().unwrap_or_else(|| least[field.name].clone());
                assert_eq!(config[field.name], expected, "{} {}", connector.name, field.name);
            }
        }
    }

    #[test]
    fn value_of_another_type_is_refused_with_its_field() {
        for connector in Connector::all() {
            for field in connector.fields {
                let mut config = (connector.example)();
                config[field.name] = json!({ "of": "no field" });
                assert_eq!(parse(connector, &config).unwrap_err().field(), Some(field.name));
            }
        }
    }
}
