//! The pages of a website, found by its links and sitemaps.

use std::sync::Arc;

use domain::{SecretType, SourceType};
use egress::Url;
use serde_json::json;

use crate::clients::Clients;
use crate::field::{EXCLUDE_PATTERNS, INCLUDE_PATTERNS, ON_MISSING};
use crate::patterns::Patterns;
use crate::reader::Reading;
use crate::session::{Open, Session, without_connection};
use crate::settings::Settings;
use crate::source::Source;
use crate::web::crawl::Crawl;
use crate::web::scope::{Scope, folder, parse_url};
use crate::web::visit::{MAX_PAGE_BYTES, Visitor, max_page_bytes, open_page};
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField, SourceReader};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("web"),
    name: "Website",
    description: "The pages of a website, found by its links and sitemaps, as its robots.txt allows.",
    fields: &[
        ConfigField {
            name: "start_url",
            value: FieldValue::RequiredText,
            description: "The address where the crawl starts: a page, or a sitemap.",
        },
        ConfigField {
            name: "path_prefix",
            value: FieldValue::Text,
            description: "Only pages of the host whose path begins with it; empty for the folder of start_url.",
        },
        ConfigField {
            name: "follow",
            value: FieldValue::Word(&["links_and_sitemaps", "links", "sitemaps"]),
            description: "How pages are found: by links on pages, by sitemaps (those that robots.txt names, else /sitemap.xml), or both.",
        },
        ConfigField {
            name: "max_depth",
            value: FieldValue::Integer { default: 10, min: 0, max: 100 },
            description: "The most links between start_url and a page.",
        },
        ConfigField {
            name: "max_pages",
            value: FieldValue::Integer { default: 1000, min: 1, max: 100_000 },
            description: "The most pages that are visited. Those nearest to start_url come first.",
        },
        MAX_PAGE_BYTES,
        INCLUDE_PATTERNS,
        EXCLUDE_PATTERNS,
        ON_MISSING,
    ],
    secrets: &[SecretField {
        secret_type: SecretType::Token,
        is_required: false,
        description: "Sent as a bearer token to the website, for one that needs it.",
    }],
    example: || json!({ "start_url": "https://docs.example.org/guide/", "exclude_patterns": ["guide/archive/**"] }),
    settings_of_path: |_| None,
    parse: |settings| Ok(Arc::new(Website::parse(settings)?)),
};

#[derive(Debug)]
struct Website {
    start: Url,
    scope: Scope,
    path: String,
    follows_links: bool,
    follows_sitemaps: bool,
    max_depth: u32,
    max_pages: usize,
    max_bytes: u64,
}

impl Website {
    fn parse(settings: &Settings) -> Result<Self, ConnectorError> {
        let start = parse_url("start_url", settings.text("start_url"))?;
        let prefix = match settings.text("path_prefix") {
            "" => folder(&start),
            prefix if prefix.starts_with('/') => prefix.to_owned(),
            prefix => {
                let message = format!("wrong path; one that begins with / allowed, got {prefix:?}");
                return Err(ConnectorError::invalid("path_prefix", message));
            }
        };
        let follow = settings.text("follow");
        Ok(Self {
            path: format!("{}{prefix}", start.origin().ascii_serialization()),
            scope: Scope::new(&start, prefix, Patterns::parse(settings)?),
            start,
            follows_links: follow != "sitemaps",
            follows_sitemaps: follow != "links",
            max_depth: u32::try_from(settings.number("max_depth")).unwrap_or(u32::MAX),
            max_pages: usize::try_from(settings.number("max_pages")).unwrap_or(usize::MAX),
            max_bytes: max_page_bytes(settings),
        })
    }

    fn visitor<'a>(&'a self, clients: &'a Clients) -> Visitor<'a> {
        Visitor { clients, max_bytes: self.max_bytes, scope: Some(&self.scope) }
    }

    async fn begin(&self, clients: &Clients) -> Result<Page, ConnectorError> {
        let mut pages = vec![self.start.clone()];
        let rules = clients.robots.rules_for(&clients.egress, &self.start).await?;
        if self.follows_sitemaps {
            let mut sitemaps = rules.sitemaps();
            sitemaps.retain(|sitemap| self.scope.is_on_host(sitemap));
            if sitemaps.is_empty() {
                sitemaps.extend(self.start.join("/sitemap.xml"));
            }
            pages.extend(sitemaps);
        }
        Ok(Crawl::begin(pages))
    }
}

impl Source for Website {
    /// The folder that is crawled.
    fn source_path(&self) -> String {
        self.path.clone()
    }

    fn crawl_limit(&self) -> Option<usize> {
        Some(self.max_pages)
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(async move {
            if listing.cursor.is_none() {
                return self.begin(clients).await;
            }
            let crawl = Crawl {
                visitor: self.visitor(clients),
                start: Some(&self.start),
                max_depth: self.max_depth,
                follows_links: self.follows_links,
            };
            crawl.visit_due(listing).await
        })
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        without_connection(self, clients)
    }
}

impl Open for Website {
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            let url = parse_url("location", location)?;
            if !self.scope.includes(&url) {
                let message = format!("{url} is not a document of the source {}", self.path);
                return Err(ConnectorError::invalid("location", message));
            }
            open_page(&self.visitor(clients), &url).await
        })
    }
}
