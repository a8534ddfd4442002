//! The URL that a client reaches the API by.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use lambda_http::request::RequestContext;

/// The part of a configured URL that stands for the API's id.
const API_ID: &str = "{api_id}";

/// The base URL of the API as this request names it: without a trailing slash, routes start after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: String,
    api_id: String,
}

impl BaseUrl {
    /// Returns the configured URL, in which `{api_id}` stands for the id that API Gateway gave the API; without
    /// one, the URL of the request: scheme, host and stage.
    pub fn configured(self, url: Option<&str>) -> String {
        match url {
            Some(url) => url.trim_end_matches('/').replace(API_ID, &self.api_id),
            None => self.url,
        }
    }

    fn from_parts(parts: &Parts) -> Self {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST.as_str()).unwrap_or("localhost");
        let is_local = ["localhost", "127.0.0.1"].iter().any(|local| host.starts_with(local));
        let usual = if is_local { "http" } else { "https" };
        let scheme = text("x-forwarded-proto").filter(|scheme| ["http", "https"].contains(scheme));
        let (api_id, stage) = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => (context.apiid.clone(), context.stage.clone()),
            _ => (None, None),
        };
        // The stage `$default` is served at the root of the host; any other is the first segment of the path.
        let stage = stage.filter(|stage| stage != "$default").map(|stage| format!("/{stage}"));
        let url = format!("{}://{host}{}", scheme.unwrap_or(usual), stage.unwrap_or_default());
        Self { url, api_id: api_id.unwrap_or_default() }
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_parts(parts))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base_url(headers: &[(&'static str, &'static str)], stage: &str) -> BaseUrl {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/api", "rawQueryString": "",
            "headers": headers.iter().copied().collect::<std::collections::HashMap<_, _>>(),
            "requestContext": {
                "apiId": "a1b2c3", "stage": stage, "timeEpoch": 0,
                "http": { "method": "GET", "path": "/api", "sourceIp": "192.0.2.1" },
            },
            "isBase64Encoded": false,
        });
        BaseUrl::from_parts(&crate::http::request_from_event(&event.to_string()).unwrap().into_parts().0)
    }

    #[test]
    fn the_url_is_that_of_the_request_with_its_stage() {
        let url = |headers, stage| base_url(headers, stage).configured(None);
        assert_eq!(url(&[("host", "api.example.org")], "$default"), "https://api.example.org");
        assert_eq!(url(&[("host", "api.example.org")], "prod"), "https://api.example.org/prod");
        assert_eq!(url(&[("host", "127.0.0.1:4566")], "$default"), "http://127.0.0.1:4566");
        let forwarded = [("host", "localhost:3000"), ("x-forwarded-proto", "https")];
        assert_eq!(url(&forwarded, "$default"), "https://localhost:3000");
    }

    #[test]
    fn a_configured_url_wins_and_may_name_the_api() {
        let request = base_url(&[("host", "127.0.0.1:4566")], "$default");
        let configured = "http://127.0.0.1:4566/_aws/execute-api/{api_id}/$default/";
        assert_eq!(
            request.configured(Some(configured)),
            "http://127.0.0.1:4566/_aws/execute-api/a1b2c3/$default"
        );
    }
}
