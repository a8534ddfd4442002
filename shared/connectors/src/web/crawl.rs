//! Visits the due pages of a crawl, within a scope, as the site's robots.txt allows.

use std::collections::HashSet;

use domain::{Classify, ErrorKind};
use egress::{HeaderMap, Url};
use futures_util::future::join_all;

use super::scope::Scope;
use super::visit::{Visit, Visitor, entry};
use crate::{ConnectorError, DuePage, Entry, FoundPage, KnownPage, Listing, Page, PageFailure, VisitedPage};

/// The cursor of a crawl counts its steps, so that of two processes that take the same one, only one goes on. Which
/// pages follow is known by the due pages.
fn next_step(cursor: Option<&str>) -> String {
    let step: u64 = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
    (step + 1).to_string()
}

/// The rules of one crawl.
#[derive(Debug)]
pub(crate) struct Crawl<'a> {
    pub(crate) visitor: Visitor<'a>,
    /// The page without which there is no crawl.
    pub(crate) start: Option<&'a Url>,
    /// Links that lead further away from the start are not followed.
    pub(crate) max_depth: u32,
    /// Whether links on pages are followed; those in sitemaps are.
    pub(crate) follows_links: bool,
}

/// One page that was visited, or that a request showed to be throttled.
enum Outcome {
    Visited(Box<(DuePage, Visit)>),
    Throttled(ConnectorError),
}

fn visited(due: DuePage, visit: Visit) -> Outcome {
    Outcome::Visited(Box::new((due, visit)))
}

impl Crawl<'_> {
    /// Begins with these pages.
    pub(crate) fn begin(pages: impl IntoIterator<Item = Url>) -> Page {
        let found = pages.into_iter().map(|url| FoundPage { url: url.into(), depth: 0 });
        let mut page = Page { next: Some(next_step(None)), ..Page::default() };
        page.crawl.found = found.collect();
        page
    }

    /// Visits the due pages, all at once unless their site asks for pauses.
    pub(crate) async fn visit_due(&self, listing: Listing<'_>) -> Result<Page, ConnectorError> {
        let outcomes = join_all(listing.due.iter().cloned().map(|due| self.visit(due))).await;
        let mut page = Page { next: Some(next_step(listing.cursor)), ..Page::default() };
        let mut throttled = None;
        for outcome in outcomes {
            match outcome {
                Outcome::Visited(visited) => {
                    let (due, visit) = *visited;
                    self.record(&mut page, due, visit)?;
                }
                Outcome::Throttled(error) => throttled = Some(error),
            }
        }
        // What was visited is stored first; the rest is due again.
        match throttled {
            Some(error) if page.crawl.visited.is_empty() => Err(error),
            _ => Ok(page),
        }
    }

    async fn visit(&self, due: DuePage) -> Outcome {
        let Ok(url) = Url::parse(&due.url) else {
            return visited(due, Visit::Gone);
        };
        let clients = self.visitor.clients;
        let rules = match clients.robots.rules_for(&clients.egress, &url).await {
            Ok(rules) => rules,
            Err(error) if is_throttled(&error) => return Outcome::Throttled(error),
            Err(error) => return visited(due, Visit::Failed(error)),
        };
        if let Err(error) = rules.require(&url) {
            return visited(due, Visit::Failed(error));
        }
        rules.wait().await;
        match self.visitor.visit(&url, &due).await {
            Visit::Failed(error) if is_throttled(&error) => Outcome::Throttled(error),
            visit => visited(due, visit),
        }
    }

    fn record(&self, page: &mut Page, due: DuePage, visit: Visit) -> Result<(), ConnectorError> {
        let is_start = self.start.is_some_and(|start| start.as_str() == due.url);
        let (entry, known) = match visit {
            Visit::Answered { entry, mut known } => {
                let is_page = entry.is_some();
                let target = known.links.first().cloned();
                self.keep_links(&mut known, is_page);
                // Without this, a website that has moved would look empty, and its documents gone.
                if is_start && !is_page && (known.links.is_empty() || self.max_depth == 0) {
                    return Err(moved(&due.url, target));
                }
                (entry.map(|entry| *entry), Some(known))
            }
            Visit::Gone if is_start => return Err(ConnectorError::NotFound { what: due.url }),
            Visit::Gone => (None, Some(KnownPage::default())),
            Visit::Failed(error) if is_start => return Err(error),
            Visit::Failed(error) => {
                let failure = PageFailure {
                    url: due.url.clone(),
                    reason: error.to_string(),
                    is_temporary: error.kind().is_retryable(),
                };
                tracing::warn!(url = failure.url, reason = failure.reason, "a page cannot be read");
                page.crawl.failures.push(failure);
                let is_final = matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid);
                if is_final && due.depth > 0 {
                    (None, Some(KnownPage::default()))
                } else {
                    // Its links may lead to pages that nothing else links to.
                    page.unreadable += u64::from(due.known.is_none());
                    // Read again when it is staged, which says why if it fails again.
                    (Url::parse(&due.url).ok().map(|url| unread(&url)), None)
                }
            }
        };
        let links = known.as_ref().or(due.known.as_ref()).map_or(&[][..], |known| &known.links);
        if due.depth < self.max_depth {
            let found = links.iter().map(|url| FoundPage { url: url.clone(), depth: due.depth + 1 });
            page.crawl.found.extend(found);
        }
        let is_wanted = |entry: &Entry| {
            let url = Url::parse(&entry.uri);
            url.is_ok_and(|url| self.visitor.scope.is_none_or(|scope| scope.includes(&url)))
        };
        page.entries.extend(entry.filter(is_wanted));
        page.crawl.visited.push(VisitedPage { url: due.url, known });
        Ok(())
    }

    /// Keeps the links that the crawl may follow, each once. A page that is no document leads to others even where the
    /// links of pages are not followed: it redirects, or is a sitemap.
    fn keep_links(&self, known: &mut KnownPage, is_page: bool) {
        let Some(scope) = self.visitor.scope.filter(|_| self.follows_links || !is_page) else {
            known.links.clear();
            return;
        };
        let mut seen = HashSet::new();
        known.links.retain(|link| may_follow(scope, link) && seen.insert(link.clone()));
    }
}

/// The error for a start page that is no document and leads to no page of the crawl.
fn moved(url: &str, target: Option<String>) -> ConnectorError {
    let target = target.unwrap_or_else(|| "no other page".to_owned());
    let message = format!(
        "no page to start from; a page or sitemap of the website allowed, got {url}, which leads to {target}: \
         set that address, or a wider path_prefix or max_depth"
    );
    ConnectorError::invalid("start_url", message)
}

/// Sitemaps name others outside the folder that is crawled.
fn may_follow(scope: &Scope, link: &str) -> bool {
    let is_sitemap = |url: &Url| scope.is_on_host(url) && url.path().contains("sitemap");
    Url::parse(link).is_ok_and(|url| scope.contains(&url) || is_sitemap(&url))
}

/// The document of a page that did not answer.
fn unread(url: &Url) -> Entry {
    Entry { change_hint: None, ..entry(url, &HeaderMap::new(), String::new()) }
}

fn is_throttled(error: &ConnectorError) -> bool {
    let ConnectorError::Egress(cause) = error else {
        return false;
    };
    error.kind() == ErrorKind::Throttled || cause.retry_after().is_some()
}
