//! Reindexing a collection during searches, rolling back, and failing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::{ArtifactKey, DocumentId, Generation};
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const QUESTION: &str = "when does the water stand high at the coast?";
/// A model of the local stack other than the default.
const SMALL_MODEL: &str = "semantik/all-MiniLM-L3-128";
const SUBJECTS: [&str; 6] = ["tides", "bread", "compilers", "glaciers", "violins", "bees"];

/// Several chunks of 256 tokens, many of 64.
fn chapter(subject: &str) -> String {
    (1..=40).map(|n| format!("Paragraph {n} tells of {subject} and of what follows from it.\n\n")).collect()
}

/// Describes the index that an answer comes from.
fn state_of(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    let line = |result: &Value| {
        format!("{} {} {}", result["chunk_id"], result["total_chunks"], result["embedding_model"])
    };
    results.iter().map(line).collect()
}

struct Journey {
    stack: Stack,
    user: TestUser,
    collection: String,
    path: String,
}

impl Journey {
    async fn begin() -> Self {
        let stack = Stack::from_env();
        let user = TestUser::register(&stack).await;
        let collection = user.create_collection().await;
        let files = SUBJECTS.map(|subject| Upload::text(&format!("{subject}.txt"), chapter(subject)));
        user.upload(&collection, &files).await;
        user.wait_until_idle(&collection).await;
        Self { stack, user, path: format!("/api/v2/collections/{collection}"), collection }
    }

    async fn answer(&self) -> Value {
        search(&self.user, &self.collection).await
    }

    async fn row(&self) -> Value {
        self.user.get(&self.path).await.expect(200)
    }

    async fn reindex(&self, body: Value) -> String {
        let answer = self.user.post(&format!("{}/reindex", self.path), &body).await.expect(202);
        assert_eq!(answer["type"], "reindex");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Searches ten times a second until `stop` is sent. The first answer is from before this returns, the last
    /// from after the stop, so both states are among the answers.
    async fn keep_searching(&self) -> (oneshot::Sender<()>, JoinHandle<Vec<Value>>) {
        let (stop, mut stopped) = oneshot::channel();
        let (user, collection) = (self.user.clone(), self.collection.clone());
        let mut answers = vec![self.answer().await];
        let searching = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            loop {
                let is_last = stopped.try_recv().is_ok();
                ticks.tick().await;
                answers.push(search(&user, &collection).await);
                if is_last {
                    return answers;
                }
            }
        });
        (stop, searching)
    }
}

async fn search(user: &TestUser, collection: &str) -> Value {
    let body = json!({ "collection_uuids": [collection], "query": QUESTION, "k": 5 });
    user.post("/api/v2/search", &body).await.expect(200)
}

/// Checks that every answer is complete and from one of the two states, and that both occur. Returns their number.
fn assert_from_one_of(answers: &[Value], states: [&[String]; 2]) -> usize {
    let mut seen = BTreeSet::new();
    for answer in answers {
        assert_eq!(answer["partial_failure"], false, "{answer}");
        let state = state_of(answer);
        assert!(!state.is_empty(), "an empty answer: {answer}");
        let which = states.iter().position(|known| *known == state.as_slice());
        seen.insert(which.unwrap_or_else(|| panic!("neither state: {state:?}, known are {states:?}")));
    }
    assert_eq!(seen.len(), 2, "the swap was seen in {} answers", answers.len());
    answers.len()
}

#[tokio::test]
async fn searches_see_the_old_index_or_the_new_one_and_nothing_between() {
    let journey = Journey::begin().await;
    let Journey { user, path, collection, .. } = &journey;
    let before = journey.row().await;
    let old = state_of(&journey.answer().await);

    // Other chunks. Uploads and deletions during the reindex are in the new index.
    let (stop, searching) = journey.keep_searching().await;
    let operation = journey.reindex(json!({ "chunk_size": 64 })).await;
    user.post(&format!("{path}/reindex"), &json!({})).await.expect(409);
    let late = Upload::text("printing.txt", chapter("printing"));
    let announced = user.announce(collection, &late).await;
    assert!(user.put(&announced, late.bytes.clone()).await.is_success());
    let documents = user.get(&format!("{path}/documents?search=violins")).await.expect(200);
    let violins = documents["documents"][0]["id"].as_str().unwrap().to_owned();
    user.delete(&format!("{path}/documents/{violins}")).await.expect(204);
    let ended = user.wait_for_operation(&operation).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let printing = user.wait_for_document(collection, "printing.txt").await;
    user.wait_until_idle(collection).await;
    stop.send(()).unwrap();
    let new = state_of(&journey.answer().await);
    let count = assert_from_one_of(&searching.await.unwrap(), [&old, &new]);
    println!("{count} answers during a reindex to other chunks, none failed, none empty, none mixed");

    let row = journey.row().await;
    assert_eq!(
        (&row["chunk_size"], &row["chunk_overlap"], &row["status"]),
        (&json!(64), &json!(12), &json!("ready"))
    );
    assert_ne!(row["vector_store_name"], before["vector_store_name"]);
    assert!(row["vector_count"].as_i64() > before["vector_count"].as_i64(), "{row}");
    assert!(printing["chunk_count"].as_i64().unwrap() > 8, "chunked with the new settings: {printing}");
    let qdrant =
        vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&journey.stack.qdrant_url)).unwrap();
    let violins: DocumentId = violins.parse().unwrap();
    for store in [&row["vector_store_name"], &before["vector_store_name"]] {
        let name = store.as_str().unwrap();
        for generation in 1..=3 {
            assert_eq!(
                qdrant.count_document(name, violins, Generation(generation)).await.unwrap(),
                0,
                "{name}"
            );
        }
    }
    assert_eq!(
        qdrant.count(row["vector_store_name"].as_str().unwrap()).await.unwrap(),
        row["vector_count"].as_u64().unwrap()
    );
    // The late upload is not in the old index.
    let refused = user.post(&format!("{path}/reindex/rollback"), &json!({})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().starts_with("1 document was indexed"), "{refused}");
}

#[tokio::test]
async fn a_reindex_with_another_model_can_be_rolled_back() {
    let journey = Journey::begin().await;
    let Journey { user, path, .. } = &journey;
    let before = journey.row().await;
    let old = state_of(&journey.answer().await);

    let (stop, searching) = journey.keep_searching().await;
    let operation = journey.reindex(json!({ "embedding_model": SMALL_MODEL, "quantization": "int8" })).await;
    let ended = user.wait_for_operation(&operation).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let new = state_of(&journey.answer().await);
    let row = journey.row().await;
    assert_eq!((&row["embedding_model"], &row["quantization"]), (&json!(SMALL_MODEL), &json!("int8")));
    assert!(new.iter().all(|line| line.contains(SMALL_MODEL)), "{new:?}");
    stop.send(()).unwrap();
    let count = assert_from_one_of(&searching.await.unwrap(), [&old, &new]);
    println!("{count} answers during a reindex to another model, none failed, none empty, none mixed");

    let (stop, searching) = journey.keep_searching().await;
    let rolled_back = user.post(&format!("{path}/reindex/rollback"), &json!({})).await.expect(200);
    for field in ["vector_store_name", "embedding_model", "quantization", "chunk_size", "vector_count"] {
        assert_eq!(rolled_back[field], before[field], "{field}");
    }
    assert_eq!(state_of(&journey.answer().await), old, "the same chunks, with the same ids");
    user.post(&format!("{path}/reindex/rollback"), &json!({})).await.expect(409);
    // Sweep deletes the replaced index while searches continue.
    let qdrant =
        vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&journey.stack.qdrant_url)).unwrap();
    let dropped = row["vector_store_name"].as_str().unwrap();
    let deadline = Instant::now() + Duration::from_secs(150);
    while qdrant.count(dropped).await.is_ok() {
        assert!(Instant::now() < deadline, "{dropped} is not deleted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stop.send(()).unwrap();
    let count = assert_from_one_of(&searching.await.unwrap(), [&new, &old]);
    println!("{count} answers during a rollback, none failed, none empty, none mixed");
}

#[tokio::test]
async fn a_failed_reindex_gives_a_reason_and_changes_nothing() {
    let journey = Journey::begin().await;
    let Journey { stack, user, path, .. } = &journey;
    let old = state_of(&journey.answer().await);
    let before = journey.row().await;
    let documents = user.get(&format!("{path}/documents?search=bees")).await.expect(200);
    let document_id = documents["documents"][0]["id"].as_str().unwrap().parse().unwrap();
    // Corrupt its staged bytes.
    let collection_id = journey.collection.parse().unwrap();
    let raw = ArtifactKey::Raw { collection_id, document_id, generation: Generation(1) };
    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    bucket.write(&raw, (0..=255).collect::<Vec<u8>>(), "text/plain").await.unwrap();

    let operation = journey.reindex(json!({ "chunk_size": 32 })).await;
    let ended = user.wait_for_operation(&operation).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    let reason = ended["error_message"].as_str().unwrap();
    assert!(reason.contains("1 of 6 documents") && reason.contains("bees.txt"), "{reason}");
    assert_eq!(state_of(&journey.answer().await), old);
    let after = journey.row().await;
    for field in
        ["vector_store_name", "chunk_size", "document_count", "vector_count", "status", "error_count"]
    {
        assert_eq!(after[field], before[field], "{field}");
    }
    let documents = user.get(&format!("{path}/documents?status=completed")).await.expect(200);
    assert_eq!(documents["total"], 6);
    let leftover = ended["meta"]["vector_store_name"].as_str().unwrap();
    let qdrant = vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(150);
    while qdrant.count(leftover).await.is_ok() {
        assert!(Instant::now() < deadline, "{leftover} is not deleted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Without that document the reindex succeeds.
    user.delete(&format!("{path}/documents/{document_id}")).await.expect(204);
    let operation = journey.reindex(json!({ "chunk_size": 32 })).await;
    assert_eq!(user.wait_for_operation(&operation).await["status"], "completed");
    assert_eq!(journey.row().await["chunk_size"], 32);
}
