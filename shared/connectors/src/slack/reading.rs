//! Reading threads, days and files that have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Days;
use domain::SecretType;
use egress::{Method, Redirects, Response, Url, header};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::SlackSource;
use super::api::{Api, throttled};
use super::channels::Channel;
use super::document::{Location, day_text, singles, thread_hint, thread_text};
use super::history::{newest_days, thread};
use super::message::{File, Message};
use super::mrkdwn::Names;
use super::people::learn_names;
use crate::clients::Clients;
use crate::reader::{Body, Reading};
use crate::session::Session;
use crate::{ConnectorError, SourceReader};

/// How long a document may wait for Slack to accept requests again.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The most bytes of a file.
const MAX_FILE_BYTES: u64 = 50_000_000;

/// A session of one source.
#[derive(Debug)]
pub(crate) struct SlackSession {
    source: Arc<SlackSource>,
    clients: Clients,
    names: Mutex<Names>,
}

#[derive(Debug, Deserialize)]
struct FileAnswer {
    file: File,
}

impl SlackSession {
    pub(crate) fn new(source: Arc<SlackSource>, clients: Clients) -> Self {
        Self { source, clients, names: Mutex::new(Names::new()) }
    }

    fn api(&self) -> Result<Api<'_>, ConnectorError> {
        Api::new(&self.clients, &self.source.api_url)
    }

    /// Returns a text of messages, once all names in it are known.
    async fn text(
        &self,
        messages: &[Message],
        text: impl FnOnce(&Names) -> String,
    ) -> Result<String, ConnectorError> {
        // Held, so that documents that are read at the same time ask for a name once.
        let mut names = self.names.lock().await;
        learn_names(&self.api()?, messages, &mut names, Instant::now() + TIME_LIMIT).await?;
        Ok(text(&names))
    }

    async fn open_thread(&self, channel: &Channel, ts: &str) -> Result<SourceReader, ConnectorError> {
        let messages = thread(&self.api()?, channel, ts, Instant::now() + TIME_LIMIT).await?;
        let hint = messages.first().map(thread_hint);
        let text = self.text(&messages, |names| thread_text(channel, &messages, names)).await?;
        Ok(SourceReader::of_bytes(hint, text))
    }

    async fn open_day(
        &self,
        channel: &Channel,
        day: chrono::NaiveDate,
    ) -> Result<SourceReader, ConnectorError> {
        let next = day.checked_add_days(Days::new(1));
        let read = newest_days(&self.api()?, channel, Some(day), next, Instant::now() + TIME_LIMIT).await?;
        let messages = read.days.iter().find(|(read, _)| *read == day).map(|(_, messages)| singles(messages));
        let Some(messages) = messages.filter(|messages| !messages.is_empty()) else {
            return Err(ConnectorError::NotFound { what: format!("#{}, {day}", channel.name) });
        };
        let text = self.text(&messages, |names| day_text(channel, day, &messages, names)).await?;
        Ok(SourceReader::of_bytes(None, text))
    }

    async fn open_file(&self, id: &str) -> Result<SourceReader, ConnectorError> {
        let what = format!("the file {id}");
        let until = Instant::now() + TIME_LIMIT;
        let answer: FileAnswer = self.api()?.call_until("files.info", &[("file", id)], &what, until).await?;
        let file = answer.file;
        let forbidden = |reason: String| ConnectorError::Forbidden { what: what.clone(), reason };
        if file.size > MAX_FILE_BYTES {
            let reason = format!("it has {} bytes; at most {MAX_FILE_BYTES} are read", file.size);
            return Err(ConnectorError::LeftOut { what, reason });
        }
        let url = file.download_url().and_then(|url| Url::parse(url).ok());
        let Some(url) = url.filter(|url| self.is_of_slack(url)) else {
            return Err(forbidden("it is not on a server of Slack, which the token is for".to_owned()));
        };
        let token = self.clients.secrets.require(SecretType::Token)?;
        let request = self.clients.egress.request(Method::GET, url.as_str()).bearer(token);
        let response = request.redirects(Redirects::Return).limit(MAX_FILE_BYTES).send().await?;
        if response.status() == egress::StatusCode::TOO_MANY_REQUESTS {
            return Err(throttled(response.retry_after()));
        }
        // Without the scope, Slack answers with its page to sign in, or redirects to that.
        let is_page = response.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        let is_html = file.mimetype.as_deref().is_some_and(|kind| kind.starts_with("text/html"));
        if response.status().is_redirection() || (is_page && !is_html) {
            let reason =
                "the token may not read files; add the scope files:read to the app and install the app again";
            return Err(forbidden(reason.to_owned()));
        }
        let response = response.error_for_status()?;
        let hint = format!("{}-{}-{}", file.id, file.timestamp, file.size);
        Ok(SourceReader::new(file.size, Some(hint), Download(response)))
    }

    /// Whether the token may be sent there: to Slack, or to where the source has its API.
    fn is_of_slack(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_slack = url.scheme() == "https" && (host == "slack.com" || host.ends_with(".slack.com"));
        is_slack || Url::parse(&self.source.api_url).is_ok_and(|api| api.origin() == url.origin())
    }
}

impl Session for SlackSession {
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            match Location::parse(location) {
                Some(Location::Thread { channel, ts }) => self.open_thread(&channel, &ts).await,
                Some(Location::Day { channel, day }) => self.open_day(&channel, day).await,
                Some(Location::File { id }) => self.open_file(&id).await,
                None => Err(ConnectorError::invalid(
                    "location",
                    format!("not a document of this source, got {location:?}"),
                )),
            }
        })
    }
}

/// A file that is being received.
#[derive(Debug)]
struct Download(Response);

impl Body for Download {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async { Ok(self.0.next().await?) })
    }
}
