//! Files inside documents: members of archives, mails of mailboxes, attachments. Each is a document of its own, and
//! lives and dies with the document that contains it.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::documents::pdf;

fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const MAIL: &str = "From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: Lighthouse lamp\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain\r\n\r\nThe lamp of the lighthouse is replaced in spring.\r\n\
    --x\r\nContent-Type: text/plain; name=\"invoice.txt\"\r\nContent-Disposition: attachment\r\n\r\n\
    The replacement lamp costs ninety crowns.\r\n--x--\r\n";

const MAILBOX: &str = "From a@example.org Fri Nov 27\nSubject: Foxes\n\nFoxes hunt voles under the snow by their hearing.\n\n\
    From b@example.org Fri Nov 27\nSubject: Bees\n\nHoney bees dance to tell where the clover is.\n";

const TIDES: &str = "Spring tides follow the new moon and the full moon.";

fn reports(with_tides: bool) -> Upload {
    let mut members = vec![
        ("geology.pdf", pdf(&["Basalt columns form when lava cools slowly."])),
        ("logs/harbour.log.gz", gzip(b"The harbour crane lifted forty containers of oranges.")),
        ("photo.gif", b"GIF89a\0\x01\0\x02".to_vec()),
    ];
    if with_tides {
        members.push(("docs/tides.txt", TIDES.as_bytes().to_vec()));
    }
    Upload::file("2026/reports.zip", zip(&members))
}

/// A question that only one file answers, and the name of that file.
const QUESTIONS: [(&str, &str); 7] = [
    ("When are spring tides?", "reports.zip!/docs/tides.txt"),
    ("How does basalt get its columns?", "reports.zip!/geology.pdf"),
    ("What did the harbour crane lift?", "reports.zip!/logs/harbour.log.gz!/harbour.log"),
    ("When is the lamp of the lighthouse replaced?", "mail.eml"),
    ("How many crowns does the replacement lamp cost?", "mail.eml!/invoice.txt"),
    ("How do foxes hunt voles?", "all.mbox!/000001 Foxes.eml"),
    ("What do honey bees tell by dancing?", "all.mbox!/000002 Bees.eml"),
];

struct Journey {
    user: TestUser,
    collection: String,
}

impl Journey {
    async fn start() -> Self {
        let stack = Stack::from_env();
        let user = TestUser::register(&stack).await;
        let collection = user.create_collection().await;
        Self { user, collection }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v2/collections/{}{rest}", self.collection)
    }

    /// The collection's documents by path.
    async fn documents(&self) -> BTreeMap<String, Value> {
        let listed = self.user.get(&self.path("/documents?per_page=100")).await.expect(200);
        let documents = listed["documents"].as_array().cloned().unwrap_or_default();
        documents
            .into_iter()
            .map(|document| (document["file_path"].as_str().unwrap().to_owned(), document))
            .collect()
    }

    async fn expect_answers(&self) {
        for (question, file) in QUESTIONS {
            let found = self.user.search(&self.collection, question).await;
            assert_eq!(found[0]["file_name"], file, "{question}");
        }
    }

    /// The files of all results of a search.
    async fn files_of(&self, question: &str) -> Vec<String> {
        let found = self.user.search(&self.collection, question).await;
        found.iter().map(|result| result["file_name"].as_str().unwrap().to_owned()).collect()
    }

    async fn expect_integrity(&self) {
        let checked = self.user.get(&self.path("/integrity")).await.expect(200);
        assert_eq!(checked["mismatches"], json!({}), "{checked}");
    }

    async fn wait_for(&self, operation: &Value) -> Value {
        let ended = self.user.wait_for_operation(operation.as_str().unwrap()).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        ended
    }
}

#[tokio::test]
async fn files_inside_documents_are_found_and_follow_their_container() {
    let journey = Journey::start().await;
    let Journey { user, collection } = &journey;
    user.upload(
        collection,
        &[reports(true), Upload::file("mail.eml", MAIL), Upload::file("all.mbox", MAILBOX)],
    )
    .await;
    user.wait_until_idle(collection).await;
    journey.expect_answers().await;

    let documents = journey.documents().await;
    assert_eq!(documents.len(), 3 + 5 + 1 + 2, "{documents:#?}");
    let id = |path: &str| documents[path]["id"].clone();
    let archive = &documents["2026/reports.zip"];
    assert_eq!((&archive["status"], &archive["container_id"]), (&json!("skipped"), &Value::Null));
    assert_eq!(
        archive["error_message"],
        "it holds 4 files and no text of its own; each is a document of its own"
    );
    let photo = &documents["2026/reports.zip!/photo.gif"];
    assert_eq!((&photo["status"], &photo["container_id"]), (&json!("skipped"), &archive["id"]));
    assert_eq!(photo["error_message"], "an image cannot be read");
    let log = "2026/reports.zip!/logs/harbour.log.gz";
    assert_eq!(documents[log]["container_id"], archive["id"]);
    assert_eq!(documents[&format!("{log}!/harbour.log")]["container_id"], id(log));
    assert_eq!(documents["mail.eml!/invoice.txt"]["container_id"], id("mail.eml"));
    let inside = journey.path(&format!("/documents?container_id={}", archive["id"].as_str().unwrap()));
    assert_eq!(user.get(&inside).await.expect(200)["total"], 4);
    user.get(&journey.path("/documents?container_id=x")).await.expect(422);
    journey.expect_integrity().await;

    // All of them are indexed again from their own bytes, and none twice.
    let reindex = user.post(&journey.path("/reindex"), &json!({ "chunk_size": 128 })).await.expect(202);
    journey.wait_for(&reindex["id"]).await;
    journey.expect_answers().await;
    assert_eq!(journey.documents().await.len(), documents.len());

    // A version without one of them: the others do not change.
    let changed = user.upload_with_metadata(collection, &reports(false), &Value::Null).await;
    let counts = &changed["meta"]["counts"];
    assert_eq!((&counts["removed"], &counts["new"], &counts["failed"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(changed["meta"]["chunks"]["embedded"], 0, "{changed}");
    assert!(!journey.documents().await.contains_key("2026/reports.zip!/docs/tides.txt"));
    let tides = journey.files_of("When are spring tides?").await;
    assert!(tides.iter().all(|name| !name.contains("tides.txt")), "{tides:?}");
    journey.expect_integrity().await;

    // With the archive, all that is in it is deleted, at once, and restored.
    let in_archive = |names: Vec<String>| names.iter().any(|name| name.starts_with("reports.zip!/"));
    let archive = journey.path(&format!("/documents/{}", archive["id"].as_str().unwrap()));
    let deleted = user.delete(&archive).await;
    assert!(!in_archive(journey.files_of("What did the harbour crane lift?").await));
    deleted.expect(204);
    user.wait_until_idle(collection).await;
    assert!(journey.documents().await.keys().all(|path| !path.starts_with("2026/")));
    journey.expect_integrity().await;
    let restored = user.post(&format!("{archive}/restore"), &json!({})).await.expect(202);
    let restored = journey.wait_for(&restored["id"]).await;
    assert_eq!(restored["meta"]["chunks"]["embedded"], 0, "{restored}");
    for (question, file) in &QUESTIONS[1..] {
        assert_eq!(journey.files_of(question).await[0], *file, "{question}");
    }
    assert_eq!(journey.documents().await.len(), documents.len() - 1);
    journey.expect_integrity().await;
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_costs_no_other_document() {
    let journey = Journey::start().await;
    let Journey { user, collection } = &journey;
    let bomb = zip(&[("a.txt", TIDES.as_bytes().to_vec()), ("zeros", vec![0; 9 << 20])]);
    let whole = zip(&[("a.txt", TIDES.as_bytes().to_vec()), ("../b.txt", b"outside".to_vec())]);
    let files = [Upload::file("bomb.zip", bomb), Upload::file("whole.zip", whole)];
    user.upload(collection, &files).await;
    user.wait_until_idle(collection).await;
    let documents = journey.documents().await;
    let paths: Vec<&String> = documents.keys().collect();
    assert_eq!(paths, ["bomb.zip", "whole.zip", "whole.zip!/a.txt"], "nothing of the bomb counts");
    assert_eq!(documents["bomb.zip"]["status"], "failed");
    assert_eq!(documents["bomb.zip"]["error_message"], "the file expands to more than 200 times its size");
    assert_eq!(
        documents["whole.zip"]["error_message"],
        "it holds 1 file and no text of its own; the file is a document of its own; \
         1 contained file is left out: its name or type is unsafe"
    );
    assert_eq!(journey.files_of("When are spring tides?").await, ["whole.zip!/a.txt"]);
    journey.expect_integrity().await;
}

#[tokio::test]
async fn files_of_an_archive_in_a_source_follow_it() {
    let journey = Journey::start().await;
    let Journey { user, .. } = &journey;
    let folder = Path::new(&Stack::from_env().directory_root).join(unique("archives"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "Basalt columns form when lava cools slowly.").unwrap();
    let inner = zip(&[("clover.txt", b"Honey bees dance to tell where the clover is.".to_vec())]);
    let archive = zip(&[("tides.txt", TIDES.as_bytes().to_vec()), ("inner.zip", inner)]);
    std::fs::write(folder.join("a.zip"), archive).unwrap();
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });
    let added = user.post(&journey.path("/sources"), &source).await.expect(202);
    journey.wait_for(&added["id"]).await;
    let paths =
        ["a.zip", "a.zip!/inner.zip", "a.zip!/inner.zip!/clover.txt", "a.zip!/tides.txt", "notes.txt"];
    assert_eq!(journey.documents().await.keys().collect::<Vec<_>>(), paths);
    assert_eq!(journey.files_of("When are spring tides?").await[0], "a.zip!/tides.txt");

    // Reading the source again lists the archive and not what is in it.
    let sync = async || {
        let started = user.post(&journey.path("/sync/run"), &json!({})).await.expect(202);
        let run = journey.path(&format!("/sync/runs/{}", started["id"]));
        let run = user.wait_until(&run, |run| run["status"] != "running").await;
        assert_eq!(run["status"], "success", "{run}");
        run["operations"][0]["progress"]["by_state"].clone()
    };
    let unchanged = sync().await;
    assert_eq!((&unchanged["unchanged"], &unchanged["removed"]), (&json!(2), &json!(0)), "{unchanged}");
    assert_eq!(journey.documents().await.len(), paths.len());

    std::fs::remove_file(folder.join("a.zip")).unwrap();
    let removed = sync().await;
    assert_eq!((&removed["unchanged"], &removed["removed"]), (&json!(1), &json!(4)), "{removed}");
    assert_eq!(journey.documents().await.keys().collect::<Vec<_>>(), ["notes.txt"]);
    assert_eq!(journey.files_of("When are spring tides?").await, ["notes.txt"]);
    journey.expect_integrity().await;
}
