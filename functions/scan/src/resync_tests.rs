//! The cost of listing a source again. Queues, bucket and Qdrant are unreachable: sending, downloading or
//! embedding anything would fail.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use artifacts::ArtifactStore;
use auth::{ConnectorKeys, SecretCipher};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use connectors::{Connectors, Entry, Listing, SourcePolicy};
use db::Db;
use db::operations::ItemCounts;
use domain::{Classify, OperationId};
use egress::{Egress, EgressConfig, EgressPolicy};
use lambda::event::Invocation;
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use sqlx::PgPool;
use tempfile::TempDir;
use tracing::span;
use tracing::{Event, Metadata, Subscriber};
use uuid::Uuid;
use vectors::{IndexStorage, VectorDatabase, VectorsConfig};

use crate::State;
use crate::listing::fill_from_source;
use crate::source_spec::readable_spec;
use crate::work_list::Filled;

/// An address that refuses connections.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Counts the statements that sqlx logs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<usize>>);

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, _: &Event<'_>) {
        *self.0.lock().unwrap() += 1;
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Bench {
    state: State,
    pool: PgPool,
    folder: TempDir,
    _models: TempDir,
}

impl Bench {
    /// A collection with a folder of this many files, all of them indexed.
    async fn new(pool: PgPool, files: usize) -> Self {
        let (folder, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for number in 0..files {
            std::fs::write(folder.path().join(format!("{number:05}.txt")), number.to_string()).unwrap();
        }
        let state = state(&pool, folder.path(), models.path());
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            SELECT gen_random_uuid(), 'notes', id, 'store', 'a-model', 256, 51 FROM users",
        )
        .execute(&pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO collection_sources (collection_id, source_path, source_type, source_config)
            SELECT id, $1, 'directory', jsonb_build_object('path', $1) FROM collections",
        )
        .bind(folder.path().to_str().unwrap())
        .execute(&pool)
        .await
        .unwrap();
        sqlx::query("INSERT INTO source_grants (id, path) VALUES (gen_random_uuid(), $1)")
            .bind(folder.path().to_str().unwrap())
            .execute(&pool)
            .await
            .unwrap();
        let bench = Self { state, pool, folder, _models: models };
        let items = bench.listed().await;
        let column = |field: fn(&Entry) -> String| items.iter().map(field).collect::<Vec<_>>();
        sqlx::query(
            "INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size,
                content_hash, status, generation, last_generation, chunk_count, change_hint)
            SELECT gen_random_uuid(), s.collection_id, s.id, entry.uri, entry.name, entry.name, 1,
                entry.uri, 'completed', 1, 1, 2, entry.hint
            FROM collection_sources s,
                unnest($1::text[], $2::text[], $3::text[]) AS entry (uri, name, hint)",
        )
        .bind(column(|item| item.uri.clone()))
        .bind(column(|item| item.file_name.clone()))
        .bind(column(|item| item.change_hint.clone().unwrap()))
        .execute(&bench.pool)
        .await
        .unwrap();
        bench
    }

    /// What the source's connector says is there.
    async fn listed(&self) -> Vec<Entry> {
        let id = sqlx::query_scalar("SELECT id FROM collection_sources").fetch_one(&self.pool).await;
        let mut connection = self.state.db.connection().await.unwrap();
        let source = connection.collection_sources().find(domain::SourceId(id.unwrap())).await;
        let source = source.unwrap().unwrap();
        let spec = readable_spec(&self.state, &source).await.unwrap();
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let listing = Listing::from_cursor(cursor.as_deref());
            let page = self.state.connectors.list(&spec, listing).await.unwrap();
            items.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                return items;
            }
        }
    }

    /// Starts an operation that lists the source again.
    async fn start(&self) -> OperationId {
        let id = OperationId(Uuid::new_v4());
        sqlx::query(
            "INSERT INTO operations (uuid, collection_id, user_id, source_id, type)
            SELECT $1, c.id, c.owner_id, s.id, 'append'
            FROM collections c JOIN collection_sources s ON s.collection_id = c.id",
        )
        .bind(id.0)
        .execute(&self.pool)
        .await
        .unwrap();
        assert!(self.state.db.connection().await.unwrap().operations().claim(id).await.unwrap());
        id
    }

    /// Lists the source. Returns the result and the number of statements.
    async fn list(&self, id: OperationId) -> (Result<Filled, lambda::StageError>, usize) {
        let operation = self.state.db.connection().await.unwrap().operations().find(id).await;
        let operation = operation.unwrap().unwrap();
        let statements = Statements::default();
        let counting = tracing::subscriber::set_default(statements.clone());
        let invocation = Invocation::lasting(Duration::from_secs(600));
        let listed = fill_from_source(&self.state, &operation, &invocation).await;
        if listed.is_ok() {
            self.state.db.connection().await.unwrap().operations().mark_scan_finished(id).await.unwrap();
        }
        drop(counting);
        let count = *statements.0.lock().unwrap();
        (listed, count)
    }

    async fn counts(&self, id: OperationId) -> ItemCounts {
        self.state.db.connection().await.unwrap().operations().item_counts(id).await.unwrap()
    }
}

fn egress() -> Egress {
    Egress::new(EgressConfig::new(EgressPolicy::default())).unwrap()
}

fn state(pool: &PgPool, folder: &Path, models: &Path) -> State {
    let model = models.join("model");
    std::fs::create_dir(&model).unwrap();
    let manifest = serde_json::json!({
        "name": "a-model", "short_name": "a", "dimension": 384, "max_tokens": 256, "special_tokens": 2,
        "pooling": "mean", "normalize": true,
    });
    std::fs::write(model.join("model.json"), manifest.to_string()).unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(NOWHERE)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let url = |name: &str| Some(format!("{NOWHERE}/000000000000/{name}"));
    let urls = QueueUrls { scan: url("scan"), chunk: url("chunk"), ..QueueUrls::default() };
    let sources = SourcePolicy::new(vec![folder.to_owned()], "staging", None, &[]);
    State {
        db: Db::from_pool(pool.clone()),
        artifacts: ArtifactStore::new(&sdk, "staging"),
        connectors: Connectors::new(&sdk, egress(), sources),
        secrets: ConnectorKeys::fixed(SecretCipher::default()),
        queues: Queues::new(&sdk, urls),
        vectors: VectorDatabase::connect(&VectorsConfig::new(NOWHERE)).unwrap(),
        models: ModelRegistry::open(models).unwrap(),
        index_storage: IndexStorage::default(),
        reindex_grace: std::time::Duration::from_secs(86_400),
        max_items_under_way: 10_000,
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_unchanged_source_costs_some_statements_a_page_and_no_message(pool: PgPool) {
    let bench = Bench::new(pool, 1400).await;
    // The number of files that are left, one page or two.
    let mut seen = Vec::new();
    for files in [1400_usize, 1001, 1000, 10] {
        for entry in std::fs::read_dir(bench.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let number: usize = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            if number >= files {
                std::fs::remove_file(path).unwrap();
            }
        }
        // As if they had never existed.
        sqlx::query("DELETE FROM documents WHERE file_name >= $1")
            .bind(format!("{files:05}"))
            .execute(&bench.pool)
            .await
            .unwrap();
        let id = bench.start().await;
        let started = Instant::now();
        let (listed, statements) = bench.list(id).await;
        let seconds = started.elapsed().as_secs_f64();
        // The queue is unreachable, so nothing was sent.
        assert_eq!(listed.unwrap(), Filled::Complete);
        let counts = bench.counts(id).await;
        assert_eq!((counts.unchanged, counts.total()), (files as i64, files as i64));
        let finished = bench.state.db.connection().await.unwrap().operations().complete_if_done(id).await;
        assert!(finished.unwrap().is_some());
        eprintln!("{files:>5} unchanged documents: {statements} statements, {seconds:.3} s, 0 messages");
        seen.push((files, statements));
    }
    let of = |files| seen.iter().find(|(seen, _)| *seen == files).unwrap().1;
    assert_eq!(of(10), of(1000), "one page costs the same whatever it contains");
    assert_eq!(of(1001), of(1400), "and so do two");
    assert!(of(1400) - of(1000) <= 6, "{seen:?}");
    assert!(of(1000) <= 12, "{seen:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn only_changed_documents_are_staged(pool: PgPool) {
    let bench = Bench::new(pool, 1400).await;
    for number in (0..1400).step_by(100) {
        let path = bench.folder.path().join(format!("{number:05}.txt"));
        std::fs::write(path, format!("{number} is another text now")).unwrap();
    }
    let id = bench.start().await;
    // The message for the first of them cannot be sent.
    let (listed, _) = bench.list(id).await;
    assert!(listed.unwrap_err().is_retryable());
    let counts = bench.counts(id).await;
    assert_eq!((counts.listed, counts.unchanged), (10, 990), "the first page");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_listing_fails_with_the_reason_once_the_grant_is_revoked(pool: PgPool) {
    let bench = Bench::new(pool, 3).await;
    sqlx::query("DELETE FROM source_grants").execute(&bench.pool).await.unwrap();
    let id = bench.start().await;
    let mut connection = bench.state.db.connection().await.unwrap();
    let operation = connection.operations().find(id).await.unwrap().unwrap();
    let source = connection.collection_sources().find(operation.source_id.unwrap()).await.unwrap().unwrap();
    drop(connection);
    let spec = readable_spec(&bench.state, &source).await.unwrap();
    let error = bench.state.connectors.list(&spec, Listing::from_cursor(None)).await.unwrap_err();
    assert!(!error.kind().is_retryable());
    let reason = error.to_string();
    assert!(reason.contains("no grant of a superuser covers it"), "{reason}");
}
