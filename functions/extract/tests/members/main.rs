//! Extract with the real parsers and PostgreSQL, killed before each of its calls to a server, and run again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

#[path = "../../../../tests/interleaving/aws.rs"]
#[expect(dead_code, reason = "shared with the interleavings, which use more of it")]
mod aws;
#[path = "../../../../tests/interleaving/life.rs"]
#[expect(dead_code, reason = "shared with the interleavings, which use more of it")]
mod life;
mod world;

use sqlx::PgPool;

use world::{Entry, World, zip};

const TEXT: &[u8] = b"Spring tides follow the new moon.";

/// Every kind of file: text, an archive, one that cannot be read, an empty one, and two of one name.
fn archive() -> Vec<u8> {
    zip(&[
        ("a.txt", TEXT),
        ("docs/b.txt", b"Basalt columns form when lava cools."),
        ("inner.zip", &zip(&[("c.txt", TEXT)])),
        ("photo.gif", b"GIF89a\0\x01\0\x02"),
        ("empty.txt", b""),
    ])
}

const STAGED: [&str; 4] = ["r.zip", "r.zip!/a.txt", "r.zip!/docs/b.txt", "r.zip!/inner.zip"];

fn expected() -> Vec<Entry> {
    let staged = STAGED.map(|name| Entry::new(name, "staged", None));
    let skipped =
        [("r.zip!/empty.txt", "the file is empty: 0 bytes"), ("r.zip!/photo.gif", "an image cannot be read")];
    let skipped = skipped.map(|(name, reason)| Entry::new(name, "skipped", Some(reason)));
    let mut entries: Vec<Entry> = staged.into_iter().chain(skipped).collect();
    entries.sort();
    entries
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn whenever_it_dies_each_file_is_staged_once(pool: PgPool) {
    let mut calls = 0;
    loop {
        let world = World::new(&pool).await;
        let item = world.start("r.zip", archive()).await;
        let has_died = world.extract(item, Some(calls)).await.is_none();
        if has_died {
            world.extract(item, None).await.unwrap().unwrap();
        }
        // A message may be delivered twice.
        world.extract(item, None).await.unwrap().unwrap();
        assert_eq!(world.entries().await, expected(), "died before call {calls}");
        assert_eq!(world.raw_names().await, STAGED, "died before call {calls}");
        assert_eq!(world.sent_to("chunk").await, STAGED, "died before call {calls}");
        assert_eq!(world.sent_to("scan").await, [""; 0]);
        if !has_died {
            break;
        }
        calls += 1;
    }
    assert!(calls > 15, "{calls} calls");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nothing_of_a_document_that_cannot_be_read_counts(pool: PgPool) {
    let zeros = [b"GIF89a\0\x01".as_slice(), &vec![0; 9 << 20]].concat();
    let bomb = zip(&[("a.txt", TEXT), ("zeros.gif", &zeros)]);
    let mut calls = 0;
    loop {
        let world = World::new(&pool).await;
        let item = world.start("r.zip", bomb.clone()).await;
        let has_died = world.extract(item, Some(calls)).await.is_none();
        if has_died {
            world.extract(item, None).await.unwrap().unwrap();
        }
        let reason = "the file expands to more than 200 times its size";
        assert_eq!(world.entries().await, [Entry::new("r.zip", "failed", Some(reason))], "died at {calls}");
        assert_eq!(world.raw_names().await, ["r.zip"], "died before call {calls}");
        assert_eq!(world.sent_to("chunk").await, [""; 0]);
        assert_eq!(world.status().await, "completed", "the operation has ended");
        if !has_died {
            break;
        }
        calls += 1;
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_new_version_changes_what_has_changed(pool: PgPool) {
    let world = World::new(&pool).await;
    let first = zip(&[("same.txt", TEXT), ("changed.txt", b"old words"), ("gone.txt", b"other words")]);
    let item = world.start("r.zip", first).await;
    world.extract(item, None).await.unwrap().unwrap();
    world.index_all(item).await;

    let second = zip(&[("same.txt", TEXT), ("changed.txt", b"new words"), ("new.txt", b"more words")]);
    let item = world.start("r.zip", second).await;
    world.extract(item, None).await.unwrap().unwrap();
    let entries = [
        ("r.zip", "staged"),
        ("r.zip!/changed.txt", "staged"),
        ("r.zip!/gone.txt", "listed"),
        ("r.zip!/new.txt", "staged"),
        ("r.zip!/same.txt", "unchanged"),
    ];
    assert_eq!(world.entries().await, entries.map(|(name, state)| Entry::new(name, state, None)));
    assert_eq!(world.sent_to("scan").await, ["r.zip!/gone.txt"], "to be removed");
    assert_eq!(world.sent_to("chunk").await, ["r.zip", "r.zip!/changed.txt", "r.zip!/new.txt"]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_version_with_a_damaged_file_removes_none(pool: PgPool) {
    let world = World::new(&pool).await;
    let both = zip(&[("a.txt", b"one file of text"), ("b.txt", b"another file of text")]);
    let item = world.start("r.zip", both.clone()).await;
    world.extract(item, None).await.unwrap().unwrap();
    world.index_all(item).await;

    let mut damaged = both;
    let at = damaged.windows(7).position(|window| window == b"another").unwrap();
    damaged[at] ^= 1;
    let item = world.start("r.zip", damaged).await;
    world.extract(item, None).await.unwrap().unwrap();
    let entries = [Entry::new("r.zip", "staged", None), Entry::new("r.zip!/a.txt", "unchanged", None)];
    assert_eq!(world.entries().await, entries);
    assert_eq!(world.sent_to("scan").await, [""; 0]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_file_in_too_many_others_is_left_out(pool: PgPool) {
    let mail = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nText\r\n\
        --x\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nMore text\r\n--x--\r\n";
    for (name, files) in [("a!/b!/c!/r.eml", 2), ("a!/b!/c!/d!/r.eml", 1)] {
        let world = World::new(&pool).await;
        let item = world.start(name, mail.to_vec()).await;
        world.extract(item, None).await.unwrap().unwrap();
        assert_eq!(world.entries().await.len(), files, "{name}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_cancelled_operation_gets_no_files(pool: PgPool) {
    let world = World::new(&pool).await;
    let item = world.start("r.zip", archive()).await;
    world.request_cancel().await;
    world.extract(item, None).await.unwrap().unwrap();
    assert_eq!(world.entries().await, [Entry::new("r.zip", "cancelled", None)]);
    assert_eq!(world.raw_names().await, ["r.zip"]);
}
