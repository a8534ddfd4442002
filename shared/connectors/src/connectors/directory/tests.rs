//! Real folders below real roots.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use domain::{Classify, ErrorKind};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{Connectors, SourceSpec};

fn spec(config: Value) -> SourceSpec {
    SourceSpec::parse("directory", &config).unwrap()
}

fn directory(path: &Path) -> SourceSpec {
    spec(json!({ "path": path }))
}

fn write(root: &TempDir, name: &str) {
    let path = root.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, name).unwrap();
}

fn paths(page: Page) -> Vec<String> {
    page.entries.into_iter().map(|entry| entry.file_path).collect()
}

/// The source with a grant of the whole root, and of its own path if that is elsewhere.
fn granted(root: &TempDir, spec: &SourceSpec) -> SourceSpec {
    let whole = ServerPlace::Directory { path: root.path().display().to_string() };
    spec.clone().granted(vec![whole].into_iter().chain(spec.place()).collect())
}

async fn list_from(root: &TempDir, spec: &SourceSpec, cursor: Option<&str>) -> Result<Page, ConnectorError> {
    Connectors::below(root.path()).list(&granted(root, spec), PageRequest::from_cursor(cursor)).await
}

async fn open(root: &TempDir, spec: &SourceSpec, location: &Path) -> Result<SourceReader, ConnectorError> {
    let connectors = Connectors::below(root.path());
    let session = connectors.session(&granted(root, spec), Vec::new()).await?;
    session.open(location.to_str().unwrap()).await
}

/// The paths of a source that fits in one page.
async fn list(root: &TempDir, spec: &SourceSpec) -> Vec<String> {
    let page = list_from(root, spec, None).await.unwrap();
    assert_eq!(page.next, None);
    paths(page)
}

/// Every page, from a cursor to the next.
async fn list_all(root: &TempDir, spec: &SourceSpec) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut page = list_from(root, spec, cursor.as_deref()).await.unwrap();
        cursor = page.next.take();
        pages.push(paths(page));
        if cursor.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn files_are_listed_in_order_without_hidden_ones() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b.md", "a/z.txt", "a.txt", "a/.env", ".git/config", ".hidden"] {
        write(&root, name);
    }
    let page = list_from(&root, &directory(root.path()), None).await.unwrap();
    let first = &page.entries[0];
    assert_eq!(first.uri, format!("file://{}/a/z.txt", root.path().display()));
    assert_eq!((first.file_name.as_str(), first.size_bytes), ("z.txt", 7));
    assert!(first.modified_at.is_some());
    assert_eq!(page.entries[2].mime_type.as_deref(), Some("text/markdown"));
    assert_eq!(paths(page), ["a/z.txt", "a.txt", "b.md"]);
}

#[tokio::test]
async fn patterns_and_recursion_select_the_files() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.txt", "deep/c.md", "deep/drafts/d.md"] {
        write(&root, name);
    }
    let spec = |recursive: bool, include: &[&str], exclude: &[&str]| {
        spec(json!({
            "path": root.path(), "recursive": recursive,
            "include_patterns": include, "exclude_patterns": exclude,
        }))
    };
    assert_eq!(list(&root, &spec(true, &["*.md"], &[])).await, ["a.md", "deep/c.md", "deep/drafts/d.md"]);
    assert_eq!(list(&root, &spec(true, &[], &["**/drafts/**", "*.txt"])).await, ["a.md", "deep/c.md"]);
    assert_eq!(list(&root, &spec(true, &["deep/*"], &[])).await, ["deep/c.md"]);
    assert_eq!(list(&root, &spec(false, &[], &[])).await, ["a.md", "b.txt"]);
}

#[tokio::test]
async fn cursors_yield_every_file_once_in_order() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    for folder in ["", "one", "two", "two.x", "two-y", "two/deep"] {
        for number in 0..700 {
            let relative = Path::new(folder).join(format!("{number}.txt"));
            write(&root, relative.to_str().unwrap());
            expected.insert(relative);
        }
    }
    // More names in one folder than are read at a time, hidden ones among them.
    for number in 0..2500 {
        write(&root, &format!("wide/{number}"));
        write(&root, &format!("wide/.{number}"));
        expected.insert(Path::new("wide").join(number.to_string()));
    }
    let pages = list_all(&root, &directory(root.path())).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 1000, 1000, 1000, 1000, 700]);
    // Paths compare component by component.
    let listed: Vec<PathBuf> = pages.into_iter().flatten().map(PathBuf::from).collect();
    assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn full_last_page_has_no_cursor() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..Page::MAX_ENTRIES {
        write(&root, &number.to_string());
    }
    assert_eq!(list(&root, &directory(root.path())).await.len(), Page::MAX_ENTRIES);
}

#[tokio::test]
async fn cursor_of_a_deleted_file_or_folder_continues_after_it() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a/1", "a/3", "b", "d"] {
        write(&root, name);
    }
    let after =
        async |cursor: &str| paths(list_from(&root, &directory(root.path()), Some(cursor)).await.unwrap());
    assert_eq!(after("a/2").await, ["a/3", "b", "d"]);
    assert_eq!(after("a/gone/x").await, ["b", "d"]);
    assert_eq!(after("b/was/a/folder").await, ["d"]);
    assert_eq!(after("c").await, ["d"]);
    assert!(after("e").await.is_empty());
}

#[tokio::test]
async fn links_out_of_the_roots_are_neither_listed_nor_opened() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&outside, "secret.txt");
    write(&root, "mine.txt");
    symlink(outside.path().join("secret.txt"), root.path().join("file-link.txt")).unwrap();
    symlink(outside.path(), root.path().join("folder-link")).unwrap();
    symlink("no-such-file", root.path().join("dangling")).unwrap();
    let spec = directory(root.path());
    assert_eq!(list(&root, &spec).await, ["mine.txt"]);
    for link in ["file-link.txt", "folder-link/secret.txt"] {
        let error = open(&root, &spec, &root.path().join(link)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("root"), "{error}");
    }
}

#[tokio::test]
async fn links_within_the_roots_are_followed_and_cycles_end() {
    let root = tempfile::tempdir().unwrap();
    for name in ["source/a.txt", "elsewhere/b.txt"] {
        write(&root, name);
    }
    symlink(root.path().join("elsewhere"), root.path().join("source/link")).unwrap();
    symlink(root.path().join("source"), root.path().join("elsewhere/back")).unwrap();
    symlink("self", root.path().join("source/self")).unwrap();
    assert_eq!(list(&root, &directory(&root.path().join("source"))).await, ["a.txt", "link/b.txt"]);
}

#[tokio::test]
async fn documents_keep_their_uris_when_the_sources_link_moves() {
    let root = tempfile::tempdir().unwrap();
    for name in ["v1/a.txt", "v2/a.txt"] {
        write(&root, name);
    }
    let current = root.path().join("current");
    let uris = async |version: &str| {
        fs::remove_file(&current).ok();
        symlink(root.path().join(version), &current).unwrap();
        let page = list_from(&root, &directory(&current), None).await.unwrap();
        assert!(open(&root, &directory(&current), Path::new(&page.entries[0].location)).await.is_ok());
        page.entries.into_iter().map(|entry| entry.uri).collect::<Vec<_>>()
    };
    assert_eq!(uris("v1").await, uris("v2").await);
}

#[tokio::test]
async fn sources_that_cannot_be_listed_have_a_reason() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&root, "a.txt");
    symlink(outside.path(), root.path().join("escape")).unwrap();
    let (file, gone) = (root.path().join("a.txt"), root.path().join("gone"));
    for (spec, kind, word) in [
        (directory(outside.path()), ErrorKind::Invalid, "root"),
        (directory(&outside.path().join("gone")), ErrorKind::Invalid, "root"),
        (directory(&root.path().join("escape")), ErrorKind::Invalid, "root"),
        (directory(&file), ErrorKind::Invalid, "not a folder"),
        (directory(&gone), ErrorKind::NotFound, "gone"),
        (directory(&file.join("x")), ErrorKind::NotFound, "a.txt/x"),
    ] {
        let error = list_from(&root, &spec, None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = directory(root.path()).authorize(&SourcePolicy::default()).unwrap_err();
    assert!(error.to_string().contains("DIRECTORY_ROOTS"), "{error}");
}

#[tokio::test]
async fn only_documents_of_the_source_can_be_opened() {
    let root = tempfile::tempdir().unwrap();
    for name in ["mine/a.txt", "theirs/b.txt"] {
        write(&root, name);
    }
    let spec = directory(&root.path().join("mine"));
    for location in ["theirs/b.txt", "mine/../theirs/b.txt"] {
        let error = open(&root, &spec, &root.path().join(location)).await.unwrap_err();
        assert!(error.to_string().contains("not a document of the source"), "{error}");
    }
    let gone = open(&root, &spec, &root.path().join("mine/gone")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let folder = open(&root, &spec, &root.path().join("mine")).await.unwrap_err();
    assert_eq!(folder.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn folder_without_permission_does_not_hide_the_rest() {
    let root = tempfile::tempdir().unwrap();
    for name in ["closed/a.txt", "open/b.txt"] {
        write(&root, name);
    }
    let closed = root.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // A superuser can read it nevertheless.
    let may_read = closed.read_dir().is_ok();
    let page = list_from(&root, &directory(root.path()), None).await.unwrap();
    let unreadable = page.unreadable;
    let listed = paths(page);
    let error = list_from(&root, &directory(&closed.join("a.txt")), None).await.unwrap_err();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    if may_read {
        assert_eq!((listed, unreadable), (["closed/a.txt", "open/b.txt"].map(str::to_owned).to_vec(), 0));
    } else {
        assert_eq!((listed, unreadable), (vec!["open/b.txt".to_owned()], 1), "not the same as gone");
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
}

#[test]
fn path_is_normalised() {
    let spec = spec(json!({ "path": "/srv//docs/", "include_patterns": ["*.md"] }));
    assert_eq!((spec.source_path().as_str(), &spec.to_config()["path"]), ("/srv/docs", &json!("/srv/docs")));
    let (source_type, config) = SourceSpec::describe_path("/srv/docs").unwrap();
    assert_eq!((source_type.as_str(), config), ("directory", json!({ "path": "/srv/docs" })));
    let error = SourceSpec::parse("directory", &json!({ "path": "docs" })).unwrap_err();
    assert_eq!(error.field(), Some("path"));
    assert!(error.to_string().contains("absolute"), "{error}");
}

#[tokio::test]
async fn only_granted_folders_are_read_and_links_do_not_lead_out_of_them() {
    let root = TempDir::new().unwrap();
    for name in ["docs/a.md", "docs2/b.md", "secret/c.md"] {
        write(&root, name);
    }
    symlink(root.path().join("secret"), root.path().join("docs/linked")).unwrap();
    symlink(root.path().join("secret/c.md"), root.path().join("docs/c.md")).unwrap();
    let connectors = Connectors::below(root.path());
    let grant = |name: &str| ServerPlace::Directory { path: root.path().join(name).display().to_string() };
    let spec = |name: &str| directory(&root.path().join(name));
    let listed = connectors
        .list(&spec("docs").granted(vec![grant("docs")]), PageRequest::from_cursor(None))
        .await
        .unwrap();
    assert_eq!(paths(listed), ["a.md"]);
    let both = spec("docs").granted(vec![grant("docs"), grant("secret")]);
    assert_eq!(
        paths(connectors.list(&both, PageRequest::from_cursor(None)).await.unwrap()),
        ["a.md", "c.md", "linked/c.md"]
    );
    let linked = root.path().join("docs/c.md");
    let docs = spec("docs").granted(vec![grant("docs")]);
    let session = connectors.session(&docs, Vec::new()).await.unwrap();
    let error = session.open(linked.to_str().unwrap()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
    for (name, grants) in [("docs2", vec![grant("docs")]), ("docs", vec![]), ("docs", vec![grant("docs2")])] {
        let error =
            connectors.list(&spec(name).granted(grants), PageRequest::from_cursor(None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
        assert!(error.to_string().contains("no grant of a superuser covers it"), "{error}");
    }
}
