//! Reading messages: those of a channel, and those of a thread.

use std::time::Instant;

use chrono::NaiveDate;
use serde::Deserialize;

use super::api::{Api, NextPage};
use super::channels::{Channel, Workspace};
use super::message::Message;
use super::time::{day_of, start_of};
use crate::ConnectorError;

/// Messages of one answer.
const PAGE: &str = "200";
/// The most answers that are read of a thread: 20,000 messages.
const MAX_THREAD_PAGES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessagesAnswer {
    messages: Vec<Message>,
    response_metadata: NextPage,
}

/// The newest days of a channel, as far as they were read.
#[derive(Debug)]
pub(super) struct Days {
    /// Each whole, the newest first, with its messages, the newest first.
    pub(super) days: Vec<(NaiveDate, Vec<Message>)>,
    /// Whether there are no older ones.
    pub(super) is_all: bool,
}

/// Returns the workspace of the token.
pub(super) async fn workspace(api: &Api<'_>, until: Instant) -> Result<Workspace, ConnectorError> {
    api.call_until("auth.test", &[], "the workspace", until).await
}

/// Reads a channel backwards from the day before `before`, but not beyond `from`, until at least one day is whole.
pub(super) async fn newest_days(
    api: &Api<'_>,
    channel: &Channel,
    from: Option<NaiveDate>,
    before: Option<NaiveDate>,
    until: Instant,
) -> Result<Days, ConnectorError> {
    let (oldest, latest) = (from.map(start_of).unwrap_or_default(), before.map(start_of).unwrap_or_default());
    let what = format!("#{}", channel.name);
    let mut days: Vec<(NaiveDate, Vec<Message>)> = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut parameters = vec![("channel", channel.id.as_str()), ("limit", PAGE), ("inclusive", "true")];
        for (name, value) in [("oldest", &oldest), ("latest", &latest), ("cursor", &cursor)] {
            if !value.is_empty() {
                parameters.push((name, value));
            }
        }
        let answer: MessagesAnswer =
            api.call_until("conversations.history", &parameters, &what, until).await?;
        for message in answer.messages {
            let Some(day) = day_of(&message.ts) else { continue };
            // The day after the last wanted one begins with the inclusive end.
            if before.is_some_and(|before| day >= before) {
                continue;
            }
            match days.last_mut().filter(|(last, _)| *last == day) {
                Some((_, messages)) => messages.push(message),
                None => days.push((day, vec![message])),
            }
        }
        match answer.response_metadata.cursor() {
            None => return Ok(Days { days, is_all: true }),
            Some(_) if days.len() > 1 => {
                // The rest of the oldest day is on the next page.
                days.pop();
                return Ok(Days { days, is_all: false });
            }
            Some(next) => cursor = next,
        }
    }
}

/// Reads a thread, its first message first.
pub(super) async fn thread(
    api: &Api<'_>,
    channel: &Channel,
    ts: &str,
    until: Instant,
) -> Result<Vec<Message>, ConnectorError> {
    let what = format!("a thread in #{}", channel.name);
    let (mut messages, mut cursor) = (Vec::<Message>::new(), String::new());
    for _ in 0..MAX_THREAD_PAGES {
        let mut parameters = vec![("channel", channel.id.as_str()), ("ts", ts), ("limit", PAGE)];
        if !cursor.is_empty() {
            parameters.push(("cursor", &cursor));
        }
        let answer: MessagesAnswer =
            api.call_until("conversations.replies", &parameters, &what, until).await?;
        let is_first_page = messages.is_empty();
        // Each page repeats the first message.
        let new = answer.messages.into_iter().filter(|message| is_first_page || message.ts != ts);
        messages.extend(new);
        match answer.response_metadata.cursor() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    if messages.is_empty() {
        return Err(ConnectorError::NotFound { what });
    }
    Ok(messages)
}
