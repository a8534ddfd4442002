//! Calls of Slack's Web API.

use std::time::{Duration, Instant};

use domain::{Classify, ErrorKind, SecretType};
use egress::{Method, StatusCode, Url};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ConnectorError;
use crate::clients::Clients;

/// The longest time of a call.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of an answer: 200 long messages with everything that Slack adds.
const MAX_ANSWER: u64 = 32 * 1024 * 1024;
/// How long to wait when Slack says nothing of it.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// The API of one workspace, as one app.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api<'a> {
    clients: &'a Clients,
    base: &'a str,
    token: &'a SecretString,
}

/// What every answer says.
#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
    /// The scope that the token lacks.
    #[serde(default)]
    needed: String,
}

/// Where the next page of a list is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NextPage {
    #[serde(default)]
    next_cursor: String,
}

impl NextPage {
    /// The cursor to ask with; `None` at the end.
    pub(super) fn cursor(self) -> Option<String> {
        Some(self.next_cursor).filter(|cursor| !cursor.is_empty())
    }
}

impl<'a> Api<'a> {
    pub(super) fn new(clients: &'a Clients, base: &'a str) -> Result<Self, ConnectorError> {
        Ok(Self { clients, base, token: clients.secrets.require(SecretType::Token)? })
    }

    /// Calls a method; `what` is what it is about, for messages.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &[(&str, &str)],
        what: &str,
    ) -> Result<T, ConnectorError> {
        let url = Url::parse_with_params(&format!("{}/{method}", self.base), parameters)
            .map_err(|error| ConnectorError::invalid("api_url", format!("not a URL ({error})")))?;
        let request = self.clients.egress.request(Method::GET, url.as_str()).bearer(self.token);
        let response = request.timeout(TIMEOUT).limit(MAX_ANSWER).send().await?;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            return Err(throttled(response.retry_after()));
        }
        let answer = response.error_for_status()?.bytes(MAX_ANSWER).await?;
        let strange = |error: serde_json::Error| {
            // Its text could quote the answer.
            let place = format!("line {} column {}", error.line(), error.column());
            ConnectorError::unavailable(
                "Slack",
                format!("{method} answered other JSON than expected at {place}"),
            )
        };
        let outcome: Outcome = serde_json::from_slice(&answer).map_err(strange)?;
        if !outcome.ok {
            return Err(refusal(method, &outcome, what));
        }
        serde_json::from_slice(&answer).map_err(strange)
    }

    /// Calls a method, and again after the time that Slack asks for, if that ends before `until`.
    pub(super) async fn call_until<T: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &[(&str, &str)],
        what: &str,
        until: Instant,
    ) -> Result<T, ConnectorError> {
        loop {
            match self.call(method, parameters, what).await {
                Err(error) if error.kind() == ErrorKind::Throttled => {
                    let wait = error.retry_after().unwrap_or(DEFAULT_WAIT);
                    if Instant::now() + wait >= until {
                        return Err(error);
                    }
                    tokio::time::sleep(wait).await;
                }
                other => return other,
            }
        }
    }
}

pub(super) fn throttled(retry_after: Option<Duration>) -> ConnectorError {
    ConnectorError::Throttled { what: "Slack".to_owned(), retry_after }
}

/// The error of a call that Slack refused.
fn refusal(method: &str, outcome: &Outcome, what: &str) -> ConnectorError {
    let forbidden = |reason: String| ConnectorError::Forbidden { what: what.to_owned(), reason };
    match outcome.error.as_str() {
        "ratelimited" | "rate_limited" => throttled(None),
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type" => ConnectorError::SignIn {
            what: "Slack".to_owned(),
            reason: format!(
                "it answered {}; set the bot token of an app that is installed in the workspace (secrets.token)",
                outcome.error
            ),
        },
        "missing_scope" => forbidden(format!(
            "the token lacks the scope {}; add it to the app and install the app again",
            outcome.needed
        )),
        "not_in_channel" => forbidden("the app is not a member; invite it to the channel".to_owned()),
        "channel_not_found" | "thread_not_found" | "message_not_found" | "file_not_found"
        | "file_deleted" | "user_not_found" => ConnectorError::NotFound { what: what.to_owned() },
        "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org"
        | "migration_in_progress" => {
            ConnectorError::unavailable("Slack", format!("it answered {} to {method}", outcome.error))
        }
        other => forbidden(format!("Slack answered {other:?} to {method}")),
    }
}
