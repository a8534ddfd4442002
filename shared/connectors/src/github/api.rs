//! Requests to GitHub, and what its answers mean.

use std::time::Duration;

use chrono::Utc;
use domain::SecretType;
use egress::{Method, Request, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ConnectorError;
use crate::clients::Clients;

/// The longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of one answer: 100 issues of 64 KiB, spelled in JSON, are less.
const MAX_BYTES: u64 = 32 << 20;
/// What GitHub asks to wait after a secondary rate limit that names no time.
const SECONDARY_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// Where the API of GitHub or of a GitHub Enterprise Server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrls {
    /// Without a slash at the end.
    pub(crate) rest: String,
    pub(crate) graphql: String,
    /// Where people and git find repositories.
    pub(crate) web: String,
}

impl ApiUrls {
    /// Reads the setting `field`: `https://api.github.com`, or `https://HOST/api/v3` of a server.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, ConnectorError> {
        let wrong = || {
            let message =
                format!("wrong URL; https://api.github.com or https://HOST/api/v3 allowed, got {text:?}");
            ConnectorError::invalid(field, message)
        };
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http")).ok_or_else(wrong)?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(ConnectorError::invalid(
                field,
                "has more than a host and a path; https://HOST/api/v3 allowed",
            ));
        }
        let rest = url.as_str().trim_end_matches('/').to_owned();
        if let Some(server) = rest.strip_suffix("/api/v3") {
            let (graphql, web) = (format!("{server}/api/graphql"), server.to_owned());
            return Ok(Self { rest, graphql, web });
        }
        let host = url.host_str().and_then(|host| host.strip_prefix("api.")).ok_or_else(wrong)?;
        let web = format!("{}://{host}", url.scheme());
        Ok(Self { graphql: format!("{rest}/graphql"), rest, web })
    }
}

/// Sends requests with the source's token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Api<'a> {
    pub(crate) urls: &'a ApiUrls,
    pub(crate) clients: &'a Clients,
}

/// One page of an answer.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    pub(crate) value: T,
    /// The URL of the next page.
    pub(crate) next: Option<String>,
    pub(crate) etag: Option<String>,
}

impl Api<'_> {
    /// Gets a page; `what` is what messages call it.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        url: &str,
        what: &str,
    ) -> Result<Answered<T>, ConnectorError> {
        let answered = self.get_if_changed(url, None, what).await?;
        answered
            .ok_or_else(|| ConnectorError::unavailable(what, "GitHub answered 304 to a request without ETag"))
    }

    /// Gets a page; `None` if it still has this ETag, which costs nothing of the rate limit.
    pub(crate) async fn get_if_changed<T: DeserializeOwned>(
        &self,
        url: &str,
        etag: Option<&str>,
        what: &str,
    ) -> Result<Option<Answered<T>>, ConnectorError> {
        // Links to next pages come from the server, and the token is for the API only.
        if !url.strip_prefix(&self.urls.rest).is_some_and(|path| path.starts_with('/')) {
            let reason = "GitHub names a next page outside of its API".to_owned();
            return Err(ConnectorError::Forbidden { what: what.to_owned(), reason });
        }
        let mut request = self.request(Method::GET, url);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = request.send().await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let response = check(response, what).await?;
        let next = response.header(header::LINK).and_then(next_link);
        let etag = response.header(header::ETAG).map(str::to_owned);
        Ok(Some(Answered { value: response.json(MAX_BYTES).await?, next, etag }))
    }

    /// Sends a GraphQL query and returns its `data`.
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
        what: &str,
    ) -> Result<T, ConnectorError> {
        // GraphQL knows no anonymous callers.
        self.clients.secrets.require(SecretType::Token)?;
        let request = self.request(Method::POST, &self.urls.graphql);
        let response = request.json(&json!({ "query": query, "variables": variables })).send().await?;
        let response = check(response, what).await?;
        let reset = until_reset(&response);
        let answer: GraphqlAnswer = response.json(MAX_BYTES).await?;
        if let Some(error) = answer.errors.into_iter().next() {
            return Err(match error.kind.as_deref() {
                Some("RATE_LIMITED") => {
                    ConnectorError::Throttled { what: "GitHub".to_owned(), retry_after: reset }
                }
                Some("NOT_FOUND") => ConnectorError::NotFound { what: what.to_owned() },
                Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => refused(what, &error.message),
                _ => ConnectorError::unavailable(what, error.message),
            });
        }
        serde_json::from_value(answer.data).map_err(|error| ConnectorError::unavailable(what, error))
    }

    fn request(&self, method: Method, url: &str) -> Request {
        let request = self.clients.egress.request(method, url).timeout(TIMEOUT).limit(MAX_BYTES);
        let request = request.header(header::ACCEPT, "application/vnd.github+json");
        let request = request.header("X-GitHub-Api-Version", "2022-11-28");
        match self.clients.secrets.get(SecretType::Token) {
            Some(token) => request.bearer(token),
            None => request,
        }
    }
}

#[derive(Debug, Deserialize)]
struct GraphqlAnswer {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Debug, Deserialize)]
struct GraphqlError {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
}

/// Tells rate limits, which GitHub answers with 403 or 429, from refusals:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
async fn check(response: Response, what: &str) -> Result<Response, ConnectorError> {
    let status = response.status();
    if status.is_success() || status.is_server_error() {
        return Ok(response.error_for_status()?);
    }
    let (retry_after, reset) = (response.retry_after(), until_reset(&response));
    let is_used_up = response.header("x-ratelimit-remaining") == Some("0");
    // A message that cannot be read is no message.
    let message = response.json::<Problem>(64 * 1024).await.unwrap_or_default().message;
    if matches!(status.as_u16(), 403 | 429) {
        let is_secondary = message.contains("secondary rate limit") || message.contains("abuse");
        let wait =
            retry_after.or(reset.filter(|_| is_used_up)).or(is_secondary.then_some(SECONDARY_LIMIT_WAIT));
        if status == StatusCode::TOO_MANY_REQUESTS || wait.is_some() {
            return Err(ConnectorError::Throttled { what: "GitHub".to_owned(), retry_after: wait });
        }
    }
    Err(match status.as_u16() {
        401 => ConnectorError::SignIn {
            what: "GitHub".to_owned(),
            reason: "it answered 401; check the secret token, which may have expired".to_owned(),
        },
        404 | 410 => {
            ConnectorError::NotFound { what: format!("{what} (or the secret token may not read it)") }
        }
        _ => refused(what, &format!("{} {message}", status.as_u16())),
    })
}

fn refused(what: &str, message: &str) -> ConnectorError {
    let message: String = message.chars().filter(|char| !char.is_control()).take(200).collect();
    let reason = format!("GitHub answered: {message}; check the permissions of the secret token");
    ConnectorError::Forbidden { what: what.to_owned(), reason }
}

/// When the primary rate limit begins anew.
fn until_reset(response: &Response) -> Option<Duration> {
    /// The limits are per hour.
    const LONGEST: i64 = 3600;
    let reset: i64 = response.header("x-ratelimit-reset")?.parse().ok()?;
    let seconds = reset.saturating_sub(Utc::now().timestamp()).clamp(1, LONGEST);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

/// The URL of the relation `next` in a `Link` header.
fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters.split(';').any(|parameter| parameter.trim() == r#"rel="next""#).then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages_are_found() {
        let header = r#"<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?after=Y%3D&page=3>; rel="next", <https://api.github.com/x?page=9>; rel="last""#;
        assert_eq!(next_link(header).as_deref(), Some("https://api.github.com/x?after=Y%3D&page=3"));
        assert_eq!(next_link(r#"<https://api.github.com/x?page=1>; rel="first""#), None);
        assert_eq!(next_link("nonsense"), None);
    }

    #[test]
    fn apis_of_github_and_of_servers() {
        for (text, graphql, web) in [
            ("https://api.github.com/", "https://api.github.com/graphql", "https://github.com"),
            (
                "https://ghe.corp.example/api/v3",
                "https://ghe.corp.example/api/graphql",
                "https://ghe.corp.example",
            ),
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql", "https://acme.ghe.com"),
        ] {
            let urls = ApiUrls::parse("api_url", text).unwrap();
            assert_eq!((urls.graphql.as_str(), urls.web.as_str()), (graphql, web));
        }
        for text in [
            "",
            "github.com",
            "https://github.com",
            "https://t:x@h/api/v3",
            "ftp://h/api/v3",
            "https://h/api/v3?x",
        ] {
            assert_eq!(ApiUrls::parse("api_url", text).unwrap_err().field(), Some("api_url"), "{text}");
        }
    }
}
