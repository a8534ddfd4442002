//! Discussions, which only GraphQL lists.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::api::Api;
use super::document::{Author, Kind, Reply, Thread, change_hint, entry, markdown};
use super::issues::MAX_COMMENT_BYTES;
use crate::{ConnectorError, Entry, SourceReader};

const FIELDS: &str = "number title body createdAt updatedAt closed closedAt isAnswered author { login } \
     category { name } labels(first: 20) { nodes { name } }";
/// The most pages of comments of one discussion: 1,000 comments.
const MAX_COMMENT_PAGES: usize = 20;

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Stays while it is listed.
    Created,
    /// The newest first.
    Updated,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Discussion {
    number: u64,
    title: String,
    body: String,
    created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    #[serde(default)]
    pub(crate) closed: bool,
    closed_at: Option<DateTime<Utc>>,
    is_answered: Option<bool>,
    author: Option<Author>,
    category: Option<Named>,
    labels: Option<Nodes<Named>>,
    comments: Comments,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comments {
    total_count: u64,
    #[serde(default)]
    nodes: Vec<Comment>,
    page_info: Option<PageInfo>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    author: Option<Author>,
    body: String,
    created_at: DateTime<Utc>,
    #[serde(default)]
    is_answer: bool,
    replies: Option<Box<Comments>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Data<T> {
    repository: T,
}

#[derive(Debug, Deserialize)]
struct Listed {
    discussions: DiscussionPage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiscussionPage {
    nodes: Vec<Discussion>,
    page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
struct One {
    discussion: Discussion,
}

impl Discussion {
    fn thread<'a>(&'a self, repository: &'a str) -> Thread<'a> {
        let labels = self.labels.iter().flat_map(|labels| &labels.nodes);
        let state = match (self.closed, self.is_answered) {
            (true, _) => "closed",
            (false, Some(true)) => "answered",
            (false, _) => "open",
        };
        Thread {
            repository,
            kind: Kind::Discussion,
            number: self.number,
            title: &self.title,
            body: &self.body,
            state,
            author: self.author.as_ref(),
            labels: labels.map(|label| label.name.as_str()).collect(),
            group: self.category.as_ref().map(|category| ("category", category.name.as_str())),
            created_at: self.created_at,
            updated_at: self.updated_at,
            closed_at: self.closed_at,
        }
    }

    pub(crate) fn entry(&self, repository: &str, web: &str) -> Entry {
        let thread = self.thread(repository);
        entry(&thread, web, (self.comments.total_count == 0).then(|| markdown(&thread, &[])))
    }
}

/// Lists a page, and returns the cursor of the next one, too.
pub(crate) async fn list(
    api: &Api<'_>,
    repository: &str,
    order: Order,
    count: usize,
    after: Option<&str>,
) -> Result<(Vec<Discussion>, Option<String>), ConnectorError> {
    let query = format!(
        "query($owner: String!, $name: String!, $count: Int!, $after: String, $field: DiscussionOrderField!, \
         $direction: OrderDirection!) {{ repository(owner: $owner, name: $name) {{ discussions(first: $count, \
         after: $after, orderBy: {{field: $field, direction: $direction}}) {{ pageInfo {{ hasNextPage endCursor }} \
         nodes {{ {FIELDS} comments {{ totalCount }} }} }} }} }}"
    );
    let (owner, name) = repository.split_once('/').unwrap_or_default();
    let (field, direction) = match order {
        Order::Created => ("CREATED_AT", "ASC"),
        Order::Updated => ("UPDATED_AT", "DESC"),
    };
    let variables = json!({
        "owner": owner, "name": name, "count": count, "after": after, "field": field, "direction": direction,
    });
    let data: Data<Listed> =
        api.query(&query, variables, &format!("the discussions of {repository}")).await?;
    let page = data.repository.discussions;
    Ok((page.nodes, page.page_info.next()))
}

/// Reads a discussion with its comments and their replies.
pub(crate) async fn open(
    api: &Api<'_>,
    repository: &str,
    number: u64,
) -> Result<SourceReader, ConnectorError> {
    let query = format!(
        "query($owner: String!, $name: String!, $number: Int!, $after: String) {{ repository(owner: $owner, \
         name: $name) {{ discussion(number: $number) {{ {FIELDS} comments(first: 50, after: $after) {{ totalCount \
         pageInfo {{ hasNextPage endCursor }} nodes {{ author {{ login }} body createdAt isAnswer \
         replies(first: 100) {{ totalCount nodes {{ author {{ login }} body createdAt }} }} }} }} }} }} }}"
    );
    let (owner, name) = repository.split_once('/').unwrap_or_default();
    let what = format!("{repository}#{number}");
    let (mut replies, mut after, mut pages_left) = (Vec::new(), None, MAX_COMMENT_PAGES);
    loop {
        let variables = json!({ "owner": owner, "name": name, "number": number, "after": after });
        let data: Data<One> = api.query(&query, variables, &what).await?;
        let mut discussion = data.repository.discussion;
        for comment in std::mem::take(&mut discussion.comments.nodes) {
            comment.add_to(&mut replies);
        }
        after = discussion.comments.page_info.as_ref().and_then(PageInfo::next);
        pages_left -= 1;
        let bytes: usize = replies.iter().map(|reply: &Reply| reply.body.len()).sum();
        if after.is_none() || pages_left == 0 || bytes > MAX_COMMENT_BYTES {
            if after.is_some() {
                tracing::warn!(thread = what, read = replies.len(), "later comments are left out");
            }
            let text = markdown(&discussion.thread(repository), &replies);
            return Ok(SourceReader::of_bytes(Some(change_hint(discussion.updated_at)), text));
        }
    }
}

impl Comment {
    fn add_to(self, replies: &mut Vec<Reply>) {
        let what = if self.is_answer { "Answer" } else { "Comment" };
        let reply = |what: &str, comment: Comment| Reply {
            what: what.to_owned(),
            author: comment.author,
            at: Some(comment.created_at),
            body: comment.body,
        };
        let below = self.replies.map(|below| below.nodes).unwrap_or_default();
        replies.push(reply(what, Self { replies: None, ..self }));
        replies.extend(below.into_iter().map(|comment| reply("Reply", comment)));
    }
}

impl PageInfo {
    fn next(&self) -> Option<String> {
        self.end_cursor.clone().filter(|_| self.has_next_page)
    }
}
