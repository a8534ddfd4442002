//! Proxies of the operator in front of API Gateway, such as CloudFront.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ErrorKind;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::problem::ApiError;

/// The header by which the proxy next to API Gateway proves that a request came through it.
const ORIGIN_VERIFY: HeaderName = HeaderName::from_static("x-origin-verify");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that requests come through, none by default.
///
/// A proxy sends a secret in the header `x-origin-verify`, of which only the digest is configured here. Requests
/// without it went around the proxy and its firewall, and are refused. Only requests with it are believed what
/// `X-Forwarded-For` says of the client's address, so nobody else can forge one.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// SHA-256 of each accepted secret; more than one during a rotation.
    digests: Arc<[OriginVerifyDigest]>,
    /// How many proxies appended an address to `X-Forwarded-For`.
    count: usize,
}

/// SHA-256 of the secret that a proxy sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginVerifyDigest([u8; 32]);

/// The digests of all accepted secrets, comma-separated.
#[derive(Debug, Clone, Default)]
pub struct OriginVerifyDigests(Vec<OriginVerifyDigest>);

/// A digest that is none. Its text is not repeated, because it may be the secret itself.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("SHA-256 digests of 64 hexadecimal digits, separated by commas, are allowed, one has {0} characters")]
pub struct InvalidDigest(usize);

impl FromStr for OriginVerifyDigests {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digest = |text: &str| {
            let mut digest = [0; 32];
            let decoded = hex::decode_to_slice(text, &mut digest);
            decoded.map(|()| OriginVerifyDigest(digest)).map_err(|_| InvalidDigest(text.len()))
        };
        text.split(',').map(|entry| digest(entry.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Trusts `count` proxies in a row, of which the last one sends a secret with one of these digests. Without a digest,
    /// trusts none.
    pub fn new(digests: OriginVerifyDigests, count: usize) -> Self {
        Self { digests: digests.0.into(), count: count.max(1) }
    }

    /// Returns whether the request came through the proxies, if there are any.
    fn passed(&self, headers: &HeaderMap) -> bool {
        self.digests.is_empty()
            || headers.get(&ORIGIN_VERIFY).is_some_and(|secret| {
                self.digests.contains(&OriginVerifyDigest(Sha256::digest(secret.as_bytes()).into()))
            })
    }

    /// Returns the address of the client: what the outermost trusted proxy saw, else `source`, what API Gateway saw.
    pub(crate) fn client_address(&self, headers: &HeaderMap, source: Option<&str>) -> Option<String> {
        let forwarded = || {
            let lines = headers.get_all(&FORWARDED_FOR).iter().map(|line| line.to_str().ok());
            let mut addresses: Vec<&str> = Vec::new();
            for line in lines {
                addresses.extend(line?.split(',').map(str::trim));
            }
            // API Gateway appends what it saw, which is the proxy next to it.
            if addresses.last().copied() == source {
                addresses.pop();
            }
            // Each proxy appends what it saw. What stands further left, a client may have made up.
            let address = addresses.len().checked_sub(self.count).map(|index| addresses[index])?;
            address.parse::<IpAddr>().ok().map(|address| address.to_string())
        };
        let trusted = !self.digests.is_empty() && self.passed(headers);
        trusted.then(forwarded).flatten().or_else(|| source.map(str::to_owned))
    }
}

/// Refuses requests that went around the proxies, and hides the secret of the others from what follows.
pub(crate) async fn require_proxy(
    State(proxies): State<TrustedProxies>,
    mut request: Request,
    next: Next,
) -> Response {
    if !proxies.passed(request.headers()) {
        let detail = "This URL does not accept requests; use the public URL of the API";
        return ApiError::new(ErrorKind::Forbidden, detail).into_response();
    }
    request.headers_mut().remove(ORIGIN_VERIFY);
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct-horse-battery-staple";
    /// What API Gateway saw: an edge location of CloudFront.
    const EDGE: &str = "198.51.100.7";

    fn digest(secret: &str) -> String {
        hex::encode(Sha256::digest(secret))
    }

    fn address(proxies: &TrustedProxies, secret: Option<&str>, forwarded_for: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        if let Some(secret) = secret {
            headers.insert(ORIGIN_VERIFY, secret.parse().unwrap());
        }
        for line in forwarded_for {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies.client_address(&headers, Some(EDGE)).unwrap()
    }

    fn behind(count: usize) -> TrustedProxies {
        TrustedProxies::new(digest(SECRET).parse().unwrap(), count)
    }

    #[test]
    fn without_a_proxy_nothing_that_a_client_sends_changes_its_address() {
        let none = TrustedProxies::new(OriginVerifyDigests::default(), 1);
        for forwarded in ["203.0.113.9", "203.0.113.9, 198.51.100.7", ""] {
            assert_eq!(address(&none, None, &[forwarded]), EDGE);
            assert_eq!(address(&none, Some(SECRET), &[forwarded]), EDGE);
        }
    }

    #[test]
    fn behind_a_proxy_the_address_is_the_one_that_it_appended() {
        let one = behind(1);
        // With and without what API Gateway appends itself.
        assert_eq!(address(&one, Some(SECRET), &["203.0.113.9, 198.51.100.7"]), "203.0.113.9");
        assert_eq!(address(&one, Some(SECRET), &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(address(&one, Some(SECRET), &["2001:DB8::0009,198.51.100.7"]), "2001:db8::9");
        // A client that sends the header itself only adds to the left.
        assert_eq!(address(&one, Some(SECRET), &["192.0.2.1, 203.0.113.9, 198.51.100.7"]), "203.0.113.9");
        assert_eq!(address(&one, Some(SECRET), &["192.0.2.1", "203.0.113.9, 198.51.100.7"]), "203.0.113.9");
        assert_eq!(address(&one, Some(SECRET), &["198.51.100.7, 203.0.113.9"]), "203.0.113.9");
        let two = behind(2);
        assert_eq!(
            address(&two, Some(SECRET), &["192.0.2.1, 203.0.113.9, 192.0.2.200, 198.51.100.7"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn a_header_that_cannot_be_right_is_not_believed() {
        for forwarded in ["", "198.51.100.7", "unknown", "203.0.113.9:4711", "203.0.113.9, ,198.51.100.7"] {
            assert_eq!(address(&behind(1), Some(SECRET), &[forwarded]), EDGE, "{forwarded:?}");
        }
        assert_eq!(address(&behind(3), Some(SECRET), &["203.0.113.9, 198.51.100.7"]), EDGE);
    }

    #[test]
    fn around_the_proxy_no_address_is_believed() {
        for secret in [None, Some("guess"), Some(""), Some(digest(SECRET).as_str())] {
            assert_eq!(address(&behind(1), secret, &["203.0.113.9, 198.51.100.7"]), EDGE, "{secret:?}");
        }
    }

    #[test]
    fn digests_are_checked_and_never_repeated_in_errors() {
        let two: OriginVerifyDigests = format!("{}, {}", digest("a"), digest("b")).parse().unwrap();
        assert_eq!(two.0.len(), 2);
        for text in [SECRET, "", &digest("a")[1..], &format!("{},", digest("a"))] {
            let refused = text.parse::<OriginVerifyDigests>().unwrap_err().to_string();
            assert!(refused.starts_with("SHA-256 digests of 64 hexadecimal digits"), "{refused}");
            assert!(!refused.contains(SECRET));
        }
    }
}
