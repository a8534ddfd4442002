//! Rate limits per caller and route, counted in PostgreSQL for all instances of a function.

use std::str::FromStr;
use std::time::Duration;

use db::Connection;
use db::requests::Bucket;
use domain::ErrorKind;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda::http::ApiError;
use thiserror::Error;

/// A rate limit: a token bucket that holds `requests` and refills evenly within `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    requests: u32,
    period: Duration,
}

impl Rate {
    /// A number of requests per minute.
    pub const fn per_minute(requests: u32) -> Self {
        Self { requests, period: Duration::from_secs(60) }
    }

    /// A number of requests per hour.
    pub const fn per_hour(requests: u32) -> Self {
        Self { requests, period: Duration::from_secs(3600) }
    }

    pub(crate) const fn requests(self) -> u32 {
        self.requests
    }

    pub(crate) const fn period(self) -> Duration {
        self.period
    }
}

/// An installation's factor on all declared rate limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimits {
    factor: f64,
}

impl RateLimits {
    /// The limits as declared: factor 1.
    pub const DECLARED: Self = Self { factor: 1.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the product is positive, and far below the largest u32 for any sensible factor"
    )]
    fn of(self, rate: Rate) -> Option<Rate> {
        if self.factor == 0.0 {
            return None;
        }
        let requests = (f64::from(rate.requests) * self.factor).clamp(1.0, f64::from(u32::MAX)) as u32;
        Some(Rate { requests, ..rate })
    }
}

/// Parses the factor; 0 disables all limits.
impl FromStr for RateLimits {
    type Err = RateFactorError;

    fn from_str(text: &str) -> Result<Self, RateFactorError> {
        let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor >= 0.0);
        factor.map(|factor| Self { factor }).ok_or(RateFactorError)
    }
}

/// An invalid factor on the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a number of at least 0 allowed, 0 for no limits")]
pub struct RateFactorError;

/// The remaining part of a rate limit, for the response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimitStatus {
    limit: u32,
    period_seconds: u64,
    remaining: u32,
    /// Seconds until the limit is available in full.
    reset_seconds: u64,
}

impl RateLimitStatus {
    /// Adds `RateLimit-Policy` and `RateLimit`
    /// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>), and the
    /// `X-RateLimit-*` headers that clients of Semantik's v2 API read.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Self { limit, period_seconds, remaining, reset_seconds } = self;
        let texts = [
            ("ratelimit-policy", format!("\"route\";q={limit};w={period_seconds}")),
            ("ratelimit", format!("\"route\";r={remaining};t={reset_seconds}")),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset_seconds.to_string()),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Counts an event that is no request, and returns the seconds to wait if there were too many.
pub(crate) async fn take_or_wait(
    connection: &mut Connection,
    limits: RateLimits,
    declared: Rate,
    subject: &str,
    event: &str,
) -> Result<Option<u64>, ApiError> {
    let Some(rate) = limits.of(declared) else {
        return Ok(None);
    };
    let key = format!("{subject} {event}");
    let bucket = connection.rate_limits().take(&key, rate.requests(), rate.period()).await?;
    Ok((!bucket.is_admitted).then(|| wait_seconds(rate, bucket)))
}

/// The error of an exceeded limit, without the headers of a route's limit.
pub(crate) fn refuse(rate: Rate, wait: u64) -> ApiError {
    let detail = format!(
        "Rate limit exceeded; {} requests per {} seconds allowed, retry in {wait} seconds",
        rate.requests(),
        rate.period().as_secs()
    );
    ApiError::new(ErrorKind::Throttled, detail).with_header(header::RETRY_AFTER, HeaderValue::from(wait))
}

fn wait_seconds(rate: Rate, bucket: Bucket) -> u64 {
    let one = rate.period().as_secs_f64() / f64::from(rate.requests());
    whole_seconds(bucket.backlog_seconds + one - rate.period().as_secs_f64()).max(1)
}

/// Counts a request of this caller (`subject`) to this route.
///
/// # Errors
/// Returns `Throttled` with `Retry-After` if the limit is exceeded.
pub(crate) async fn take(
    connection: &mut Connection,
    limits: RateLimits,
    declared: Rate,
    subject: &str,
    route: &str,
) -> Result<Option<RateLimitStatus>, ApiError> {
    let Some(rate) = limits.of(declared) else {
        return Ok(None);
    };
    let key = format!("{subject} {route}");
    let bucket = connection.rate_limits().take(&key, rate.requests(), rate.period()).await?;
    let status = remaining(rate, bucket);
    let Bucket { is_admitted: false, .. } = bucket else {
        return Ok(Some(status));
    };
    let mut error = refuse(rate, wait_seconds(rate, bucket));
    let mut headers = HeaderMap::new();
    status.write(&mut headers);
    for (name, value) in headers {
        if let Some(name) = name {
            error = error.with_header(name, value);
        }
    }
    Err(error)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between zero and the limit, which is a u32"
)]
fn remaining(rate: Rate, bucket: Bucket) -> RateLimitStatus {
    let period = rate.period().as_secs_f64();
    let used = (bucket.backlog_seconds / period * f64::from(rate.requests())).ceil();
    let remaining = (f64::from(rate.requests()) - used).clamp(0.0, f64::from(rate.requests())) as u32;
    RateLimitStatus {
        limit: rate.requests(),
        period_seconds: rate.period().as_secs(),
        remaining,
        reset_seconds: whole_seconds(bucket.backlog_seconds),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a period, which is an hour at most"
)]
fn whole_seconds(seconds: f64) -> u64 {
    // Floating-point arithmetic adds less than a microsecond.
    (seconds - 1e-6).ceil().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_limit_remaining_and_reset() {
        let bucket = Bucket { is_admitted: true, backlog_seconds: 720.0 };
        let mut headers = HeaderMap::new();
        remaining(Rate::per_hour(10), bucket).write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"route\";q=10;w=3600");
        assert_eq!(headers["ratelimit"], "\"route\";r=8;t=720");
        assert_eq!(headers["x-ratelimit-remaining"], "8");
    }

    #[test]
    fn factor_scales_the_declared_limits() {
        let rate = Rate::per_minute(60);
        assert_eq!(RateLimits::DECLARED.of(rate), Some(rate));
        assert_eq!("0.5".parse::<RateLimits>().unwrap().of(rate), Some(Rate::per_minute(30)));
        assert_eq!("0.001".parse::<RateLimits>().unwrap().of(rate), Some(Rate::per_minute(1)));
        assert_eq!("0".parse::<RateLimits>().unwrap().of(rate), None);
        for wrong in ["-1", "NaN", "inf", "many", ""] {
            assert_eq!(wrong.parse::<RateLimits>(), Err(RateFactorError));
        }
    }
}
