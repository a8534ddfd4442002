//! What is remembered of the pages of a source that is crawled.
//!
//! A crawl goes from page to page along their links. What it has found and visited is stored by the caller, page by
//! page, so that a crawl that was stopped goes on where it was, and that a page that has not changed need not be
//! transferred for its links.

/// A page to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// Its URL, without fragment.
    pub url: String,
    /// The number of links that lead to it from a page where the crawl starts.
    pub depth: u32,
    /// What the last visit in an earlier crawl left.
    pub known: Option<KnownPage>,
}

impl DuePage {
    /// The most pages that are visited in one page of a listing: as many as are requested at once, so that a process that
    /// dies has requested no other page in vain.
    pub const MAX: usize = 4;
}

/// What a visit leaves of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownPage {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
    /// The change hint of its document; `None` if the page is no document: it redirects, names another page as the
    /// canonical one, or asks not to be indexed.
    pub change_hint: Option<String>,
    /// The pages that it links to, within the source.
    pub links: Vec<String>,
}

/// What was found in one page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrawlStep {
    /// Pages to visit, unless this crawl has found them before.
    pub found: Vec<FoundPage>,
    /// The due pages that were visited, each once.
    pub visited: Vec<VisitedPage>,
    /// Why some of them could not be read.
    pub failures: Vec<PageFailure>,
}

/// A page that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageFailure {
    /// Its URL.
    pub url: String,
    /// Why, and what to do.
    pub reason: String,
    /// Whether a later try may succeed.
    pub is_temporary: bool,
}

/// A page that a crawl found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPage {
    /// Its URL, without fragment.
    pub url: String,
    /// The number of links that lead to it.
    pub depth: u32,
}

/// A page that a crawl visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitedPage {
    /// Its URL, as in [`DuePage`].
    pub url: String,
    /// What to remember of it; `None` keeps what was known, because the page did not answer.
    pub known: Option<KnownPage>,
}
