//! robots.txt: what a site asks crawlers to leave out, and how fast they may read the rest, RFC 9309.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egress::{Egress, EgressError, Method, Url};
use texting_robots::Robot;
use tokio::time::Instant;

use crate::ConnectorError;
use crate::web::scope::origin;

/// The name by which robots.txt addresses this crawler.
const AGENT: &str = "semantik";
/// How long rules are used before they are read again; the standard allows a day.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// The most bytes of a robots.txt; crawlers must read at least 500 KiB.
const MAX_BYTES: u64 = 512 * 1024;
/// The longest time for a robots.txt.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The longest pause between two requests that a site can ask for: a longer one would be a refusal that says so
/// nowhere.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The rules of the sites that this process has visited lately. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RobotsCache(Arc<Mutex<HashMap<String, Arc<Rules>>>>);

/// The rules of one site.
pub(crate) struct Rules {
    read_at: Instant,
    /// `None` if the site has none: everything is allowed.
    robot: Option<Robot>,
    /// When the next request may be sent.
    next: Mutex<Instant>,
}

impl RobotsCache {
    /// Returns the rules of the URL's site, and reads them if they are not known or old.
    ///
    /// # Errors
    /// Returns a retryable error if the site does not answer: then nothing of it may be read, either.
    pub(crate) async fn rules_for(&self, egress: &Egress, url: &Url) -> Result<Arc<Rules>, ConnectorError> {
        let site = origin(url);
        let known = self.lock().get(&site).cloned();
        if let Some(rules) = known.filter(|rules| rules.read_at.elapsed() < FRESH_FOR) {
            return Ok(rules);
        }
        let robot = read(egress, url).await?;
        let (read_at, next) = (Instant::now(), Mutex::new(Instant::now()));
        let rules = Arc::new(Rules { read_at, robot, next });
        let mut cache = self.lock();
        // A process visits few sites at a time; those of the past need not be kept.
        cache.retain(|_, rules| rules.read_at.elapsed() < FRESH_FOR);
        cache.insert(site, Arc::clone(&rules));
        Ok(rules)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Rules>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(egress: &Egress, url: &Url) -> Result<Option<Robot>, ConnectorError> {
    let mut place = url.clone();
    place.set_path("/robots.txt");
    place.set_query(None);
    let response = egress.request(Method::GET, place.as_str()).timeout(TIMEOUT).send().await?;
    let status = response.status();
    if status.is_client_error() && status != egress::StatusCode::TOO_MANY_REQUESTS {
        return Ok(None);
    }
    let response = response.error_for_status()?;
    let body = match response.bytes(MAX_BYTES).await {
        Ok(body) => body,
        Err(error @ EgressError::TooLarge { .. }) => {
            let message = format!("the site's robots.txt cannot be used: {error}");
            return Err(ConnectorError::Forbidden { what: place.to_string(), reason: message });
        }
        Err(error) => return Err(error.into()),
    };
    // Rules that cannot be parsed are no rules.
    Ok(Robot::new(AGENT, &body).ok())
}

impl Rules {
    /// Refuses a page that the site asks crawlers to leave out.
    pub(crate) fn require(&self, url: &Url) -> Result<(), ConnectorError> {
        if self.robot.as_ref().is_none_or(|robot| robot.allowed(url.as_str())) {
            return Ok(());
        }
        let reason = "the site's robots.txt asks crawlers to leave it out".to_owned();
        Err(ConnectorError::Forbidden { what: url.to_string(), reason })
    }

    /// The sitemaps that the site names.
    pub(crate) fn sitemaps(&self) -> Vec<Url> {
        let named = self.robot.iter().flat_map(|robot| &robot.sitemaps);
        named.filter_map(|sitemap| Url::parse(sitemap).ok()).collect()
    }

    /// The pause between two requests that the site asks for.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let seconds = self.robot.as_ref()?.delay?;
        let pause = Duration::try_from_secs_f32(seconds).ok()?;
        (!pause.is_zero()).then_some(pause.min(LONGEST_PAUSE))
    }

    /// Waits until the next request may be sent.
    pub(crate) async fn wait(&self) {
        let Some(pause) = self.pause() else {
            return;
        };
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + pause;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rules").field("has_rules", &self.robot.is_some()).finish_non_exhaustive()
    }
}
