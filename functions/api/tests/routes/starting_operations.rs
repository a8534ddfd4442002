//! Every route that starts an operation: it writes an audit entry, respects the hourly quota, and leaves
//! a message that cannot be sent to sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

/// A request that starts operations.
struct Start {
    method: Method,
    path: String,
    body: Option<Value>,
    /// The type of the operations.
    operation_type: &'static str,
    /// The action of the audit entry.
    action: &'static str,
    /// Whether the hourly quota of operations applies.
    is_limited: bool,
}

impl Start {
    fn new(
        method: Method,
        path: impl Into<String>,
        operation_type: &'static str,
        action: &'static str,
        is_limited: bool,
    ) -> Self {
        Self { method, path: path.into(), body: None, operation_type, action, is_limited }
    }

    fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

const RESET: &str = "
    UPDATE operations SET status = 'completed', completed_at = now() WHERE status <> 'completed';
    UPDATE collection_sync_runs SET status = 'success', completed_at = now() WHERE status = 'running'";

/// Documents 1 and 2 are indexed, 3 is deleted, 4 and 5 failed.
const DOCUMENTS: &str = "
    INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
    SELECT lpad(n::text, 32, '0')::uuid, id, n::text, 'a', 'a', 10,
        (ARRAY['completed', 'completed', 'deleted', 'failed', 'failed'])[n]::document_status
    FROM collections, generate_series(1, 5) AS n";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_start_is_audited_limited_and_left_to_sweep(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    api.sql(DOCUMENTS).await;
    let mut sources = Vec::new();
    for folder in ["/srv/docs/a", "/srv/docs/b", "/srv/docs/c"] {
        let body = json!({ "source_path": folder });
        let operation = api.post(&format!("{path}/sources"), &ada, body).await.expect(202);
        sources.push(operation["source_id"].clone());
    }
    let document = |number: u32| format!("{path}/documents/00000000-0000-0000-0000-{number:012}");
    let starts = [
        Start::new(Method::POST, "/api/v2/collections", "index", "collection_created", false)
            .with_body(json!({ "name": "more" })),
        Start::new(Method::POST, format!("{path}/sources"), "append", "source_read_again", true)
            .with_body(json!({ "source_path": "/srv/docs/c" })),
        Start::new(Method::POST, format!("{path}/sync/run"), "append", "sync_run_started", true),
        Start::new(Method::POST, format!("{path}/reindex"), "reindex", "reindex_requested", true),
        Start::new(Method::DELETE, document(1), "remove_documents", "document_deleted", false),
        Start::new(
            Method::POST,
            format!("{}/restore", document(3)),
            "restore_documents",
            "document_restored",
            true,
        ),
        Start::new(
            Method::POST,
            format!("{}/retry", document(4)),
            "retry_documents",
            "documents_retried",
            true,
        ),
        Start::new(
            Method::POST,
            format!("{path}/documents/retry-failed"),
            "retry_documents",
            "documents_retried",
            true,
        ),
        Start::new(
            Method::DELETE,
            format!("{path}/sources/{}", sources[0]),
            "remove_source",
            "source_removed",
            false,
        ),
        Start::new(
            Method::DELETE,
            format!("{path}/sources?source_path=/srv/docs/b"),
            "remove_source",
            "source_removed",
            false,
        ),
        Start::new(Method::POST, "/api/v2/admin/rebuild", "rebuild", "rebuild_started", false)
            .with_body(json!({ "collection_ids": [path.rsplit('/').next()] })),
        Start::new(Method::POST, format!("{path}/integrity/repair"), "repair", "repair_started", false),
        Start::new(Method::DELETE, path.clone(), "delete", "collection_deleted", false),
    ];
    let started: BTreeSet<&str> = starts.iter().map(|start| start.operation_type).collect();
    let all: BTreeSet<&str> = domain::OperationType::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(started, all, "an operation type that no route here starts");
    for start in &starts {
        check(&api, &ada, start).await;
    }
}

/// Performs the request without any quota left, then with enough.
async fn check(api: &Api, token: &str, start: &Start) {
    let Start { method, path, body, .. } = start;
    let name = format!("{method} {path}");
    api.sql(RESET).await;
    set_quota(api, 0).await;
    let before = audit_entries(api, start.action).await;
    if start.is_limited {
        let refused = api.send(method.clone(), path, token, body.as_ref()).await.problem(409);
        assert!(refused.starts_with("this would start "), "{name}: {refused}");
        assert_eq!(pending(api).await, Vec::<String>::new(), "{name}");
        assert_eq!(audit_entries(api, start.action).await, before, "{name}");
        set_quota(api, 1000).await;
    }
    let answer = api.send(method.clone(), path, token, body.as_ref()).await;
    assert!(answer.status.is_success(), "{name}: {} {}", answer.status, answer.body);
    let pending = pending(api).await;
    assert!(
        !pending.is_empty() && pending.iter().all(|kind| kind == start.operation_type),
        "{name}: {pending:?}"
    );
    assert_eq!(audit_entries(api, start.action).await, before + 1, "{name}");
    let mut connection = api.state.db.connection().await.unwrap();
    let overdue = connection.operations().list_overdue(Duration::ZERO, Duration::ZERO, 10).await.unwrap();
    assert_eq!(overdue.len(), 1, "{name}: the first pending operation of its collection is left to sweep");
}

async fn set_quota(api: &Api, per_hour: i32) {
    sqlx::query(
        "INSERT INTO collection_resource_limits (collection_id, max_operations_per_hour)
        SELECT id, $1 FROM collections
        ON CONFLICT (collection_id) DO UPDATE SET max_operations_per_hour = $1",
    )
    .bind(per_hour)
    .execute(&api.pool)
    .await
    .unwrap();
}

async fn audit_entries(api: &Api, action: &str) -> i64 {
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM collection_audit_log WHERE action = $1 AND request_id IS NOT NULL",
    );
    count.bind(action).fetch_one(&api.pool).await.unwrap()
}

/// The types of the pending operations.
async fn pending(api: &Api) -> Vec<String> {
    let types = sqlx::query_scalar("SELECT type::text FROM operations WHERE status = 'pending' ORDER BY id");
    types.fetch_all(&api.pool).await.unwrap()
}
