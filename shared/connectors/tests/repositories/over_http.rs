//! Over HTTP.

use connectors::{ConnectorError, Listing, Unlisted};
use domain::{Classify, ErrorKind, SecretType};
use serde_json::json;

use crate::{connectors, list_all, paths, read_all, source};
use testkit::{GitChange, GitFault, GitRepository, GitServer};

/// `x-access-token:s3cr3t`, as HTTP spells it.
const TOKEN: &str = "eC1hY2Nlc3MtdG9rZW46czNjcjN0";
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

fn sample() -> (GitRepository, String) {
    let repository = GitRepository::create();
    let commit = repository.commit(
        "main",
        &[
            GitChange::Write("README.md", b"# Manual\n"),
            GitChange::Write("docs/a b.md", b"alpha\n"),
            GitChange::Write("docs/deep/c.md", b"gamma\n"),
            GitChange::Write("src/main.rs", b"fn main() {}\n"),
            GitChange::Write("model.bin", POINTER),
            GitChange::Write("large.txt", &b"0123456789".repeat(500)),
            GitChange::Link("passwd", "/etc/passwd"),
            GitChange::Submodule("vendor/other", &"a".repeat(40)),
            GitChange::Write(".gitattributes", b"docs export-ignore\n"),
        ],
    );
    (repository, commit)
}

#[tokio::test]
async fn first_unchanged_and_changed_listings() {
    let (repository, commit) = sample();
    let server = GitServer::start(repository.folder.path().to_owned(), Some(TOKEN)).await;
    let connectors = connectors();
    let settings = json!({ "url": server.url, "include_patterns": ["*.md"], "link_template": "https://git.example.org/{commit}/{path}" });
    let spec = source(&settings, &[(SecretType::Token, "s3cr3t")]);

    let (entries, page) = list_all(&connectors, &spec, None, 1000).await.unwrap();
    assert_eq!(paths(&entries), ["README.md", "docs/a b.md", "docs/deep/c.md"]);
    assert_eq!((page.unlisted, page.unreadable), (Unlisted::Gone, 0));
    assert_eq!(page.checkpoint.as_deref(), Some(commit.as_str()));
    let entry = &entries[1];
    assert_eq!(entry.uri, format!("git+{}#docs/a%20b.md", server.url));
    assert_eq!(
        entry.url.as_deref(),
        Some(format!("https://git.example.org/{commit}/docs/a%20b.md").as_str())
    );
    assert_eq!(entry.mime_type.as_deref(), Some("text/markdown"));
    assert_eq!(
        entry.change_hint,
        Some(repository.git(&["rev-parse", "main:docs/a b.md"], b"").trim().to_owned())
    );
    // The ref, what the server can do, and the trees.
    assert_eq!(server.take_counts().0, 3);

    let contents = read_all(&connectors, &spec, &entries).await.unwrap();
    assert_eq!(contents["docs/deep/c.md"].as_ref().unwrap(), b"gamma\n");
    assert_eq!(server.take_counts().0, 1);

    let (entries, page) = list_all(&connectors, &spec, Some(&commit), 1000).await.unwrap();
    assert!(entries.is_empty());
    assert_eq!((page.unlisted, page.checkpoint), (Unlisted::Unchanged, Some(commit.clone())));
    let (requests, bytes) = server.take_counts();
    assert_eq!(requests, 1);
    assert!(bytes < 200, "{bytes}");

    let changed = repository.commit(
        "main",
        &[GitChange::Write("docs/a b.md", b"alpha, changed\n"), GitChange::Delete("docs/deep/c.md")],
    );
    let (entries, page) = list_all(&connectors, &spec, Some(&commit), 1000).await.unwrap();
    assert_eq!(paths(&entries), ["README.md", "docs/a b.md"]);
    assert_eq!((page.unlisted, page.checkpoint), (Unlisted::Gone, Some(changed)));
    let contents = read_all(&connectors, &spec, &entries[1..]).await.unwrap();
    assert_eq!(contents["docs/a b.md"].as_ref().unwrap(), b"alpha, changed\n");
}

#[tokio::test]
async fn links_and_submodules_are_left_out_and_pointers_and_large_files_say_why() {
    let (repository, _) = sample();
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let connectors = connectors();
    let spec = source(&json!({ "url": server.url, "max_file_bytes": 4999 }), &[]);
    let (entries, _) = list_all(&connectors, &spec, None, 1000).await.unwrap();
    assert_eq!(
        paths(&entries),
        [
            ".gitattributes",
            "README.md",
            "docs/a b.md",
            "docs/deep/c.md",
            "large.txt",
            "model.bin",
            "src/main.rs"
        ]
    );
    let contents = read_all(&connectors, &spec, &entries).await.unwrap();
    let (failed, read): (Vec<_>, Vec<_>) = contents.iter().partition(|(_, content)| content.is_err());
    assert_eq!(read.len(), 5);
    let reasons: Vec<String> =
        failed.iter().map(|(_, error)| error.as_ref().unwrap_err().to_string()).collect();
    assert_eq!(
        reasons,
        [
            "large.txt is left out: it is larger than 4999 bytes, the limit of the source (max_file_bytes)",
            "model.bin is left out: its content is in Git LFS, which is not read",
        ]
    );
}

#[tokio::test]
async fn branches_and_tags_are_found_and_pages_are_of_one_commit() {
    let repository = GitRepository::create();
    repository.commit(
        "main",
        &[GitChange::Write("a.md", b"1"), GitChange::Write("b.md", b"1"), GitChange::Write("c.md", b"1")],
    );
    let release = repository.commit("release/1", &[GitChange::Write("r.md", b"1")]);
    repository.git(&["tag", "-a", "-m", "annotated", "v1", "release/1"], b"");
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let connectors = connectors();
    for name in ["release/1", "refs/heads/release/1", "v1", "refs/tags/v1"] {
        let spec = source(&json!({ "url": server.url, "ref": name }), &[]);
        let (entries, page) = list_all(&connectors, &spec, None, 10).await.unwrap();
        assert_eq!(
            (paths(&entries), page.checkpoint.as_deref()),
            (vec!["r.md"], Some(release.as_str())),
            "{name}"
        );
    }
    let spec = source(&json!({ "url": server.url, "ref": "release" }), &[]);
    let error = list_all(&connectors, &spec, None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("refs/heads/release or refs/tags/release"), "{error}");

    let spec = source(&json!({ "url": server.url }), &[]);
    let first = connectors.list(&spec, Listing { limit: 2, ..Listing::from_cursor(None) }).await.unwrap();
    repository.commit("main", &[GitChange::Delete("c.md"), GitChange::Write("d.md", b"1")]);
    server.take_counts();
    let second = connectors.list(&spec, Listing::from_cursor(first.next.as_deref())).await.unwrap();
    assert_eq!((paths(&second.entries), second.next), (vec!["c.md"], None));
    assert_eq!(server.take_counts().0, 0);
    // Another process has to read the trees again.
    let second = crate::connectors().list(&spec, Listing::from_cursor(first.next.as_deref())).await.unwrap();
    assert_eq!(paths(&second.entries), ["c.md"]);
    assert_eq!(server.take_counts().0, 2);
}

#[tokio::test]
async fn refusals_and_faults_are_classified() {
    let (repository, commit) = sample();
    let server = GitServer::start(repository.folder.path().to_owned(), Some(TOKEN)).await;
    let settings = json!({ "url": server.url });
    for secrets in [&[][..], &[(SecretType::Token, "wrong-token")]] {
        let error = list_all(&connectors(), &source(&settings, secrets), None, 10).await.unwrap_err();
        assert!(matches!(error, ConnectorError::SignIn { .. }), "{error}");
        assert!(
            error.to_string().contains("secret token") && !error.to_string().contains("wrong-token"),
            "{error}"
        );
    }
    let password = source(&settings, &[(SecretType::Password, "s3cr3t")]);
    assert_eq!(list_all(&connectors(), &password, None, 10).await.unwrap_err().field(), Some("username"));
    let settings = json!({ "url": server.url, "username": "x-access-token" });
    let spec = source(&settings, &[(SecretType::Password, "s3cr3t")]);
    let (entries, _) = list_all(&connectors(), &spec, None, 10).await.unwrap();

    let elsewhere = json!({ "url": server.url.replace("r.git", "other.git"), "username": "x-access-token" });
    let elsewhere = source(&elsewhere, &[(SecretType::Password, "s3cr3t")]);
    let error = list_all(&connectors(), &elsewhere, None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    for (fault, kind, word) in [
        (GitFault::Status(503, None), ErrorKind::Unavailable, "503"),
        (GitFault::Status(429, Some(("retry-after", "7"))), ErrorKind::Throttled, "rate"),
        (GitFault::Status(403, Some(("retry-after", "7"))), ErrorKind::Throttled, "rate"),
        (GitFault::Status(403, None), ErrorKind::Forbidden, "403"),
        (
            GitFault::Status(302, Some(("location", "http://169.254.169.254/latest"))),
            ErrorKind::Forbidden,
            "never reached",
        ),
        (GitFault::Page, ErrorKind::Forbidden, "git server"),
        (GitFault::CutAfter(30), ErrorKind::Unavailable, "127.0.0.1"),
    ] {
        server.set_fault(Some(fault.clone()));
        let listed = list_all(&connectors(), &spec, None, 10).await.unwrap_err();
        let read = read_all(&connectors(), &spec, &entries).await.unwrap_err();
        assert_eq!(listed.kind(), kind, "{fault:?}: {listed}");
        assert!(listed.to_string().contains(word), "{fault:?}: {listed}");
        assert_ne!(read.kind(), ErrorKind::Internal, "{fault:?}: {read}");
        if let ConnectorError::Throttled { retry_after, .. } = listed {
            assert_eq!(retry_after.map(|wait| wait.as_secs()), Some(7));
        }
    }
    // The server comes back, and everything goes on.
    server.set_fault(None);
    let contents = read_all(&connectors(), &spec, &entries).await.unwrap();
    assert_eq!(contents["README.md"].as_ref().unwrap(), b"# Manual\n");
    let (_, page) = list_all(&connectors(), &spec, Some(&commit), 10).await.unwrap();
    assert_eq!(page.unlisted, Unlisted::Unchanged);
}

#[tokio::test]
async fn file_that_is_gone_fails_alone() {
    let (repository, _) = sample();
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let connectors = connectors();
    let spec = source(&json!({ "url": server.url, "include_patterns": ["docs/**"] }), &[]);
    let (mut entries, _) = list_all(&connectors, &spec, None, 10).await.unwrap();
    let missing = "b".repeat(40);
    entries[0].location = format!("{missing} {}", entries[0].file_path);
    entries[0].change_hint = Some(missing);
    let contents = read_all(&connectors, &spec, &entries).await.unwrap();
    assert_eq!(contents["docs/a b.md"].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(contents["docs/deep/c.md"].as_ref().unwrap(), b"gamma\n");

    let session = connectors.session(&spec, Vec::new()).await.unwrap();
    let outside = format!("{} src/main.rs", "b".repeat(40));
    for location in [outside.as_str(), "docs/a.md", "../../etc/passwd"] {
        assert_eq!(session.open(location).await.unwrap_err().field(), Some("location"));
    }
}

#[tokio::test]
async fn server_without_filters_is_read_and_one_without_version_2_is_refused() {
    let (repository, _) = sample();
    repository.git(&["config", "uploadpack.allowFilter", "false"], b"");
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let spec = source(&json!({ "url": server.url, "include_patterns": ["docs/**"] }), &[]);
    let (entries, _) = list_all(&connectors(), &spec, None, 10).await.unwrap();
    assert_eq!(paths(&entries), ["docs/a b.md", "docs/deep/c.md"]);
    let contents = read_all(&connectors(), &spec, &entries).await.unwrap();
    assert_eq!(contents["docs/a b.md"].as_ref().unwrap(), b"alpha\n");

    let server = GitServer::start_as(repository.folder.path().to_owned(), None, true).await;
    let spec = source(&json!({ "url": server.url }), &[]);
    let error = list_all(&connectors(), &spec, None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("version 2 of git's protocol"), "{error}");
}
