//! The response to a request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::body::Body;
use crate::{EgressError, retry_after};

/// A response whose body is still to be received. Drop it or read it to the end before the next requests to its
/// host: it holds one of the host's slots until then.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    url: Url,
    body: Body,
}

impl Response {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, url: Url, body: Body) -> Self {
        Self { status, headers, url, body }
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns a header's value, if it is there and is text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns after which time the server wants to be asked again, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Returns the response if its status is a success.
    ///
    /// # Errors
    /// Returns `Status` with what `Retry-After` says for 400 and above, and for redirects that were not
    /// followed.
    pub fn error_for_status(self) -> Result<Self, EgressError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(EgressError::Status {
            target: self.body.target().to_owned(),
            status: self.status,
            retry_after: self.retry_after(),
        })
    }

    /// Returns the next piece of the body, unpacked; `None` at the end.
    ///
    /// # Errors
    /// Returns `TooLarge` beyond the request's limit, `TimedOut`, `Connection` or `InvalidBody`.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        self.body.next().await
    }

    /// Returns the whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// Returns `TooLarge` beyond the limit, and what [`Self::next`] does.
    pub async fn bytes(mut self, limit: u64) -> Result<Bytes, EgressError> {
        self.body.set_limit(limit);
        let Some(first) = self.body.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.body.next().await? else { return Ok(first) };
        let mut all = [first, second].concat();
        while let Some(piece) = self.body.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// Returns the whole body as UTF-8 without a byte order mark; other bytes are replaced by U+FFFD.
    ///
    /// # Errors
    /// Returns what [`Self::bytes`] does.
    pub async fn text(self, limit: u64) -> Result<String, EgressError> {
        let bytes = self.bytes(limit).await?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Returns the whole body, read as JSON.
    ///
    /// # Errors
    /// Returns `InvalidBody` if it is not the expected JSON, and what [`Self::bytes`] does.
    pub async fn json<T: DeserializeOwned>(self, limit: u64) -> Result<T, EgressError> {
        let target = self.body.target().to_owned();
        let bytes = self.bytes(limit).await?;
        serde_json::from_slice(&bytes).map_err(|error| EgressError::InvalidBody {
            target,
            // The place and what was expected; the text of the error could quote the body.
            reason: format!("not the expected JSON at line {} column {}", error.line(), error.column()),
        })
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}
