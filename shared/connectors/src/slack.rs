//! Messages of Slack channels over its Web API, for the connector that reads them.

mod api;
pub(crate) mod channels;
mod document;
mod history;
mod listing;
mod message;
mod mrkdwn;
mod people;
mod progress;
pub(crate) mod reading;
mod time;

use chrono::NaiveDate;

/// Some channels of a workspace.
#[derive(Debug)]
pub(crate) struct SlackSource {
    /// Where the methods of the API are, without a slash at the end.
    pub(crate) api_url: String,
    /// Names without `#`, or ids.
    pub(crate) channels: Vec<String>,
    /// Only messages of this day or later.
    pub(crate) since: Option<NaiveDate>,
    pub(crate) includes_files: bool,
    /// For how many days messages and threads are read again in every sync.
    pub(crate) edits_for_days: u16,
}

/// Where Slack's API is.
pub(crate) const API_URL: &str = "https://slack.com/api";
