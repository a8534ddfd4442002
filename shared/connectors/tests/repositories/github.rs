//! Sources of GitHub.

use connectors::{ConnectorError, Connectors, Entry, Listing, Page, SourceSpec, Unlisted};
use domain::{Classify, ErrorKind, SecretType};
use serde_json::{Value, json};

use crate::github_server::{Github, Refusal, TOKEN, ago, discussion, issue};
use crate::{connectors, list_all, paths, read_all, source_of};
use testkit::{GitChange, GitRepository};

/// A repository with 250 issues, of which the last is a pull request, and three discussions.
async fn sample() -> (GitRepository, Github) {
    let repository = GitRepository::create();
    repository.commit(
        "main",
        &[GitChange::Write("README.md", b"# Manual\n"), GitChange::Write("src/main.rs", b"fn main() {}")],
    );
    let github = Github::start(&repository).await;
    let api = github.api_url();
    github.change(|data| {
        data.issues = (1..=250).map(|number| issue(number, &ago(10_000))).collect();
        data.issues[0]["comments"] = json!(2);
        data.issues[249]["comments"] = json!(1);
        data.issues[249]["state"] = json!("closed");
        data.issues[249]["pull_request"] = json!({ "merged_at": ago(20_000) });
        let comment = |number: u64, at: &str, body: &str| {
            json!({
                "user": { "login": "ada" }, "body": body, "created_at": at, "updated_at": at,
                "issue_url": format!("{api}/repos/o/r/issues/{number}"),
            })
        };
        data.comments = vec![
            comment(1, "2026-02-01T00:00:00Z", "First"),
            comment(1, "2026-02-02T00:00:00Z", "Second"),
            comment(250, "2026-02-02T00:00:00Z", "Looks good"),
        ];
        let pull = format!("{api}/repos/o/r/pulls/250");
        data.review_comments = vec![json!({
            "user": null, "body": "Rename this", "path": "src/main.rs", "created_at": "2026-02-03T00:00:00Z",
            "updated_at": "2026-02-03T00:00:00Z", "pull_request_url": pull,
        })];
        let review = |state: &str, body: &str| json!({
            "user": { "login": "alan" }, "body": body, "state": state, "submitted_at": "2026-02-04T00:00:00Z",
            "pull_request_url": pull,
        });
        data.reviews = vec![review("COMMENTED", ""), review("CHANGES_REQUESTED", "Please rename.")];
        let reply = json!({ "author": { "login": "ada" }, "body": "Thanks", "createdAt": "2026-02-06T00:00:00Z" });
        let answer = json!({
            "author": { "login": "alan" }, "body": "Like this.", "createdAt": "2026-02-05T00:00:00Z", "isAnswer": true,
            "replies": { "totalCount": 1, "nodes": [reply] },
        });
        data.discussions = vec![
            discussion(301, &ago(10_000), vec![answer]),
            discussion(302, &ago(10_000), Vec::new()),
            discussion(303, &ago(10_000), Vec::new()),
        ];
    });
    (repository, github)
}

fn source(github: &Github, settings: &Value) -> SourceSpec {
    let mut whole = json!({ "repositories": ["o/r"], "api_url": github.api_url(), "discussions": true });
    for (name, value) in settings.as_object().unwrap() {
        whole[name] = value.clone();
    }
    source_of("github", &whole, &[(SecretType::Token, TOKEN)])
}

async fn list(spec: &SourceSpec, checkpoint: Option<&str>) -> (Vec<Entry>, Page) {
    list_all(&connectors(), spec, checkpoint, 1000).await.unwrap()
}

fn statuses(requests: &[(String, u16)]) -> Vec<u16> {
    requests.iter().map(|(_, status)| *status).collect()
}

#[tokio::test]
async fn threads_are_documents_with_their_comments() {
    let (_repository, github) = sample().await;
    let spec = source(&github, &json!({}));
    let (entries, page) = list(&spec, None).await;
    assert_eq!((entries.len(), page.unlisted), (2 + 250 + 3, Unlisted::Gone));
    // The ref; what the server can do and the trees; three pages of issues; one of discussions.
    assert_eq!(github.take_requests().len(), 1 + 2 + 3 + 1);
    let find = |path: &str| entries.iter().find(|entry| entry.file_path == path).unwrap().clone();

    let readme = find("o/r/README.md");
    assert!(readme.url.unwrap().starts_with(&format!("{}/o/r/blob/", github.url)));
    let second = find("o/r/issues/2.md");
    assert_eq!(second.url, Some(format!("{}/o/r/issues/2", github.url)));
    assert_eq!(second.title.as_deref(), Some("Title 2"));
    insta::assert_snapshot!(serde_json::to_string(&second.metadata).unwrap(), @r#"{"author":"grace","created_at":"2026-01-02T03:04:05Z","kind":"issue","label.good_first_issue":true,"labels":"good first issue","milestone":"1.0","number":2,"repository":"o/r","state":"open"}"#);
    insta::assert_snapshot!(String::from_utf8_lossy(&second.content.unwrap()), @r"
    # Title 2

    o/r, issue #2, open, opened by grace on 2026-01-02; labels: good first issue

    Body of 2
    ");

    let read = [
        find("o/r/README.md"),
        find("o/r/issues/1.md"),
        find("o/r/pull/250.md"),
        find("o/r/discussions/301.md"),
    ];
    assert!(read.iter().all(|entry| entry.content.is_none()));
    let contents = read_all(&connectors(), &spec, &read).await.unwrap();
    let text = |path: &str| String::from_utf8(contents[path].as_ref().unwrap().clone()).unwrap();
    assert_eq!(text("o/r/README.md"), "# Manual\n");
    assert!(text("o/r/issues/1.md").ends_with(
        "\n## Comment by ada on 2026-02-01\n\nFirst\n\n## Comment by ada on 2026-02-02\n\nSecond\n"
    ));
    insta::assert_snapshot!(text("o/r/pull/250.md"), @r"
    # Title 250

    o/r, pull request #250, merged, opened by grace on 2026-01-02; labels: good first issue

    Body of 250

    ## Comment by ada on 2026-02-02

    Looks good

    ## Review comment on src/main.rs by a deleted account on 2026-02-03

    Rename this

    ## Review (changes requested) by alan on 2026-02-04

    Please rename.
    ");
    insta::assert_snapshot!(text("o/r/discussions/301.md"), @r"
    # Question 301

    o/r, discussion #301, answered, opened by a deleted account on 2026-01-02

    How?

    ## Answer by alan on 2026-02-05

    Like this.

    ## Reply by ada on 2026-02-06

    Thanks
    ");
}

#[tokio::test]
async fn unchanged_source_costs_constant_requests_and_changes_are_listed_alone() {
    let (repository, github) = sample().await;
    let spec = source(&github, &json!({}));
    let (_, first) = list(&spec, None).await;
    github.take_requests();

    let (entries, second) = list(&spec, first.checkpoint.as_deref()).await;
    assert!(entries.is_empty());
    assert_eq!(second.unlisted, Unlisted::Unchanged);
    // The ref, issues, their comments, review comments, discussions.
    assert_eq!(statuses(&github.take_requests()), [200; 5]);
    // Now the ETags are known, and what has not changed costs nothing of the rate limit.
    let (_, third) = list(&spec, second.checkpoint.as_deref()).await;
    assert_eq!(statuses(&github.take_requests()), [200, 304, 304, 304, 200]);
    assert_eq!(third.checkpoint, second.checkpoint);

    let now = ago(0);
    github.change(|data| {
        data.issues[0]["updated_at"] = json!(now);
        data.comments[0]["updated_at"] = json!(now);
        // Edited, which left the pull request as it was.
        data.review_comments[0]["updated_at"] = json!(now);
        data.discussions[1] = discussion(302, &now, Vec::new());
        data.issues.push(issue(251, &now));
    });
    let (entries, changed) = list(&spec, third.checkpoint.as_deref()).await;
    assert_eq!(changed.unlisted, Unlisted::Unchanged);
    assert_eq!(
        paths(&entries),
        ["o/r/issues/1.md", "o/r/issues/251.md", "o/r/pull/250.md", "o/r/discussions/302.md"]
    );
    assert!(entries[2].change_hint.as_ref().unwrap().ends_with(&format!("+{now}")));
    // One more for the pull request.
    assert_eq!(github.take_requests().len(), 6);

    // A file that is gone needs a complete listing, which sees deleted issues, too.
    repository.commit("main", &[GitChange::Delete("src/main.rs")]);
    github.change(|data| data.issues.remove(4));
    let (entries, complete) = list(&spec, changed.checkpoint.as_deref()).await;
    assert_eq!(complete.unlisted, Unlisted::Gone);
    assert_eq!(entries.len(), 1 + 250 + 3);
    assert!(!paths(&entries).contains(&"o/r/issues/5.md"));

    // A week later, everything is listed again.
    let mut old: Value = serde_json::from_str(&complete.checkpoint.unwrap()).unwrap();
    old["complete_at"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(list(&spec, Some(&old.to_string())).await.1.unlisted, Unlisted::Gone);
}

#[tokio::test]
async fn only_what_is_selected_is_read() {
    let (_repository, github) = sample().await;
    let closed = source(&github, &json!({ "files": false, "discussions": false, "state": "closed" }));
    assert_eq!(paths(&list(&closed, None).await.0), ["o/r/pull/250.md"]);
    let open = source(
        &github,
        &json!({ "files": false, "discussions": false, "pull_requests": false, "state": "open" }),
    );
    let (entries, page) = list(&open, None).await;
    assert_eq!(entries.len(), 249);
    // One that is closed is gone, which only a complete listing says.
    github.change(|data| {
        data.issues[7]["state"] = json!("closed");
        data.issues[7]["updated_at"] = json!(ago(0));
    });
    let (entries, page) = list(&open, page.checkpoint.as_deref()).await;
    assert_eq!((entries.len(), page.unlisted), (248, Unlisted::Gone));

    let anonymous = json!({ "repositories": ["o/r"], "api_url": github.api_url(), "files": false });
    let (entries, _) = list(&source_of("github", &anonymous, &[]), None).await;
    assert_eq!(entries.len(), 250);
    let mut discussions = anonymous;
    discussions["discussions"] = json!(true);
    let error =
        list_all(&connectors(), &source_of("github", &discussions, &[]), None, 1000).await.unwrap_err();
    assert!(matches!(error, ConnectorError::SecretMissing { secret_type: SecretType::Token }), "{error}");
}

#[tokio::test]
async fn small_pages_list_the_same() {
    let (_repository, github) = sample().await;
    let spec = source(&github, &json!({}));
    let (all, _) = list(&spec, None).await;
    for limit in [7, 100] {
        // Every page in a process of its own.
        let (mut entries, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let listing = Listing { limit, ..Listing::from_cursor(cursor.as_deref()) };
            let page = connectors().list(&spec, listing).await.unwrap();
            assert!(page.entries.len() <= limit);
            entries.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paths(&entries), paths(&all), "{limit}");
    }
}

async fn error_of(connectors: &Connectors, spec: &SourceSpec, cursor: Option<&str>) -> ConnectorError {
    connectors.list(spec, Listing::from_cursor(cursor)).await.unwrap_err()
}

#[tokio::test]
async fn rate_limits_are_honoured_and_the_listing_goes_on() {
    let (_repository, github) = sample().await;
    let spec = source(&github, &json!({ "files": false }));
    let connectors = connectors();
    let first = connectors.list(&spec, Listing::from_cursor(None)).await.unwrap();
    let cursor = first.next.unwrap();
    let reset = (chrono::Utc::now().timestamp() + 600).to_string();
    let secondary =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    for (status, headers, message, wait) in [
        (429, vec![("retry-after", "7".to_owned())], "Too many requests", 7..=7),
        (403, vec![("retry-after", "9".to_owned())], secondary, 9..=9),
        (403, Vec::new(), secondary, 60..=60),
        (
            403,
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)],
            "API rate limit exceeded",
            590..=600,
        ),
    ] {
        github.set_refusal(Some(Refusal { status, headers, message }));
        let error = error_of(&connectors, &spec, Some(&cursor)).await;
        let ConnectorError::Throttled { retry_after: Some(time), .. } = &error else {
            panic!("{status}: {error}")
        };
        assert!(wait.contains(&time.as_secs()), "{time:?}");
        assert_eq!(error.kind(), ErrorKind::Throttled);
    }
    github.set_refusal(None);
    let mut entries = first.entries;
    let mut next = Some(cursor);
    while let Some(cursor) = next {
        let page = connectors.list(&spec, Listing::from_cursor(Some(&cursor))).await.unwrap();
        entries.extend(page.entries);
        next = page.next;
    }
    assert_eq!(entries.len(), 253);
}

#[tokio::test]
async fn failures_are_classified_and_never_show_the_token() {
    let (_repository, github) = sample().await;
    let spec = source(&github, &json!({ "files": false, "discussions": false }));
    for (status, message, kind, word) in [
        (500, "Server Error", ErrorKind::Unavailable, "500"),
        (403, "Resource not accessible by personal access token", ErrorKind::Forbidden, "permissions"),
        (404, "Not Found", ErrorKind::NotFound, "token may not read it"),
        (451, "Repository access blocked", ErrorKind::Forbidden, "blocked"),
    ] {
        github.set_refusal(Some(Refusal { status, headers: Vec::new(), message }));
        let error = error_of(&connectors(), &spec, None).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word) && !error.to_string().contains(TOKEN), "{error}");
    }
    github.set_refusal(None);
    let settings = json!({ "repositories": ["o/r"], "api_url": github.api_url(), "files": false });
    let wrong = source_of("github", &settings, &[(SecretType::Token, "ghp_wrong")]);
    let error = error_of(&connectors(), &wrong, None).await;
    assert!(
        matches!(error, ConnectorError::SignIn { .. }) && !error.to_string().contains("ghp_wrong"),
        "{error}"
    );

    // The token stays with the API, whatever it answers.
    github.change(|data| data.link = Some("<http://127.0.0.1:1/steal>; rel=\"next\"".to_owned()));
    let first = connectors().list(&spec, Listing::from_cursor(None)).await.unwrap();
    let error = error_of(&connectors(), &spec, first.next.as_deref()).await;
    assert!(error.to_string().contains("outside of its API"), "{error}");
    github.change(|data| data.link = None);

    let session = connectors().session(&spec, Vec::new()).await.unwrap();
    for (location, kind) in [
        ("issues o/r 999", ErrorKind::NotFound),
        ("issues x/y 1", ErrorKind::Invalid),
        ("file o/r nothing", ErrorKind::Invalid),
        ("nothing", ErrorKind::Invalid),
    ] {
        assert_eq!(session.open(location).await.unwrap_err().kind(), kind, "{location}");
    }
}
