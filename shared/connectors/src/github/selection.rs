//! What a source of GitHub reads.

use super::api::ApiUrls;
use crate::git::repository::Repository;

/// What is read of which repositories.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) urls: ApiUrls,
    /// As `owner/name`.
    pub(crate) repositories: Vec<String>,
    /// Their files, in the same order; empty if they are not read.
    pub(crate) files: Vec<Repository>,
    pub(crate) issues: bool,
    pub(crate) pull_requests: bool,
    pub(crate) discussions: bool,
    /// `all`, `open` or `closed`.
    pub(crate) state: String,
}
