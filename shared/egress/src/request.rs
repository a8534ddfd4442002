//! Building and sending a request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use crate::body::Body;
use crate::deadlines::Deadlines;
use crate::http_client::HttpClient;
use crate::redirect::Hop;
use crate::target::Target;
use crate::{EgressError, Redirects, Response};

/// What every request calls itself.
pub const USER_AGENT: &str = concat!("Semantik/", env!("CARGO_PKG_VERSION"));

/// A request that is being built. What cannot be sent is reported by [`Self::send`].
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    client: Arc<HttpClient>,
    hop: Result<Hop, EgressError>,
    redirects: Redirects,
    total_timeout: Duration,
    idle_timeout: Duration,
    response_limit: u64,
}

impl Request {
    pub(crate) fn new(client: Arc<HttpClient>, method: Method, url: &str) -> Self {
        let config = &client.config;
        let headers = HeaderMap::from_iter([
            (http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        let hop = Url::parse(url)
            .map(|url| Hop { method, url, headers, body: Bytes::new() })
            .map_err(|error| EgressError::InvalidUrl { reason: error.to_string() });
        Self {
            hop,
            redirects: Redirects::Follow(10),
            total_timeout: config.total_timeout,
            idle_timeout: config.idle_timeout,
            response_limit: config.response_limit,
            client,
        }
    }

    /// Sets a header, which is not sent to another server that this one redirects to unless it says nothing
    /// about the caller (`Accept`, `If-None-Match`, …).
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.with_header(name.as_ref(), value.as_ref(), false)
    }

    /// Sets a header with a secret, which is neither printed nor sent over http after a redirect from https.
    pub fn secret_header(self, name: impl AsRef<str>, value: &SecretString) -> Self {
        self.with_header(name.as_ref(), value.expose_secret(), true)
    }

    /// Authenticates by a token.
    pub fn bearer(self, token: &SecretString) -> Self {
        self.with_header(AUTHORIZATION.as_str(), &format!("Bearer {}", token.expose_secret()), true)
    }

    /// Authenticates by a user name and password.
    pub fn basic(self, user_name: &str, password: &SecretString) -> Self {
        let pair = STANDARD.encode(format!("{user_name}:{}", password.expose_secret()));
        self.with_header(AUTHORIZATION.as_str(), &format!("Basic {pair}"), true)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Ok(hop) = &mut self.hop {
            hop.body = body.into();
        }
        self
    }

    /// Sets a body of JSON.
    pub fn json(self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body(bytes).header(CONTENT_TYPE, "application/json"),
            Err(error) => self.invalid(format!("its body is not valid JSON ({error})")),
        }
    }

    /// Sets what happens with redirects; up to 10 are followed by default.
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Sets the longest time to the end of the response. It starts when the host has a free slot.
    pub fn timeout(mut self, total: Duration) -> Self {
        self.total_timeout = total;
        self
    }

    /// Sets the longest time without anything from the server.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle_timeout = idle;
        self
    }

    /// Sets the most bytes of the response, after decompression.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.response_limit = bytes;
        self
    }

    /// Sends the request and returns the response, whatever its status, when its headers have arrived.
    ///
    /// # Errors
    /// Returns why the request was refused or failed.
    pub async fn send(self) -> Result<Response, EgressError> {
        let mut hop = self.hop?;
        let mut target = Target::of_url(&hop.url)?;
        let mut deadlines = None;
        let mut followed = 0;
        loop {
            let slot = self.client.slots.acquire(&target.host).await;
            let deadlines =
                deadlines.get_or_insert_with(|| Deadlines::start(self.idle_timeout, self.total_timeout));
            let name = target.to_string();
            let response = self.client.send(&name, to_http(&hop)?);
            let response = deadlines.next(&name, "did not answer", response).await??;
            let (parts, incoming) = response.into_parts();

            if let Redirects::Follow(limit) = self.redirects {
                let answered = hop.url.clone();
                if hop.follow(&name, parts.status, &parts.headers)? {
                    if followed == limit {
                        return Err(EgressError::TooManyRedirects { target: name, limit });
                    }
                    followed += 1;
                    target = Target::of_url(&hop.url).map_err(|error| in_redirect(&name, error))?;
                    continue;
                }
                hop.url = answered;
            }
            let body =
                Body::new(incoming, &parts.headers, name, deadlines.clone(), self.response_limit, slot)?;
            return Ok(Response::new(parts.status, parts.headers, hop.url, body));
        }
    }

    fn with_header(mut self, name: &str, value: &str, is_secret: bool) -> Self {
        let Ok(hop) = &mut self.hop else { return self };
        let (Ok(parsed), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
            return self.invalid(format!(
                "header {name:?} has a name or value with characters that are not allowed"
            ));
        };
        if parsed == HOST {
            return self.invalid("the header Host is set from the URL".to_owned());
        }
        value.set_sensitive(is_secret);
        hop.headers.insert(parsed, value);
        self
    }

    fn invalid(mut self, reason: String) -> Self {
        self.hop = self.hop.and(Err(EgressError::InvalidRequest { reason }));
        self
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rest of a URL, headers and bodies may contain secrets.
        let target = self.hop.as_ref().ok().and_then(|hop| Target::of_url(&hop.url).ok());
        f.debug_struct("Request").field("target", &target).finish_non_exhaustive()
    }
}

/// Names the server that redirected to a URL that cannot be used.
fn in_redirect(redirecting: &str, error: EgressError) -> EgressError {
    match error {
        EgressError::InvalidUrl { reason } => EgressError::InvalidRedirect {
            target: redirecting.to_owned(),
            reason: format!("of its URL: {reason}"),
        },
        other => other,
    }
}

fn to_http(hop: &Hop) -> Result<http::Request<Full<Bytes>>, EgressError> {
    let mut url = hop.url.clone();
    url.set_fragment(None);
    let mut request = http::Request::new(Full::new(hop.body.clone()));
    *request.method_mut() = hop.method.clone();
    *request.headers_mut() = hop.headers.clone();
    *request.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|error: http::uri::InvalidUri| EgressError::InvalidUrl { reason: error.to_string() })?;
    Ok(request)
}
