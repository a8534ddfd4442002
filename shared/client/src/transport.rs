//! One request, one response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HOST, HeaderMap};
use reqwest::{Body, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::{ClientError, Problem};

/// Time to connect; a server that needs longer is down.
const CONNECT: Duration = Duration::from_secs(10);
/// Time without a byte. Longer than any answer of API Gateway takes (29 s), and than long polls (20 s).
const SILENCE: Duration = Duration::from_secs(60);

/// The HTTP client and the base URL of an installation.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
    base_url: Arc<str>,
}

/// A request to the API.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with its query, from `/api` on.
    pub path: String,
    /// The JSON body, if it has one.
    pub body: Option<Value>,
    /// The `Idempotency-Key`, if the route takes one.
    pub idempotency_key: Option<String>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, idempotency_key: None }
    }

    /// Adds a JSON body.
    #[must_use]
    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Adds a new `Idempotency-Key`, which every attempt of the request has.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self { idempotency_key: Some(uuid::Uuid::new_v4().to_string()), ..self }
    }
}

/// An HTTP response with its body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Bytes,
}

impl Transport {
    /// Creates a transport to the installation at this URL, which may have a path (the stage of API Gateway).
    ///
    /// # Errors
    /// Returns [`ClientError::Invalid`] if the URL is not an http or https URL.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        let url = Url::parse(base_url).ok().filter(|url| {
            let is_plain = url.query().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && is_plain
                && url.username().is_empty()
        });
        let Some(url) = url else {
            return Err(ClientError::Invalid(format!(
                "the URL of the API is not usable; an http or https URL without user and query allowed, got {base_url:?}"
            )));
        };
        install_cryptography();
        let http = reqwest::Client::builder()
            .user_agent(concat!("semantik-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| ClientError::Invalid(format!("the HTTP client cannot be set up: {error}")))?;
        Ok(Self { http, base_url: url.as_str().trim_end_matches('/').into() })
    }

    /// The base URL, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends a request once and reads the whole response, whatever its status.
    ///
    /// # Errors
    /// Returns [`ClientError::Unreachable`] if no complete response came back.
    pub async fn send(&self, request: &Request, token: Option<&str>) -> Result<Response, ClientError> {
        let url = format!("{}{}", self.base_url, request.path);
        let mut outgoing = self.http.request(request.method.clone(), url);
        if let Some(token) = token {
            outgoing = outgoing.bearer_auth(token);
        }
        if let Some(key) = &request.idempotency_key {
            outgoing = outgoing.header("idempotency-key", key);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        self.finish(outgoing).await
    }

    /// PUTs a file once to a presigned URL, with the headers that it requires.
    ///
    /// # Errors
    /// Returns [`ClientError::Unreachable`] if no complete response came back.
    pub async fn put<'a>(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        size: u64,
        body: Body,
    ) -> Result<Response, ClientError> {
        let mut outgoing = self.http.put(url).body(body);
        for (name, value) in headers {
            // The client sets the host itself.
            if !name.eq_ignore_ascii_case(HOST.as_str())
                && !name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str())
            {
                outgoing = outgoing.header(name, value);
            }
        }
        // Otherwise a streamed body would be sent in chunks, and an empty one without a length; S3 accepts neither.
        self.finish(outgoing.header(CONTENT_LENGTH, size)).await
    }

    async fn finish(&self, outgoing: reqwest::RequestBuilder) -> Result<Response, ClientError> {
        let response = outgoing.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Ok(Response { status, headers, bytes })
    }

    /// The innermost cause says what happened; the outer ones repeat the URL, which may have a signature.
    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut url = error.url().cloned();
        if let Some(url) = &mut url {
            url.set_query(None);
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ClientError::Unreachable {
            url: url.map_or_else(|| self.base_url.to_string(), Into::into),
            reason: if error.is_timeout() {
                "it did not answer in time".to_owned()
            } else {
                cause.to_string()
            },
        }
    }

    /// Parses the body of a successful response; other responses are errors.
    ///
    /// # Errors
    /// Returns [`ClientError::Refused`] with the problem document, or [`ClientError::Unexpected`].
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        path: &str,
        response: &Response,
    ) -> Result<T, ClientError> {
        let path = path.split('?').next().unwrap_or_default();
        let unexpected = |reason| ClientError::Unexpected { url: format!("{}{path}", self.base_url), reason };
        if response.status.is_success() {
            let bytes: &[u8] = if response.bytes.is_empty() { b"null" } else { &response.bytes };
            return serde_json::from_slice(bytes).map_err(|error| unexpected(error.to_string()));
        }
        match serde_json::from_slice::<Problem>(&response.bytes) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            // API Gateway and proxies answer without problem documents.
            Err(_) if response.status.is_server_error() || response.status.as_u16() == 429 => {
                Err(ClientError::Refused(Box::new(Problem {
                    status: response.status.as_u16(),
                    title: String::new(),
                    detail: format!("the server answered {}; try again later", response.status),
                    request_id: String::new(),
                    errors: Vec::new(),
                })))
            }
            Err(_) => Err(unexpected(format!("status {} without a problem document", response.status))),
        }
    }
}

/// Makes ring the cryptography of TLS in this process, which reqwest needs before its first client.
pub fn install_cryptography() {
    // Fails if another part of the program has done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
