//! What large repositories cost.

use std::time::Instant;

use connectors::Unlisted;
use serde_json::json;

use crate::{connectors, list_all, read, read_all, source};
use testkit::{GitChange, GitFault, GitRepository, GitServer};

const FILES: usize = 5000;
const MESSAGE: usize = 25;

/// Text that compresses about as well as documents do, and is half like its neighbours', so that packs contain deltas.
fn text(number: usize, version: usize) -> Vec<u8> {
    let mut text = format!("# Chapter {number}\n\nVersion {version}.\n");
    for (length, seed) in [(4000, number / 10), (8000, number + 1_000_000)] {
        let mut state = seed as u64;
        while text.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:x} ", state >> 44));
        }
    }
    text.into_bytes()
}

/// A repository with a history, so that fetching only what is needed shows.
fn repository() -> GitRepository {
    let repository = GitRepository::create();
    let paths: Vec<String> =
        (0..FILES).map(|number| format!("part{}/chapter{number}.md", number / 100)).collect();
    let contents: Vec<Vec<u8>> = (0..FILES).map(|number| text(number, 0)).collect();
    let all: Vec<GitChange<'_>> =
        paths.iter().zip(&contents).map(|(path, content)| GitChange::Write(path, content)).collect();
    repository.commit("main", &all);
    for (number, path) in paths.iter().enumerate().take(100) {
        repository.commit("main", &[GitChange::Write(path, &text(number, 1))]);
    }
    repository.git(&["repack", "-adq"], b"");
    repository
}

/// In MB: `VmRSS` is now, `VmHWM` the peak since the last reset.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Forgets the peak and returns what is used now.
fn reset_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS:")
}

#[tokio::test]
async fn five_thousand_files_cost_few_requests() {
    let repository = repository();
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let spec = source(&json!({ "url": server.url }), &[]);
    let connectors = connectors();
    let at_start = reset_peak();
    let report = |what: &str, begun: Instant| {
        let ((requests, bytes), time) = (server.take_counts(), begun.elapsed().as_secs_f64());
        let grown = memory("VmHWM:").saturating_sub(at_start);
        assert!(grown < 64, "{grown} MB more memory");
        println!("{what}: {requests} requests, {} kB, {time:.2} s, {grown} MB more memory", bytes / 1000);
        (requests, bytes)
    };

    let begun = Instant::now();
    let (entries, page) = list_all(&connectors, &spec, None, 1000).await.unwrap();
    assert_eq!(entries.len(), FILES);
    let (requests, bytes) = report("list", begun);
    assert_eq!(requests, 3);
    assert!(bytes < 400_000);

    let begun = Instant::now();
    for message in entries.chunks(MESSAGE) {
        for (path, content) in read_all(&connectors, &spec, message).await.unwrap() {
            assert!(content.unwrap().starts_with(b"# Chapter"), "{path}");
        }
    }
    let (requests, _) = report("read", begun);
    assert_eq!(requests, FILES.div_ceil(MESSAGE) as u64);

    let begun = Instant::now();
    let unchanged = list_all(&connectors, &spec, page.checkpoint.as_deref(), 1000).await.unwrap().1;
    assert_eq!(unchanged.unlisted, Unlisted::Unchanged);
    let (requests, bytes) = report("unchanged", begun);
    assert!(requests == 1 && bytes < 200);

    let content = text(7, 1000);
    repository.commit("main", &[GitChange::Write("part0/chapter7.md", &content)]);
    let begun = Instant::now();
    let (listed, _) = list_all(&connectors, &spec, page.checkpoint.as_deref(), 1000).await.unwrap();
    let changed: Vec<_> = listed
        .into_iter()
        .filter(|entry| !entries.iter().any(|old| old.change_hint == entry.change_hint))
        .collect();
    assert_eq!(changed.len(), 1);
    let contents = read_all(&connectors, &spec, &changed).await.unwrap();
    assert_eq!(contents["part0/chapter7.md"].as_ref().unwrap(), &content);
    assert_eq!(report("one changed", begun).0, 4);
}

/// Bytes that cannot be compressed.
fn noise(length: usize, mut state: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[tokio::test]
async fn large_files_are_neither_kept_in_memory_nor_read_to_be_refused() {
    let repository = GitRepository::create();
    let large: Vec<Vec<u8>> = (1..=8).map(|seed| noise(5_000_000, seed)).collect();
    let paths: Vec<String> = (0..8).map(|number| format!("{number}.bin")).collect();
    let bomb = vec![0; 201_000_000];
    for (path, content) in paths.iter().zip(&large) {
        repository.commit("main", &[GitChange::Write(path, content)]);
    }
    repository.commit("main", &[GitChange::Write("bomb.bin", &bomb), GitChange::Write("small.md", b"small")]);
    drop(bomb);
    let server = GitServer::start(repository.folder.path().to_owned(), None).await;
    let spec = source(&json!({ "url": server.url }), &[]);
    let connectors = connectors();
    let (entries, _) = list_all(&connectors, &spec, None, 1000).await.unwrap();
    let at_start = reset_peak();
    let locations = entries.iter().map(|entry| entry.location.clone()).collect();
    let session = connectors.session(&spec, locations).await.unwrap();
    let grown = memory("VmHWM:").saturating_sub(at_start);
    println!("session with 40 MB of files and a larger one: {grown} MB more memory");
    let mut refused = Vec::new();
    for entry in &entries {
        match read(&session, entry).await {
            Err(error) => refused.push(error.to_string()),
            Ok(content) => match paths.iter().position(|path| *path == entry.file_path) {
                Some(index) => assert!(content == large[index], "{}", entry.file_path),
                None => assert_eq!(content, b"small"),
            },
        }
    }
    let reason =
        "bomb.bin is left out: it is larger than 10000000 bytes, the limit of the source (max_file_bytes)";
    assert_eq!(refused, [reason]);

    // Cut in the middle of a pack.
    server.set_fault(Some(GitFault::CutAfter(8_000_000)));
    let error = read_all(&connectors, &spec, &entries[..4]).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}
