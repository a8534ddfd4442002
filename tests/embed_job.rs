//! The batch job that embeds large backlogs, here on the CPU. It drains the embed function's queue and ends when
//! that stays empty. When it is terminated, it makes its unfinished messages visible again.
//!
//! Meanwhile the embed function is paused, so that the results are those of the job.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::ArtifactStore;
use batch_jobs::{BatchJobs, Job};
use lambda::event::Invocation;
use queue::{Consumer, QueueUrls, Queues, Stage};
use serde_json::{Value, json};
use sweep::{EmbedJobs, JobLimits, StallTimeouts};
use testkit::{Stack, TestUser, unique};
use vectors::{VectorDatabase, VectorsConfig};

#[tokio::test]
async fn a_backlog_starts_one_job_which_ends_when_the_queue_stays_empty() {
    let bench = Bench::new().await;
    let paused = PausedFunction::pause();
    let documents = 12;
    bench.fill_queue(documents, 3).await;

    // Two sweeps in a row.
    let state = bench.sweep_state(Duration::ZERO);
    assert_eq!(jobs_submitted(&state).await, 1);
    assert_eq!(jobs_submitted(&state).await, 0);
    let active = bench.jobs.list_active().await.unwrap();
    assert_eq!(active.len(), 1, "{active:?}");
    assert_eq!(active[0].name, "embed-drain-1");

    bench.until("all documents are searchable", async || bench.done().await == documents).await;
    let results = bench.user.search(&bench.collection, "note 7 about the tides").await;
    assert!(!results.is_empty());
    bench.assert_whole(documents).await;
    let job = bench.end_of(&active[0].id).await;
    assert_eq!((job.status.as_str(), job.exit_code), ("SUCCEEDED", Some(0)));
    drop(paused);
}

#[tokio::test]
async fn after_a_failed_job_none_is_submitted_for_a_while() {
    let bench = Bench::new().await;
    let paused = PausedFunction::pause();
    let documents = 3;
    bench.fill_queue(documents, 1).await;
    // Like an image whose library does not match the GPU.
    let broken = [("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")];
    let id = bench.jobs.submit("embed-drain-9", &broken).await.unwrap();
    assert_eq!(bench.end_of(&id).await.status, "FAILED");

    let patient = bench.sweep_state(Duration::from_secs(300));
    assert_eq!(jobs_submitted(&patient).await, 0, "a GPU would be paid for every minute");
    // Only the failure prevented a job.
    let hasty = bench.sweep_state(Duration::ZERO);
    assert_eq!(jobs_submitted(&hasty).await, 1);
    let active = bench.jobs.list_active().await.unwrap();
    assert_eq!(bench.end_of(&active[0].id).await.status, "SUCCEEDED");
    drop(paused);
    bench.assert_whole(documents).await;
}

#[tokio::test]
async fn unfinished_work_of_a_terminated_job_is_done_by_others() {
    let bench = Bench::new().await;
    let paused = PausedFunction::pause();
    let documents = 20;
    bench.fill_queue(documents, 6).await;
    // One document per group, so that some are done long before others.
    let slow = [("DRAIN_GROUP_TEXTS", "1")];
    let id = bench.jobs.submit("embed-drain-by-hand", &slow).await.unwrap();
    bench.until("the first document is done", async || bench.done().await > 0).await;

    let terminated = Instant::now();
    bench.jobs.terminate(&id, "the spot instance is reclaimed").await.unwrap();
    let job = bench.end_of(&id).await;
    assert_eq!(job.exit_code, Some(0), "{job:?}");
    assert!(terminated.elapsed() < Duration::from_secs(20), "it took {:?} to stop", terminated.elapsed());
    let done = bench.done().await;
    assert!(done < documents, "there was no unfinished work");

    // Otherwise the queue would keep them invisible for two minutes.
    let sdk = aws::sdk_config().await;
    let queue = Consumer::open(&sdk, Stage::Embed, &bench.stack.embed_queue_url).await.unwrap();
    let released = queue.receive(Duration::from_secs(5)).await.unwrap();
    assert!(!released.is_empty(), "the messages of the job are still invisible");
    let handles: Vec<String> = released.into_iter().map(|message| message.receipt_handle).collect();
    queue.change_visibility(&handles, Duration::ZERO).await.unwrap();
    drop(paused);
    bench.until("all documents are searchable", async || bench.done().await == documents).await;
    bench.assert_whole(documents).await;
    eprintln!("{done} of {documents} documents were done when the job was terminated");
}

/// A collection, and access to the queues and jobs that embed it.
struct Bench {
    stack: Stack,
    user: TestUser,
    collection: String,
    queues: Queues,
    jobs: BatchJobs,
    artifacts: ArtifactStore,
}

impl Bench {
    async fn new() -> Self {
        let stack = Stack::from_env();
        let user = TestUser::register(&stack).await;
        let body = json!({
            "name": unique("job"), "chunk_size": 112, "chunk_overlap": 0, "quantization": "float32",
        });
        let made = user.post("/api/v2/collections", &body).await.expect(201);
        user.wait_for_operation(made["initial_operation_id"].as_str().unwrap()).await;
        let collection = made["id"].as_str().unwrap().to_owned();
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            intake: None,
            scan: Some(stack.scan_queue_url.clone()),
            extract: Some(stack.extract_queue_url.clone()),
            recognize: None,
            chunk: Some(stack.chunk_queue_url.clone()),
            embed: Some(stack.embed_queue_url.clone()),
            notify: None,
            sweep: None,
        };
        let jobs = BatchJobs::new(&sdk, &stack.embed_job_queue, &stack.embed_job_definition);
        let artifacts = ArtifactStore::new(&sdk, &stack.staging_bucket);
        Self { user, collection, queues: Queues::new(&sdk, urls), jobs, artifacts, stack }
    }

    /// Indexes a directory of so many documents with so many chunks each, in one operation, and waits until all of
    /// them are queued for embedding.
    async fn fill_queue(&self, documents: usize, chunks: usize) {
        let before = self.queues.depth(Stage::Embed).await.unwrap();
        let folder = Path::new(&self.stack.directory_root).join(unique("job"));
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..documents {
            // About one chunk each.
            let part =
                |part| format!("Note {number}, part {part}: {}\n\n", "the tides come and go. ".repeat(13));
            std::fs::write(folder.join(format!("{number}.txt")), (0..chunks).map(part).collect::<String>())
                .unwrap();
        }
        let source = json!({ "source_type": "directory", "source_config": { "path": folder } });
        let path = format!("/api/v2/collections/{}/sources", self.collection);
        self.user.post(&path, &source).await.expect(202);
        let wanted = before + documents as u64;
        self.until("all documents are chunked", async || {
            self.queues.depth(Stage::Embed).await.unwrap() >= wanted
        })
        .await;
    }

    /// Returns a state of sweep for which every backlog is large.
    fn sweep_state(&self, after_failure: Duration) -> Arc<sweep::State> {
        let hour = Duration::from_secs(3600);
        Arc::new(sweep::State {
            has_recognize: false,
            db: db::Db::connect(&db::DbConfig::by_url(self.stack.database_url.as_str())).unwrap(),
            queues: self.queues.clone(),
            artifacts: self.artifacts.clone(),
            deleted_document_retention: 1000 * hour,
            vectors: VectorDatabase::connect(&VectorsConfig::new(&self.stack.qdrant_url)).unwrap(),
            integrity_interval: 1000 * hour,
            stall_timeouts: StallTimeouts {
                pending: hour,
                listing: hour,
                item: hour,
                queued_item: hour,
                expired_upload: hour,
                unpurged: hour,
                overtaken_item: hour,
            },
            embed_jobs: Some(EmbedJobs {
                batch: self.jobs.clone(),
                limits: JobLimits { chunks_per_job: 1, max_jobs: 1, backoff: after_failure },
            }),
        })
    }

    async fn documents(&self) -> Vec<Value> {
        let path = format!("/api/v2/collections/{}/documents?per_page=100", self.collection);
        self.user.get(&path).await.expect(200)["documents"].as_array().cloned().unwrap()
    }

    /// Returns the number of searchable documents.
    async fn done(&self) -> usize {
        self.documents().await.iter().filter(|document| document["status"] == "completed").count()
    }

    async fn end_of(&self, id: &str) -> Job {
        self.until("the job has finished", async || {
            self.jobs.find(id).await.unwrap().is_some_and(|job| job.is_finished())
        })
        .await;
        self.jobs.find(id).await.unwrap().unwrap()
    }

    /// Checks that every document exists once, with exactly its chunks.
    async fn assert_whole(&self, number: usize) {
        self.user.wait_until_idle(&self.collection).await;
        let documents = self.documents().await;
        assert_eq!(documents.len(), number);
        let chunks: u64 = documents.iter().map(|document| document["chunk_count"].as_u64().unwrap()).sum();
        let row = self.user.get(&format!("/api/v2/collections/{}", self.collection)).await.expect(200);
        assert_eq!((&row["vector_count"], &row["status"]), (&json!(chunks), &json!("ready")), "{row}");
        let qdrant = VectorDatabase::connect(&VectorsConfig::new(&self.stack.qdrant_url)).unwrap();
        let points = qdrant.count(row["vector_store_name"].as_str().unwrap()).await.unwrap();
        assert_eq!(points, chunks, "points in Qdrant");
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !holds().await {
            assert!(Instant::now() < deadline, "timed out: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Runs sweep once; returns how many jobs it submitted.
async fn jobs_submitted(state: &Arc<sweep::State>) -> u64 {
    let invocation = Invocation::lasting(Duration::from_secs(60));
    let event = json!({ "source": "aws.events" });
    let done = sweep::handle(Arc::clone(state), event, invocation).await.unwrap();
    done["embed_jobs_submitted"].as_u64().unwrap()
}

/// Pauses the embed function until it is dropped.
struct PausedFunction;

impl PausedFunction {
    fn pause() -> Self {
        stack_command("pause");
        Self
    }
}

impl Drop for PausedFunction {
    fn drop(&mut self) {
        stack_command("resume");
    }
}

fn stack_command(command: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/stack");
    let output = Command::new(script).args([command, "embed"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
