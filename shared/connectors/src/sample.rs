//! A try of a source: reaches it, signs in, and lists its first documents.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use crate::{ConnectorError, Connectors, DuePage, Entry, Listing, PageFailure, SourceSpec};

/// The first documents of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The documents, without their bytes.
    pub entries: Vec<Entry>,
    /// Whether the source has no more.
    pub is_complete: bool,
    /// Pages of a website that could not be read.
    pub failures: Vec<PageFailure>,
}

impl Connectors {
    /// Lists up to `limit` documents of a source, until about `until`. Stores nothing, and reads no document that the
    /// listing does not need.
    ///
    /// # Errors
    /// Returns what a run of the source would fail with.
    pub async fn sample(
        &self,
        spec: &SourceSpec,
        limit: usize,
        until: Instant,
    ) -> Result<Sample, ConnectorError> {
        let (mut entries, mut failures) = (Vec::new(), Vec::new());
        let mut found = HashSet::new();
        let mut due: VecDeque<DuePage> = VecDeque::new();
        let mut cursor: Option<String> = None;
        loop {
            let remaining = limit - entries.len();
            let visited: Vec<DuePage> = due.drain(..due.len().min(remaining)).collect();
            let listing = Listing {
                cursor: cursor.as_deref(),
                checkpoint: None,
                due: &visited,
                limit: remaining,
                until,
            };
            let page = self.list(spec, listing).await?;
            // A step that ran out of time leaves pages to the next one.
            let left = visited
                .into_iter()
                .filter(|page_due| !page.crawl.visited.iter().any(|visited| visited.url == page_due.url));
            let left: Vec<DuePage> = left.collect();
            for page in left.into_iter().rev() {
                due.push_front(page);
            }
            for page in page.crawl.found {
                if found.insert(page.url.clone()) {
                    due.push_back(DuePage { url: page.url, depth: page.depth, known: None });
                }
            }
            // A page that failed is listed, so that a run says why.
            let has_failed = |entry: &Entry| page.crawl.failures.iter().any(|failed| failed.url == entry.uri);
            let read = page.entries.into_iter().filter(|entry| !has_failed(entry));
            entries.extend(read.map(|entry| Entry { content: None, ..entry }));
            failures.extend(page.crawl.failures);
            entries.truncate(limit);
            let is_crawled = spec.crawl_limit().is_some();
            let is_complete = if is_crawled { due.is_empty() } else { page.next.is_none() };
            if is_complete || entries.len() >= limit || Instant::now() >= until {
                return Ok(Sample { entries, is_complete, failures });
            }
            cursor = page.next;
        }
    }
}
