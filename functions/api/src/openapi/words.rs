//! Closed sets of words as named schemas: those that only this function knows, beside [`access::words`].

use access::word_schemas;
use chunking::STRATEGIES;
use connectors::Connector;
use domain::SourceType;

pub(crate) use access::one_of;
pub(crate) use access::words::*;

use crate::collections::fields::SYNC_MODES;

static RECEIVED: [SourceType; 2] = [SourceType::UPLOAD, SourceType::PUSH];

word_schemas! {
    ChunkingStrategy, "Name of a chunking strategy.": STRATEGIES.iter().map(|strategy| strategy.name);
    ConnectorType, "Type of a source that is read.": connector_types();
    SourceKind, "Type of a source: a connector's, or one that receives documents.":
        RECEIVED.iter().map(SourceType::as_str).chain(connector_types());
    SyncMode, "Whether sources are read once, when they are added, or also on a schedule.":
        SYNC_MODES;
    DiscrepancyKind, "What is wrong.": integrity::DiscrepancyKind::ALL.map(integrity::DiscrepancyKind::as_str);
    SettingType, "`text` is a string, `text_list` a list of strings.": ["text", "boolean", "integer", "text_list"];
    ParameterType, "Type of a parameter.": ["integer", "number", "boolean"];
    ComponentState, "Whether a dependency answers.": ["up", "down"];
    SystemStatus, "`degraded` if a dependency is unreachable.": ["healthy", "degraded"];
    HealthStatus, "The function runs.": ["healthy"];
    ReadyStatus, "All dependencies are reachable.": ["ready"];
    SubscribedEvent, "An event that a webhook can subscribe to.": domain::WebhookEvent::subscribable().map(domain::WebhookEvent::as_str);
    TokenType, "The scheme of the `Authorization` header.": ["bearer"];
}

fn connector_types() -> impl Iterator<Item = &'static str> {
    Connector::all().iter().map(|connector| connector.source_type.as_str())
}
