//! Visits one page: requests it, unless it is as it was, and finds its document and its links.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Classify, ErrorKind, SecretType};
use egress::{HeaderMap, Method, Redirects, Response, StatusCode, Url, header};
use sha2::{Digest, Sha256};

use super::html::{self, Directives};
use super::scope::Scope;
use super::sitemap;
use crate::clients::Clients;
use crate::listing::{last_segment, mime_type};
use crate::settings::Settings;
use crate::{ConfigField, ConnectorError, DuePage, Entry, FieldValue, KnownPage, SourceReader};

/// The longest time for a page.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) const MAX_PAGE_BYTES: ConfigField = ConfigField {
    name: "max_page_bytes",
    value: FieldValue::Integer { default: 10_000_000, min: 1000, max: 50_000_000 },
    description: "The most bytes of a page or file. A larger one fails.",
};

/// The setting [`MAX_PAGE_BYTES`].
pub(crate) fn max_page_bytes(settings: &Settings) -> u64 {
    settings.number(MAX_PAGE_BYTES.name)
}

/// What a visit of a page found.
#[derive(Debug)]
pub(crate) enum Visit {
    /// The page answered.
    Answered {
        /// Its document, unless it is none.
        entry: Option<Box<Entry>>,
        /// What to remember of it.
        known: KnownPage,
    },
    /// There is no such page.
    Gone,
    /// The page or its site is temporarily unavailable, or refuses the request.
    Failed(ConnectorError),
}

/// Requests pages for one source.
#[derive(Debug)]
pub(crate) struct Visitor<'a> {
    pub(crate) clients: &'a Clients,
    /// The most bytes of a page.
    pub(crate) max_bytes: u64,
    /// The pages of a crawl, in which a page that redirects, or names another one of the scope as the canonical one, is
    /// no document. Without a scope, the document is what the URL leads to.
    pub(crate) scope: Option<&'a Scope>,
}

impl Visitor<'_> {
    pub(crate) async fn visit(&self, url: &Url, due: &DuePage) -> Visit {
        match self.try_visit(url, due).await {
            Ok(visit) => visit,
            Err(error) if error.kind() == ErrorKind::NotFound => Visit::Gone,
            Err(error) => Visit::Failed(error),
        }
    }

    async fn try_visit(&self, url: &Url, due: &DuePage) -> Result<Visit, ConnectorError> {
        let response = self.request(url, due.known.as_ref()).await?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED
            && let Some(known) = &due.known
        {
            let entry = known.change_hint.as_ref().map(|hint| entry(url, response.headers(), hint.clone()));
            let entry = entry.map(Box::new);
            return Ok(Visit::Answered { entry, known: known.clone() });
        }
        if status.is_redirection() {
            let target = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let target = target.and_then(|target| url.join(target).ok());
            let links = target.iter().map(without_fragment).collect();
            return Ok(Visit::Answered { entry: None, known: KnownPage { links, ..KnownPage::default() } });
        }
        let response = response.error_for_status()?;
        let found = response.url().clone();
        let headers = response.headers().clone();
        let body = response.bytes(self.max_bytes).await?;
        Ok(self.read(url, &found, &headers, body))
    }

    async fn request(&self, url: &Url, known: Option<&KnownPage>) -> Result<Response, ConnectorError> {
        let redirects = if self.scope.is_some() { Redirects::Return } else { Redirects::Follow(10) };
        let request = self.clients.egress.request(Method::GET, url.as_str());
        let mut request = request.redirects(redirects).timeout(TIMEOUT).limit(self.max_bytes);
        if let Some(token) = self.clients.secrets.get(SecretType::Token) {
            request = request.bearer(token);
        }
        if let Some(known) = known {
            if let Some(etag) = &known.etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            if let Some(time) = &known.last_modified {
                request = request.header(header::IF_MODIFIED_SINCE, time);
            }
        }
        Ok(request.send().await?)
    }

    fn read(&self, url: &Url, found: &Url, headers: &HeaderMap, body: Bytes) -> Visit {
        let mut known = KnownPage {
            etag: text(headers, header::ETAG),
            last_modified: text(headers, header::LAST_MODIFIED),
            ..KnownPage::default()
        };
        if sitemap::is_sitemap(&body) {
            known.links = sitemap::read(&body).iter().map(without_fragment).collect();
            return Visit::Answered { entry: None, known };
        }
        let mut directives = Directives::default();
        for value in headers.get_all("x-robots-tag") {
            directives.add(value.to_str().unwrap_or_default());
        }
        let mut is_document = true;
        if is_html(headers, &body) {
            let head = html::read(&String::from_utf8_lossy(&body), found);
            directives.noindex |= head.directives.noindex;
            directives.nofollow |= head.directives.nofollow;
            known.links = head.links.iter().map(Url::to_string).collect();
            if directives.nofollow {
                known.links.clear();
            }
            let is_another = |canonical: &Url| {
                canonical != found && self.scope.is_some_and(|scope| scope.includes(canonical))
            };
            if let Some(canonical) = head.canonical.filter(is_another) {
                known.links.insert(0, canonical.into());
                is_document = false;
            }
        }
        is_document &= !directives.noindex && !is_media(headers);
        let hint = is_document.then(|| change_hint(&known, &body));
        known.change_hint.clone_from(&hint);
        let entry = hint.map(|hint| {
            Box::new(Entry {
                size_bytes: body.len() as u64,
                content: Some(body),
                ..entry(url, headers, hint)
            })
        });
        Visit::Answered { entry, known }
    }
}

/// Opens a page as a document, if its site lets crawlers read it.
pub(crate) async fn open_page(visitor: &Visitor<'_>, url: &Url) -> Result<SourceReader, ConnectorError> {
    let clients = visitor.clients;
    let rules = clients.robots.rules_for(&clients.egress, url).await?;
    rules.require(url)?;
    rules.wait().await;
    let response = visitor.request(url, None).await?.error_for_status()?;
    let headers = response.headers().clone();
    let known = KnownPage {
        etag: text(&headers, header::ETAG),
        last_modified: text(&headers, header::LAST_MODIFIED),
        ..KnownPage::default()
    };
    let body = response.bytes(visitor.max_bytes).await?;
    Ok(SourceReader::of_bytes(Some(change_hint(&known, &body)), body))
}

/// The document of a page, without its bytes.
pub(crate) fn entry(url: &Url, headers: &HeaderMap, change_hint: String) -> Entry {
    let file_path = match url.query() {
        Some(query) => format!("{}?{query}", url.path().trim_start_matches('/')),
        None => url.path().trim_start_matches('/').to_owned(),
    };
    let name = last_segment(url.path().trim_end_matches('/'));
    let file_name = if name.is_empty() { url.host_str().unwrap_or_default() } else { name };
    Entry {
        uri: url.to_string(),
        location: url.to_string(),
        file_name: file_name.to_owned(),
        file_path: if file_path.is_empty() { file_name.to_owned() } else { file_path },
        change_hint: Some(change_hint),
        mime_type: text(headers, header::CONTENT_TYPE).or_else(|| mime_type(file_name)),
        modified_at: text(headers, header::LAST_MODIFIED).and_then(|time| parse_time(&time)),
        url: Some(url.to_string()),
        ..Entry::default()
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc())
}

/// The ETag or time that the server declares, or else the hash of the bytes.
pub(crate) fn change_hint(known: &KnownPage, body: &[u8]) -> String {
    known.etag.clone().or_else(|| known.last_modified.clone()).unwrap_or_else(|| {
        let hash: String = Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("sha256-{hash}")
    })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn content_type(headers: &HeaderMap) -> String {
    text(headers, header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase()
}

fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let declared = content_type(headers);
    if declared.is_empty() {
        let head = String::from_utf8_lossy(&body[..body.len().min(512)]).to_ascii_lowercase();
        return head.contains("<html") || head.contains("<!doctype html");
    }
    declared.starts_with("text/html") || declared.starts_with("application/xhtml+xml")
}

/// What no extractor reads; pages link to it often.
fn is_media(headers: &HeaderMap) -> bool {
    let declared = content_type(headers);
    ["video/", "audio/", "font/"].iter().any(|prefix| declared.starts_with(prefix))
}

fn without_fragment(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}
