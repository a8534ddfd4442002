//! Web pages that are named one by one.

use std::sync::Arc;

use domain::SecretType;
use egress::Url;
use serde_json::json;

use crate::clients::Clients;
use crate::field::ON_MISSING;
use crate::reader::Reading;
use crate::session::{Open, Session, without_connection};
use crate::settings::Settings;
use crate::source::Source;
use crate::web::crawl::Crawl;
use crate::web::scope::parse_url;
use crate::web::visit::{MAX_PAGE_BYTES, Visitor, max_page_bytes, open_page};
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField, SourceReader};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: domain::SourceType::new("url"),
    name: "Web pages",
    description: "Web pages and files at addresses that are named one by one.",
    fields: &[
        ConfigField {
            name: "urls",
            value: FieldValue::RequiredUrls,
            description: "The addresses, at most 1000. Redirects are followed.",
        },
        MAX_PAGE_BYTES,
        ON_MISSING,
    ],
    secrets: &[SecretField {
        secret_type: SecretType::Token,
        is_required: false,
        description: "Sent as a bearer token to these addresses, for pages that need one.",
    }],
    example: || json!({ "urls": ["https://docs.example.org/handbook.html"] }),
    settings_of_path: |path| {
        let is_web = path.starts_with("https://") || path.starts_with("http://");
        is_web.then(|| json!({ "urls": [path] }))
    },
    parse: |settings| Ok(Arc::new(Pages::parse(settings)?)),
};

#[derive(Debug)]
struct Pages {
    urls: Vec<Url>,
    max_bytes: u64,
}

impl Pages {
    fn parse(settings: &Settings) -> Result<Self, ConnectorError> {
        let urls = settings.texts("urls").into_iter().map(|url| parse_url("urls", url));
        Ok(Self { urls: urls.collect::<Result<_, _>>()?, max_bytes: max_page_bytes(settings) })
    }

    fn visitor<'a>(&self, clients: &'a Clients) -> Visitor<'a> {
        Visitor { clients, max_bytes: self.max_bytes, scope: None }
    }
}

impl Source for Pages {
    /// The first address, and how many follow.
    fn source_path(&self) -> String {
        let first = self.urls.first().map_or("", Url::as_str);
        match self.urls.len() {
            0 | 1 => first.to_owned(),
            count => format!("{first} and {} more", count - 1),
        }
    }

    fn crawl_limit(&self) -> Option<usize> {
        Some(self.urls.len())
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(async move {
            if listing.cursor.is_none() {
                return Ok(Crawl::begin(self.urls.iter().cloned()));
            }
            let visitor = self.visitor(clients);
            Crawl { visitor, start: None, max_depth: 0, follows_links: false }.visit_due(listing).await
        })
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        without_connection(self, clients)
    }
}

impl Open for Pages {
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            let url = parse_url("location", location)?;
            if !self.urls.contains(&url) {
                let message = format!("{url} is not a document of the source {}", self.source_path());
                return Err(ConnectorError::invalid("location", message));
            }
            open_page(&self.visitor(clients), &url).await
        })
    }
}
