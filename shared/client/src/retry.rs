//! When a request is sent again, and after which pause.

use std::time::{Duration, SystemTime};

use rand::RngExt as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often requests are sent again after a failure that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The retries of a request at most.
    pub attempts: u32,
    /// The upper bound of the first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause that the client chooses itself.
    pub last_pause: Duration,
    /// The longest pause that a server may ask for by `Retry-After`; it fails the request if that is longer.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_pause: Duration::from_millis(250),
            last_pause: Duration::from_secs(20),
            longest_pause: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// Returns whether a response with this status may be another one later.
    pub fn covers(status: StatusCode) -> bool {
        matches!(status.as_u16(), 429 | 502 | 503 | 504)
    }

    /// Returns the pause before the next attempt, or `None` if there is none. `retry_after` is the pause that the server
    /// named.
    ///
    /// Without one, the pause is random up to a bound that doubles (full jitter), so that parallel requests which
    /// failed together do not come back together.
    pub fn pause(&self, failed_attempts: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failed_attempts > self.attempts {
            return None;
        }
        if let Some(retry_after) = retry_after {
            return (retry_after <= self.longest_pause).then_some(retry_after);
        }
        let doubled = self.first_pause.saturating_mul(1 << failed_attempts.saturating_sub(1).min(16));
        let bound = doubled.min(self.last_pause);
        Some(bound.mul_f64(rand::rng().random_range(0.5..=1.0)))
    }
}

/// Reads `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end() {
        let policy = RetryPolicy { attempts: 9, ..RetryPolicy::default() };
        for (failed, most) in [(1, 250), (2, 500), (3, 1000), (7, 16_000), (8, 20_000), (9, 20_000)] {
            let pause = policy.pause(failed, None).unwrap();
            let most = Duration::from_millis(most);
            assert!(pause >= most / 2 && pause <= most, "{failed}: {pause:?}");
        }
        assert_eq!(policy.pause(10, None), None);
    }

    #[test]
    fn the_server_decides_how_long_within_reason() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause(1, Some(Duration::from_secs(90))), Some(Duration::from_secs(90)));
        assert_eq!(policy.pause(1, Some(Duration::from_secs(3600))), None);
        assert_eq!(policy.pause(9, Some(Duration::ZERO)), None, "also when it asks for no pause");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(30));
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        assert_eq!(read("Wed, 21 Oct 1970 07:28:00 GMT").map(|pause| pause > Duration::ZERO), Some(true));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
