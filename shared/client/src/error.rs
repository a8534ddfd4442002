//! What can go wrong between a program and the API.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A problem document (RFC 9457), the body of every error response of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The reason phrase of the status.
    #[serde(default)]
    pub title: String,
    /// What is wrong, and what to do about it.
    #[serde(default)]
    pub detail: String,
    /// The id of the request, to find it in the logs.
    #[serde(default)]
    pub request_id: String,
    /// The invalid fields of the request.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// An invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The name of the field, such as `files[0].name`.
    pub field: String,
    /// What is wrong, what is allowed, and what was received.
    pub message: String,
}

/// A request that did not succeed, after the retries that it was worth.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The API refused the request.
    #[error("{}", explain(.0))]
    Refused(Box<Problem>),
    /// No credentials, or none that the API accepts any more.
    #[error("{0}")]
    NotSignedIn(String),
    /// The server cannot be reached, or the connection broke.
    #[error("{url} cannot be reached: {reason}; check the URL and the network")]
    Unreachable {
        /// The URL without its query, which may carry a signature.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The bucket refused a file.
    #[error("the bucket refused {name:?} with status {status}: {reason}")]
    Storage {
        /// The name of the file.
        name: String,
        /// The HTTP status.
        status: StatusCode,
        /// The code and message of the response.
        reason: String,
    },
    /// What came back is not what the API documents: another server answers at this URL.
    #[error("{url} does not answer as Semantik's API does ({reason}); check the URL")]
    Unexpected {
        /// The URL without its query.
        url: String,
        /// What came back.
        reason: String,
    },
    /// A URL, an API key or another setting cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A local file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl ClientError {
    /// The HTTP status, if the API answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            _ => None,
        }
    }

    /// The problem document, if the API answered with one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// The detail, and for unexpected failures the request's id, by which an operator finds the cause.
fn explain(problem: &Problem) -> String {
    let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    if problem.status >= 500 && !problem.request_id.is_empty() {
        format!("{detail} (status {}, request {})", problem.status, problem.request_id)
    } else {
        detail.clone()
    }
}
