//! Which site a request belongs to: a defence against pages of other sites and against DNS rebinding.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::ErrorKind;
use http::request::Parts;
use http::{HeaderValue, header};
use lambda_http::request::RequestContext;

use super::cors::CorsOrigins;
use super::problem::ApiError;

/// The `Origin` and `Host` of a request, and what they are compared with.
#[derive(Debug, Clone, Default)]
pub struct RequestSite {
    origin: Option<HeaderValue>,
    host: Option<String>,
    /// The name by which API Gateway received the request.
    gateway: Option<String>,
    allowed: CorsOrigins,
}

impl RequestSite {
    /// Checks that the request was sent to the API, not to a name that only resolves to its address, and that the page
    /// that sent it, if one did, may call the API. Without a configured URL, API Gateway alone decides by the host.
    ///
    /// # Errors
    /// Returns `Forbidden` with what is allowed.
    pub fn check(&self, api_url: Option<&str>) -> Result<(), ApiError> {
        let site = api_url.and_then(Site::of);
        if let (Some(site), Some(host)) = (&site, &self.host)
            && !site.is_served_by(host)
            && self.gateway.as_ref() != Some(host)
        {
            return Err(ApiError::new(
                ErrorKind::Forbidden,
                format!("Host: unknown; {:?} allowed, got {host:?}", site.authority),
            ));
        }
        let Some(origin) = &self.origin else {
            return Ok(());
        };
        let is_own = site.is_some_and(|site| origin.as_bytes() == site.origin().as_bytes());
        if is_own || self.allowed.allow(origin) {
            return Ok(());
        }
        let got = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        Err(ApiError::new(
            ErrorKind::Forbidden,
            format!("Origin: not allowed; the origins in CORS_ORIGINS allowed, got {got:?}"),
        ))
    }
}

/// Scheme and authority of a URL.
struct Site<'u> {
    scheme: &'u str,
    authority: &'u str,
}

impl<'u> Site<'u> {
    fn of(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next().filter(|authority| !authority.is_empty())?;
        Some(Self { scheme, authority })
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority).to_ascii_lowercase()
    }

    /// A loopback address has two names, and a page of another site has neither.
    fn is_served_by(&self, host: &str) -> bool {
        let loopback = |name: &str| name.to_ascii_lowercase().replacen("127.0.0.1", "localhost", 1);
        loopback(self.authority) == loopback(host)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestSite {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let gateway = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.clone(),
            _ => None,
        };
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(Self {
            origin: parts.headers.get(header::ORIGIN).cloned(),
            host: host.map(str::to_owned),
            gateway,
            allowed: parts.extensions.get::<CorsOrigins>().cloned().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: Option<&str> = Some("https://api.example.org/{api_id}/prod");

    fn site(host: &str, origin: Option<&'static str>) -> RequestSite {
        RequestSite {
            origin: origin.map(HeaderValue::from_static),
            host: Some(host.to_owned()),
            gateway: Some("a1.execute-api.eu-central-1.amazonaws.com".to_owned()),
            allowed: "https://app.example.org".parse().unwrap(),
        }
    }

    #[test]
    fn only_the_names_of_the_api_are_served() {
        for host in ["api.example.org", "API.example.org", "a1.execute-api.eu-central-1.amazonaws.com"] {
            site(host, None).check(API).unwrap();
        }
        let refused = site("rebound.example", None).check(API).unwrap_err();
        assert_eq!(refused.detail(), r#"Host: unknown; "api.example.org" allowed, got "rebound.example""#);
        site("rebound.example", None).check(None).unwrap();
        let local = Some("http://127.0.0.1:4566/_aws/execute-api/{api_id}/$default");
        site("localhost:4566", None).check(local).unwrap();
        site("rebound.example:4566", None).check(local).unwrap_err();
    }

    #[test]
    fn only_pages_of_the_api_and_of_listed_origins_are_served() {
        for origin in ["https://api.example.org", "https://app.example.org"] {
            site("api.example.org", Some(origin)).check(API).unwrap();
        }
        for origin in ["https://evil.example", "null", "http://api.example.org"] {
            let refused = site("api.example.org", Some(origin)).check(API).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Forbidden, "{origin}");
        }
        let any =
            RequestSite { allowed: CorsOrigins::Any, ..site("api.example.org", Some("https://any.example")) };
        any.check(API).unwrap();
    }
}
