//! The steps of a listing: one page of files, issues, comments or discussions.

use std::collections::BTreeMap;

use domain::{Classify, ErrorKind};
use serde::de::DeserializeOwned;

use super::api::{Answered, Api};
use super::cursor::{Cursor, Part, Step};
use super::discussions::{self, Order};
use super::document::{Kind, change_hint};
use super::issues::{self, Issue, ListedComment};
use super::selection::Selection;
use crate::clients::Clients;
use crate::{ConnectorError, Entry, Listing};

/// What locations of files begin with.
pub(crate) const FILE: &str = "file";
/// The most entries that GitHub lists in one answer.
const MAX_PAGE: usize = 100;
/// The most issues of a repository that are remembered within a listing.
const MAX_LISTED: usize = 2000;

impl Selection {
    /// Takes the next step.
    pub(super) async fn step(
        &self,
        clients: &Clients,
        cursor: &mut Cursor,
        index: usize,
        part: Part,
        limit: usize,
    ) -> Result<Step, ConnectorError> {
        let repository = self.repositories[index].as_str();
        let api = Api { urls: &self.urls, clients };
        let limit_of_page = limit.min(MAX_PAGE);
        match part {
            Part::Files => self.list_files(clients, cursor, index, limit).await,
            Part::Issues => self.list_issues(&api, cursor, repository, limit_of_page).await,
            Part::Comments(of) => self.list_comments(&api, cursor, repository, of).await,
            Part::Discussions => self.list_discussions(&api, cursor, repository, limit_of_page).await,
        }
    }

    async fn list_files(
        &self,
        clients: &Clients,
        cursor: &Cursor,
        index: usize,
        limit: usize,
    ) -> Result<Step, ConnectorError> {
        let first = format!("{} ", cursor.left.commits[index]);
        let page = Some(cursor.page.as_deref().unwrap_or(&first));
        let listing = Listing { limit, ..Listing::from_cursor(page) };
        let page = self.files[index].list(clients, listing).await?;
        let repository = &self.repositories[index];
        let named = |entry: Entry| Entry {
            location: format!("{FILE} {repository} {}", entry.location),
            file_path: format!("{repository}/{}", entry.file_path),
            ..entry
        };
        Ok(Step::Listed { entries: page.entries.into_iter().map(named).collect(), next: page.next })
    }

    async fn list_issues(
        &self,
        api: &Api<'_>,
        cursor: &mut Cursor,
        repository: &str,
        limit: usize,
    ) -> Result<Step, ConnectorError> {
        let order = match cursor.since {
            // In an order that does not change while it is listed.
            None => "sort=created".to_owned(),
            Some(since) => format!("sort=updated&since={}", change_hint(since)),
        };
        let first = format!(
            "{}/repos/{repository}/issues?state=all&{order}&direction=asc&per_page={limit}",
            self.urls.rest
        );
        let what = format!("the issues of {repository}");
        let Some((all, next)) = get_changes::<Issue>(api, cursor, first, &what).await? else {
            return Ok(Step::Listed { entries: Vec::new(), next: None });
        };
        let mut entries = Vec::new();
        for issue in all.iter().filter(|issue| self.reads(issue.kind())) {
            if self.state != "all" && issue.state != self.state {
                if !cursor.is_complete() {
                    return Ok(Step::NeedsComplete);
                }
                continue;
            }
            if !cursor.is_complete() && cursor.listed.len() < MAX_LISTED {
                cursor.listed.insert(issue.number);
            }
            entries.push(issue.entry(repository, &self.urls.web));
        }
        Ok(Step::Listed { entries, next })
    }

    /// Lists issues and pull requests with a comment that was edited since they changed themselves.
    async fn list_comments(
        &self,
        api: &Api<'_>,
        cursor: &mut Cursor,
        repository: &str,
        of: &str,
    ) -> Result<Step, ConnectorError> {
        let since = change_hint(cursor.since.unwrap_or_default());
        let query = format!("sort=updated&direction=asc&since={since}&per_page={MAX_PAGE}");
        let first = format!("{}/repos/{repository}/{of}/comments?{query}", self.urls.rest);
        let what = format!("the comments of {repository}");
        let Some((all, next)) = get_changes::<ListedComment>(api, cursor, first, &what).await? else {
            return Ok(Step::Listed { entries: Vec::new(), next: None });
        };
        let mut latest = BTreeMap::new();
        for comment in &all {
            if let Some(number) = comment.number().filter(|number| !cursor.listed.contains(number)) {
                latest.insert(number, comment.updated_at);
            }
        }
        let mut entries = Vec::new();
        for (number, edited_at) in latest {
            let issue = match issues::find(api, repository, number).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                found => found?,
            };
            let is_selected = self.reads(issue.kind()) && (self.state == "all" || issue.state == self.state);
            // Otherwise it is in the list of changed issues.
            if is_selected && issue.updated_at < edited_at {
                let entry = issue.entry(repository, &self.urls.web);
                let hint = format!("{}+{}", change_hint(issue.updated_at), change_hint(edited_at));
                entries.push(Entry { change_hint: Some(hint), content: None, ..entry });
            }
        }
        Ok(Step::Listed { entries, next })
    }

    async fn list_discussions(
        &self,
        api: &Api<'_>,
        cursor: &mut Cursor,
        repository: &str,
        limit: usize,
    ) -> Result<Step, ConnectorError> {
        let since = cursor.since;
        let order = if since.is_some() { Order::Updated } else { Order::Created };
        let (all, mut next) =
            discussions::list(api, repository, order, limit, cursor.page.as_deref()).await?;
        let mut entries = Vec::new();
        for discussion in all {
            if since.is_some_and(|since| discussion.updated_at < since) {
                next = None;
                break;
            }
            if self.state != "all" && discussion.closed != (self.state == "closed") {
                if !cursor.is_complete() {
                    return Ok(Step::NeedsComplete);
                }
                continue;
            }
            entries.push(discussion.entry(repository, &self.urls.web));
        }
        Ok(Step::Listed { entries, next })
    }

    fn reads(&self, kind: Kind) -> bool {
        match kind {
            Kind::Issue => self.issues,
            Kind::PullRequest => self.pull_requests,
            Kind::Discussion => self.discussions,
        }
    }
}

/// Gets the cursor's page of a list; `None` if it is as it was.
async fn get_changes<T: DeserializeOwned>(
    api: &Api<'_>,
    cursor: &mut Cursor,
    first: String,
    what: &str,
) -> Result<Option<(Vec<T>, Option<String>)>, ConnectorError> {
    if let Some(page) = &cursor.page {
        let Answered { value, next, .. } = api.get(page, what).await?;
        return Ok(Some((value, next)));
    }
    let known = cursor.known.get(&first).filter(|_| !cursor.is_complete()).cloned();
    let answered = api.get_if_changed::<Vec<T>>(&first, known.as_deref(), what).await?;
    let Some(Answered { value, next, etag }) = answered else {
        cursor.left.etags.extend(known.map(|etag| (first, etag)));
        return Ok(None);
    };
    if value.is_empty() {
        cursor.left.etags.extend(etag.map(|etag| (first, etag)));
    }
    Ok(Some((value, next)))
}
