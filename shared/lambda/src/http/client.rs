//! The client of a request.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;
use lambda_http::request::RequestContext;

use super::proxies::TrustedProxies;

/// The client of a request, for the audit log, rate limits and logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The IP address that API Gateway saw, or the outermost trusted proxy. Never what a client itself could put into
    /// a header.
    pub ip_address: Option<String>,
    /// The `User-Agent` header, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The id of the request, also returned as `x-request-id`.
    pub request_id: String,
}

impl ClientInfo {
    pub(crate) fn from_parts(parts: &Parts, proxies: &TrustedProxies) -> Self {
        let (request_id, source_ip) = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                (context.request_id.clone(), context.http.source_ip.clone())
            }
            _ => (None, None),
        };
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            ip_address: proxies.client_address(&parts.headers, source_ip.as_deref()),
            user_agent: user_agent.map(|text| text.chars().take(256).collect()),
            request_id: request_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::from_parts(parts, &TrustedProxies::default())))
    }
}
