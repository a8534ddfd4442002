//! Real folders below real roots.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use domain::{Classify, ErrorKind};
use tempfile::TempDir;

use super::*;
use crate::OnMissing;

fn directory(path: &Path) -> SourceSpec {
    SourceSpec::Directory {
        path: path.to_owned(),
        recursive: true,
        include_patterns: Vec::new(),
        exclude_patterns: Vec::new(),
        on_missing: OnMissing::Remove,
    }
}

fn write(root: &TempDir, name: &str) {
    let path = root.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, name).unwrap();
}

fn roots(root: &TempDir) -> Roots {
    Roots::new(vec![root.path().to_owned()])
}

fn paths(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.file_path.as_str()).collect()
}

fn list(root: &TempDir, spec: &SourceSpec) -> Vec<String> {
    let page = roots(root).list(spec, None).unwrap();
    assert_eq!(page.next, None);
    page.entries.into_iter().map(|entry| entry.file_path).collect()
}

/// Every page, from a cursor to the next.
fn list_all(root: &TempDir, spec: &SourceSpec) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = roots(root).list(spec, cursor.as_deref()).unwrap();
        pages.push(page.entries.into_iter().map(|entry| entry.file_path).collect());
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
    }
}

#[test]
fn files_are_listed_in_order_without_hidden_ones() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b.md", "a/z.txt", "a.txt", "a/.env", ".git/config", ".hidden"] {
        write(&root, name);
    }
    let page = roots(&root).list(&directory(root.path()), None).unwrap();
    assert_eq!(paths(&page), ["a/z.txt", "a.txt", "b.md"]);
    let first = &page.entries[0];
    assert_eq!(first.uri, format!("file://{}/a/z.txt", root.path().display()));
    assert_eq!((first.file_name.as_str(), first.size_bytes), ("z.txt", 7));
    assert!(first.modified_at.is_some());
    assert_eq!(page.entries[2].mime_type.as_deref(), Some("text/markdown"));
}

#[test]
fn patterns_and_recursion_choose_the_files() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.txt", "deep/c.md", "deep/drafts/d.md"] {
        write(&root, name);
    }
    let spec = |recursive, include: &[&str], exclude: &[&str]| SourceSpec::Directory {
        path: root.path().to_owned(),
        recursive,
        include_patterns: include.iter().map(|pattern| (*pattern).to_owned()).collect(),
        exclude_patterns: exclude.iter().map(|pattern| (*pattern).to_owned()).collect(),
        on_missing: OnMissing::Remove,
    };
    assert_eq!(list(&root, &spec(true, &["*.md"], &[])), ["a.md", "deep/c.md", "deep/drafts/d.md"]);
    assert_eq!(list(&root, &spec(true, &[], &["**/drafts/**", "*.txt"])), ["a.md", "deep/c.md"]);
    assert_eq!(list(&root, &spec(true, &["deep/*"], &[])), ["deep/c.md"]);
    assert_eq!(list(&root, &spec(false, &[], &[])), ["a.md", "b.txt"]);
}

#[test]
fn cursors_give_every_file_once_and_in_order() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    for folder in ["", "one", "two", "two.x", "two-y", "two/deep"] {
        for number in 0..700 {
            let relative = Path::new(folder).join(format!("{number}.txt"));
            write(&root, relative.to_str().unwrap());
            expected.insert(relative);
        }
    }
    // One folder with more names than are looked at at a time, hidden ones among them.
    for number in 0..2500 {
        write(&root, &format!("wide/{number}"));
        write(&root, &format!("wide/.{number}"));
        expected.insert(Path::new("wide").join(number.to_string()));
    }
    let pages = list_all(&root, &directory(root.path()));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 1000, 1000, 1000, 1000, 700]);
    // Paths compare component by component.
    let listed: Vec<PathBuf> = pages.into_iter().flatten().map(PathBuf::from).collect();
    assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_full_last_page_names_no_next_one() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..Page::MAX_ENTRIES {
        write(&root, &number.to_string());
    }
    assert_eq!(list(&root, &directory(root.path())).len(), Page::MAX_ENTRIES);
}

#[test]
fn a_cursor_whose_file_or_folder_is_gone_still_goes_on_behind_it() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a/1", "a/3", "b", "d"] {
        write(&root, name);
    }
    let after = |cursor: &str| {
        let page = roots(&root).list(&directory(root.path()), Some(cursor)).unwrap();
        page.entries.into_iter().map(|entry| entry.file_path).collect::<Vec<_>>()
    };
    assert_eq!(after("a/2"), ["a/3", "b", "d"]);
    assert_eq!(after("a/gone/x"), ["b", "d"].map(str::to_owned).to_vec());
    assert_eq!(after("b/was/a/folder"), ["d"]);
    assert_eq!(after("c"), ["d"]);
    assert!(after("e").is_empty());
}

#[test]
fn links_out_of_the_roots_are_left_out_and_cannot_be_opened() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&outside, "secret.txt");
    write(&root, "mine.txt");
    symlink(outside.path().join("secret.txt"), root.path().join("file-link.txt")).unwrap();
    symlink(outside.path(), root.path().join("folder-link")).unwrap();
    symlink("no-such-file", root.path().join("dangling")).unwrap();
    let spec = directory(root.path());
    assert_eq!(list(&root, &spec), ["mine.txt"]);
    for link in ["file-link.txt", "folder-link/secret.txt"] {
        let location = root.path().join(link);
        let error = roots(&root).open(&spec, location.to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("root"), "{error}");
    }
}

#[test]
fn links_within_the_roots_are_followed_and_circles_end() {
    let root = tempfile::tempdir().unwrap();
    for name in ["source/a.txt", "elsewhere/b.txt"] {
        write(&root, name);
    }
    symlink(root.path().join("elsewhere"), root.path().join("source/link")).unwrap();
    symlink(root.path().join("source"), root.path().join("elsewhere/back")).unwrap();
    symlink("self", root.path().join("source/self")).unwrap();
    assert_eq!(list(&root, &directory(&root.path().join("source"))), ["a.txt", "link/b.txt"]);
}

#[test]
fn documents_keep_their_names_when_the_sources_link_is_turned() {
    let root = tempfile::tempdir().unwrap();
    for name in ["v1/a.txt", "v2/a.txt"] {
        write(&root, name);
    }
    let current = root.path().join("current");
    let uris = |version: &str| {
        fs::remove_file(&current).ok();
        symlink(root.path().join(version), &current).unwrap();
        let page = roots(&root).list(&directory(&current), None).unwrap();
        let location = &page.entries[0].location;
        assert!(roots(&root).open(&directory(&current), location).is_ok());
        page.entries.into_iter().map(|entry| entry.uri).collect::<Vec<_>>()
    };
    assert_eq!(uris("v1"), uris("v2"));
}

#[test]
fn sources_that_cannot_be_listed_say_why() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&root, "a.txt");
    symlink(outside.path(), root.path().join("escape")).unwrap();
    let (file, gone) = (root.path().join("a.txt"), root.path().join("gone"));
    for (spec, kind, word) in [
        (directory(outside.path()), ErrorKind::Invalid, "root"),
        (directory(&outside.path().join("gone")), ErrorKind::Invalid, "root"),
        (directory(&root.path().join("escape")), ErrorKind::Invalid, "root"),
        (directory(&file), ErrorKind::Invalid, "no folder"),
        (directory(&gone), ErrorKind::NotFound, "gone"),
        (directory(&file.join("x")), ErrorKind::NotFound, "a.txt/x"),
        (SourceSpec::File { path: root.path().to_owned() }, ErrorKind::Invalid, "no regular file"),
        (SourceSpec::File { path: gone.clone() }, ErrorKind::NotFound, "gone"),
        (SourceSpec::File { path: root.path().join("x".repeat(300)) }, ErrorKind::Invalid, "longer"),
    ] {
        let error = roots(&root).list(&spec, None).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = Roots::new(Vec::new()).list(&directory(root.path()), None).unwrap_err();
    assert!(error.to_string().contains("configured no root"), "{error}");
}

#[test]
fn only_documents_of_the_source_can_be_opened() {
    let root = tempfile::tempdir().unwrap();
    for name in ["mine/a.txt", "theirs/b.txt"] {
        write(&root, name);
    }
    let spec = directory(&root.path().join("mine"));
    for location in ["theirs/b.txt", "mine/../theirs/b.txt"] {
        let error = roots(&root).open(&spec, root.path().join(location).to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("no document of the source"), "{error}");
    }
    let gone = roots(&root).open(&spec, root.path().join("mine/gone").to_str().unwrap()).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let folder = roots(&root).open(&spec, root.path().join("mine").to_str().unwrap()).unwrap_err();
    assert_eq!(folder.kind(), ErrorKind::Invalid);
}

#[test]
fn a_folder_without_permission_does_not_lose_the_rest() {
    let root = tempfile::tempdir().unwrap();
    for name in ["closed/a.txt", "open/b.txt"] {
        write(&root, name);
    }
    let closed = root.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    let may_read = closed.read_dir().is_ok();
    let page = roots(&root).list(&directory(root.path()), None).unwrap();
    let (listed, unreadable) = (paths(&page), page.unreadable);
    let error = roots(&root).list(&directory(&closed.join("a.txt")), None).unwrap_err();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    if may_read {
        assert_eq!((listed, unreadable), (vec!["closed/a.txt", "open/b.txt"], 0));
    } else {
        assert_eq!((listed, unreadable), (vec!["open/b.txt"], 1), "it is told apart from one that is gone");
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
}

#[tokio::test]
async fn a_file_reads_back_whole_and_its_hint_changes_with_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.txt");
    let bytes: Vec<u8> = (0..700_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    fs::write(&path, &bytes).unwrap();
    let spec = SourceSpec::File { path: path.clone() };
    let listed = roots(&root).list(&spec, None).unwrap().entries.remove(0);
    assert_eq!(listed.file_path, "a.txt");
    let mut reader = roots(&root).open(&spec, &listed.location).unwrap();
    assert_eq!((reader.change_hint(), reader.size_bytes()), (listed.change_hint.as_str(), 700_000));
    let mut read = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == bytes);
    fs::write(&path, "shorter").unwrap();
    let again = roots(&root).list(&spec, None).unwrap().entries.remove(0);
    assert_ne!(again.change_hint, listed.change_hint);
}
