//! Issues and pull requests, which GitHub lists as issues.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::api::{Answered, Api};
use super::document::{Author, Kind, Reply, Thread, change_hint, entry, markdown};
use crate::{ConnectorError, Entry, SourceReader};

/// The most pages of comments of one kind: 2,000 comments.
const MAX_COMMENT_PAGES: usize = 20;
/// Once the comments of one kind have this many bytes, no more of them are read.
pub(crate) const MAX_COMMENT_BYTES: usize = 8 << 20;

/// An issue or a pull request, in listings and alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) number: u64,
    title: String,
    body: Option<String>,
    pub(crate) state: String,
    user: Option<Author>,
    #[serde(default)]
    labels: Vec<Label>,
    milestone: Option<Milestone>,
    #[serde(default)]
    comments: u64,
    created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    pull_request: Option<PullRequest>,
}

/// Old answers have names instead of objects.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Label {
    Name(String),
    Object { name: Option<String> },
}

#[derive(Debug, Deserialize)]
struct Milestone {
    title: String,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    merged_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Comment {
    user: Option<Author>,
    body: Option<String>,
    created_at: DateTime<Utc>,
    /// Of comments on a diff: the file.
    path: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Review {
    user: Option<Author>,
    body: Option<String>,
    state: String,
    /// Missing while the review is not sent.
    submitted_at: Option<DateTime<Utc>>,
}

/// A comment in the list of a repository's comments.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedComment {
    /// Of comments on issues and pull requests.
    issue_url: Option<String>,
    /// Of comments on diffs.
    pull_request_url: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ListedComment {
    /// The number of the issue or pull request.
    pub(crate) fn number(&self) -> Option<u64> {
        self.issue_url.as_ref().or(self.pull_request_url.as_ref())?.rsplit('/').next()?.parse().ok()
    }
}

impl Issue {
    pub(crate) fn kind(&self) -> Kind {
        if self.pull_request.is_some() { Kind::PullRequest } else { Kind::Issue }
    }

    fn thread<'a>(&'a self, repository: &'a str) -> Thread<'a> {
        let name = |label: &'a Label| match label {
            Label::Name(name) => Some(name.as_str()),
            Label::Object { name } => name.as_deref(),
        };
        let is_merged = self.pull_request.as_ref().is_some_and(|pull| pull.merged_at.is_some());
        Thread {
            repository,
            kind: self.kind(),
            number: self.number,
            title: &self.title,
            body: self.body.as_deref().unwrap_or_default(),
            state: if is_merged { "merged" } else { &self.state },
            author: self.user.as_ref(),
            labels: self.labels.iter().filter_map(name).collect(),
            group: self.milestone.as_ref().map(|milestone| ("milestone", milestone.title.as_str())),
            created_at: self.created_at,
            updated_at: self.updated_at,
            closed_at: self.closed_at,
        }
    }

    /// An issue without comments is complete in the listing.
    pub(crate) fn entry(&self, repository: &str, web: &str) -> Entry {
        let thread = self.thread(repository);
        let is_complete = self.comments == 0 && thread.kind == Kind::Issue;
        entry(&thread, web, is_complete.then(|| markdown(&thread, &[])))
    }
}

/// Gets one issue or pull request.
pub(crate) async fn find(api: &Api<'_>, repository: &str, number: u64) -> Result<Issue, ConnectorError> {
    let url = format!("{}/repos/{repository}/issues/{number}", api.urls.rest);
    Ok(api.get(&url, &format!("{repository}#{number}")).await?.value)
}

/// Reads an issue or a pull request with what was said about it, in the order of time.
pub(crate) async fn open(
    api: &Api<'_>,
    repository: &str,
    number: u64,
) -> Result<SourceReader, ConnectorError> {
    let issue = find(api, repository, number).await?;
    let what = format!("{repository}#{number}");
    let rest = &api.urls.rest;
    let mut replies = Vec::new();
    if issue.comments > 0 {
        let url = format!("{rest}/repos/{repository}/issues/{number}/comments?per_page=100");
        let comments: Vec<Comment> = all_pages(api, url, &what).await?;
        replies.extend(comments.into_iter().map(|comment| comment.reply("Comment")));
    }
    if issue.kind() == Kind::PullRequest {
        let url = format!("{rest}/repos/{repository}/pulls/{number}/reviews?per_page=100");
        let reviews: Vec<Review> = all_pages(api, url, &what).await?;
        replies.extend(reviews.into_iter().filter_map(Review::reply));
        let url = format!("{rest}/repos/{repository}/pulls/{number}/comments?per_page=100");
        let comments: Vec<Comment> = all_pages(api, url, &what).await?;
        replies.extend(comments.into_iter().map(|comment| comment.reply("Review comment")));
    }
    replies.sort_by_key(|reply| reply.at);
    let text = markdown(&issue.thread(repository), &replies);
    Ok(SourceReader::of_bytes(Some(change_hint(issue.updated_at)), text))
}

impl Comment {
    fn reply(self, what: &str) -> Reply {
        let what = match self.path {
            Some(path) => format!("{what} on {path}"),
            None => what.to_owned(),
        };
        Reply { what, author: self.user, at: Some(self.created_at), body: self.body.unwrap_or_default() }
    }
}

impl Review {
    /// A review that only holds comments says nothing itself.
    fn reply(self) -> Option<Reply> {
        let body = self.body.unwrap_or_default();
        let is_verdict = matches!(self.state.as_str(), "APPROVED" | "CHANGES_REQUESTED");
        let what = format!("Review ({})", self.state.to_lowercase().replace('_', " "));
        (is_verdict || !body.trim().is_empty()).then_some(Reply {
            what,
            author: self.user,
            at: self.submitted_at,
            body,
        })
    }
}

/// What has a text.
trait Text {
    fn length(&self) -> usize;
}

impl Text for Comment {
    fn length(&self) -> usize {
        self.body.as_deref().map_or(0, str::len)
    }
}

impl Text for Review {
    fn length(&self) -> usize {
        self.body.as_deref().map_or(0, str::len)
    }
}

async fn all_pages<T: DeserializeOwned + Text>(
    api: &Api<'_>,
    first: String,
    what: &str,
) -> Result<Vec<T>, ConnectorError> {
    let (mut all, mut bytes, mut pages_left) = (Vec::new(), 0, MAX_COMMENT_PAGES);
    let mut url = Some(first);
    while let Some(page) = url {
        if pages_left == 0 || bytes > MAX_COMMENT_BYTES {
            tracing::warn!(thread = what, read = all.len(), "later comments are left out");
            break;
        }
        let Answered { value, next, .. } = api.get::<Vec<T>>(&page, what).await?;
        bytes += value.iter().map(Text::length).sum::<usize>();
        all.extend(value);
        pages_left -= 1;
        url = next;
    }
    Ok(all)
}
