//! Crawls of a website of the test's own, step by step: what is requested, and what a stopped crawl costs.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use connectors::{Connectors, DuePage, KnownPage, Listing, Page, SourcePolicy, SourceSpec};
use domain::{Classify, ErrorKind};
use egress::{Egress, EgressConfig, StatusCode, header};
use serde_json::json;

/// A site of pages that each link to the next ones, with ETags, which records its requests.
struct Site {
    url: String,
    behaviour: Arc<Behaviour>,
}

#[derive(Default)]
struct Behaviour {
    requests: Mutex<Vec<String>>,
    pages: AtomicUsize,
    /// Part of every ETag.
    version: AtomicUsize,
    /// Status and body of robots.txt.
    robots: Mutex<(u16, &'static str)>,
    /// Requests after which the site answers 429.
    throttles_after: Mutex<Option<usize>>,
}

async fn answer(State(behaviour): State<Arc<Behaviour>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let count = {
        let mut requests = behaviour.requests.lock().unwrap();
        requests.push(path.clone());
        requests.len()
    };
    if path == "/robots.txt" {
        let (status, body) = *behaviour.robots.lock().unwrap();
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    if behaviour.throttles_after.lock().unwrap().is_some_and(|after| count > after) {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]).into_response();
    }
    let pages = behaviour.pages.load(Ordering::Relaxed);
    if path == "/moved" {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "https://elsewhere.example.org/")])
            .into_response();
    }
    let number = path.strip_prefix("/p").and_then(|number| number.parse::<usize>().ok());
    let Some(number) = number.filter(|number| *number < pages) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{number}-{}\"", behaviour.version.load(Ordering::Relaxed));
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|given| given == etag.as_str()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let children = (number * 4 + 1..number * 4 + 5).filter(|child| *child < pages);
    let links: String = children.map(|child| format!("<a href=\"/p{child}\">")).collect();
    let html = format!("<title>{number}</title><p>Page {number}</p>{links}<a href=\"/p{}\">", number / 2);
    ([(header::CONTENT_TYPE, "text/html"), (header::ETAG, etag.as_str())], html).into_response()
}

impl Site {
    async fn start(pages: usize) -> Self {
        let behaviour = Arc::new(Behaviour { pages: pages.into(), ..Behaviour::default() });
        *behaviour.robots.lock().unwrap() = (404, "");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&behaviour));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, behaviour }
    }

    fn source(&self) -> SourceSpec {
        let start = format!("{}/p0", self.url);
        SourceSpec::parse("web", &json!({ "start_url": start, "follow": "links" })).unwrap()
    }

    fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.behaviour.requests.lock().unwrap())
    }
}

fn connectors() -> Connectors {
    let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let egress = Egress::new(EgressConfig::new("127.0.0.1".parse().unwrap())).unwrap();
    Connectors::new(&sdk, egress, SourcePolicy::default())
}

/// What the caller of a crawl stores, in memory.
#[derive(Default)]
struct Memory {
    cursor: Option<String>,
    found: BTreeSet<String>,
    due: Vec<DuePage>,
    known: BTreeMap<String, KnownPage>,
    documents: Vec<String>,
    contents: usize,
}

impl Memory {
    /// Begins another crawl with what the last one left.
    fn again(self) -> Self {
        Self { known: self.known, ..Self::default() }
    }

    fn is_complete(&self) -> bool {
        self.cursor.is_some() && self.due.is_empty()
    }

    /// One step.
    async fn step(
        &mut self,
        connectors: &Connectors,
        spec: &SourceSpec,
    ) -> Result<usize, connectors::ConnectorError> {
        let due = &self.due[..self.due.len().min(DuePage::MAX)];
        let cursor = self.cursor.as_deref();
        let listing = Listing { due, ..Listing::from_cursor(cursor) };
        let page = connectors.list(spec, listing).await?;
        let visited = page.crawl.visited.len();
        self.store(page);
        Ok(visited)
    }

    fn store(&mut self, page: Page) {
        for visited in &page.crawl.visited {
            self.due.retain(|due| due.url != visited.url);
            if let Some(known) = &visited.known {
                self.known.insert(visited.url.clone(), known.clone());
            }
        }
        for found in page.crawl.found {
            if self.found.insert(found.url.clone()) {
                let known = self.known.get(&found.url).cloned();
                self.due.push(DuePage { url: found.url, depth: found.depth, known });
            }
        }
        self.contents += page.entries.iter().filter(|entry| entry.content.is_some()).count();
        self.documents.extend(page.entries.into_iter().map(|entry| entry.uri));
        self.cursor = page.next;
    }

    async fn crawl(&mut self, connectors: &Connectors, spec: &SourceSpec) {
        while !self.is_complete() {
            self.step(connectors, spec).await.unwrap();
        }
    }
}

fn assert_distinct(requests: &[String]) {
    let distinct: BTreeSet<&String> = requests.iter().collect();
    assert_eq!(distinct.len(), requests.len(), "no page is requested twice: {requests:?}");
}

#[tokio::test]
async fn a_crawl_requests_every_page_once_and_again_only_with_its_etag() {
    let site = Site::start(401).await;
    let (connectors, spec) = (connectors(), site.source());
    let mut memory = Memory::default();
    let started = Instant::now();
    memory.crawl(&connectors, &spec).await;
    let seconds = started.elapsed().as_secs_f64();
    let requests = site.take_requests();
    assert_eq!((memory.documents.len(), memory.contents), (401, 401));
    assert_distinct(&requests);
    assert_eq!(requests.len(), 402, "and robots.txt");
    eprintln!("first crawl: 401 documents, {} requests, {seconds:.2} s", requests.len());

    let mut memory = memory.again();
    let started = Instant::now();
    memory.crawl(&connectors, &spec).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(
        (memory.documents.len(), memory.contents),
        (401, 0),
        "all answer 304, and their links are known"
    );
    eprintln!("unchanged crawl: 401 documents, {} requests, {seconds:.2} s", site.take_requests().len());

    site.behaviour.version.store(1, Ordering::Relaxed);
    let mut memory = memory.again();
    memory.crawl(&connectors, &spec).await;
    assert_eq!(memory.contents, 401);
}

#[tokio::test]
async fn a_crawl_that_is_stopped_goes_on_where_it_was() {
    let site = Site::start(101).await;
    let spec = site.source();
    let mut memory = Memory::default();
    // A new process takes each step, and the one before is forgotten.
    while !memory.is_complete() {
        let visited = memory.step(&connectors(), &spec).await.unwrap();
        assert!(visited <= DuePage::MAX, "{visited}");
    }
    assert_eq!(memory.documents.len(), 101);
    let pages: Vec<String> = site.take_requests().into_iter().filter(|path| path != "/robots.txt").collect();
    assert_distinct(&pages);
}

#[tokio::test]
async fn what_was_visited_before_a_site_throttles_is_kept() {
    let site = Site::start(40).await;
    let (connectors, spec) = (connectors(), site.source());
    *site.behaviour.throttles_after.lock().unwrap() = Some(12);
    let mut memory = Memory::default();
    let error = loop {
        if let Err(error) = memory.step(&connectors, &spec).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert_eq!(memory.documents.len(), 11, "robots.txt was the other request");
    *site.behaviour.throttles_after.lock().unwrap() = None;
    memory.crawl(&connectors, &spec).await;
    assert_eq!(memory.documents.len(), 40);
}

#[tokio::test]
async fn robots_txt_decides_what_is_read_and_how_fast() {
    let site = Site::start(6).await;
    let rules = "User-agent: *\nDisallow: /\n\nUser-agent: semantik\nDisallow: /p2\nCrawl-delay: 0.2\n";
    *site.behaviour.robots.lock().unwrap() = (200, rules);
    let mut memory = Memory::default();
    let started = Instant::now();
    memory.crawl(&connectors(), &site.source()).await;
    let read: Vec<String> = memory.documents.iter().map(|uri| uri.replace(&site.url, "")).collect();
    assert_eq!(read, ["/p0", "/p1", "/p3", "/p4", "/p5"]);
    assert!(started.elapsed() >= Duration::from_millis(800), "{:?}", started.elapsed());
    assert!(!site.take_requests().contains(&"/p2".to_owned()));
}

#[tokio::test]
async fn a_site_whose_rules_cannot_be_read_is_not_read() {
    let site = Site::start(2).await;
    *site.behaviour.robots.lock().unwrap() = (503, "");
    let error = connectors().list(&site.source(), Listing::from_cursor(None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(site.take_requests().iter().all(|path| path == "/robots.txt"));
}

#[tokio::test]
async fn a_start_page_that_is_gone_fails_the_listing() {
    let site = Site::start(0).await;
    let (connectors, spec) = (connectors(), site.source());
    let mut memory = Memory::default();
    memory.step(&connectors, &spec).await.unwrap();
    let error = memory.step(&connectors, &spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_website_that_has_moved_fails_the_listing_and_is_not_empty() {
    let site = Site::start(1).await;
    let config = json!({ "start_url": format!("{}/moved", site.url), "follow": "links" });
    let (connectors, spec) = (connectors(), SourceSpec::parse("web", &config).unwrap());
    let mut memory = Memory::default();
    memory.step(&connectors, &spec).await.unwrap();
    let error = memory.step(&connectors, &spec).await.unwrap_err();
    assert_eq!(error.field(), Some("start_url"));
    assert!(error.to_string().contains("leads to https://elsewhere.example.org/"), "{error}");
}
