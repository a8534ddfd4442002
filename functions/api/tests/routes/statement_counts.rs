//! The number of statements of a list does not depend on its length.
//!
//! The lists come from `/api/openapi.json`: every GET with `page` or `offset` and `limit`. sqlx emits
//! each statement as a `tracing` event; a subscriber counts them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sqlx::PgPool;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

use crate::harness::Api;

/// A statement: its beginning, and the number of returned rows.
#[derive(Debug, Clone, Default, PartialEq)]
struct Statement {
    summary: String,
    rows: u64,
}

impl Visit for Statement {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.summary);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "summary" {
            self.summary = format!("{value:?}");
        }
    }
}

/// Collects the statements that sqlx emits.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<Statement>>>);

impl Statements {
    fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        self.0.lock().unwrap().push(statement);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Inserts rows into every listed table, for the user `ada` or her collection `notes`.
const GROW: &str = "
    WITH number AS (SELECT generate_series($1::bigint, $2::bigint) AS n),
    ada AS (SELECT id FROM users WHERE username = 'ada'),
    notes AS (SELECT id FROM collections WHERE name = 'notes'),
    more_users AS (
        INSERT INTO users (username, email, hashed_password)
        SELECT 'user' || n, 'user' || n || '@example.org', '' FROM number RETURNING id
    ), sessions AS (
        INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at)
        SELECT ada.id, gen_random_uuid(), sha256(n::text::bytea), now() + interval '30 days' FROM number, ada
    ), keys AS (
        INSERT INTO api_keys (id, user_id, name, key_hash)
        SELECT gen_random_uuid(), ada.id, 'key ' || n, sha256(n::text::bytea) FROM number, ada
    ), profiles AS (
        INSERT INTO mcp_profiles (id, user_id, name)
        SELECT gen_random_uuid(), ada.id, 'profile-' || n FROM number, ada RETURNING id
    ), profile_collections AS (
        INSERT INTO mcp_profile_collections (profile_id, collection_id, position)
        SELECT profiles.id, notes.id, 0 FROM profiles, notes
    ), hooks AS (
        INSERT INTO webhooks (id, user_id, url, events)
        SELECT gen_random_uuid(), ada.id, 'https://hooks.example.org', '{operation.completed}' FROM number, ada
    ), deliveries AS (
        INSERT INTO webhook_deliveries (id, webhook_id, event_type, payload)
        SELECT gen_random_uuid(), webhooks.id, 'ping', '{}' FROM number, webhooks WHERE url = 'https://ada.example.org'
    ), more_collections AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'more ' || n, ada.id, 'store ' || n, 'a-model', 256, 51 FROM number, ada
    ), offered AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'offered', id, 'offered ' || id, 'a-model', 256, 51 FROM more_users
        RETURNING id, owner_id
    ), offers AS (
        INSERT INTO ownership_offers (id, collection_id, from_user_id, to_user_id, expires_at)
        SELECT gen_random_uuid(), offered.id, offered.owner_id, ada.id, now() + interval '1 day' FROM offered, ada
    ), places AS (
        INSERT INTO source_grants (id, path) SELECT gen_random_uuid(), '/srv/docs/' || n FROM number
    ), grants AS (
        INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT notes.id, more_users.id, 'read' FROM more_users, notes
    ), sources AS (
        INSERT INTO collection_sources (collection_id, source_path, source_type)
        SELECT notes.id, '/srv/docs/' || n, 'directory' FROM number, notes RETURNING id
    ), secrets AS (
        INSERT INTO connector_secrets (collection_source_id, secret_type, ciphertext, key_id)
        SELECT id, 'token', '\\x00', 'k1' FROM sources
    ), more_documents AS (
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, content_hash, status)
        SELECT gen_random_uuid(), notes.id, n || '.txt', n || '.txt', n || '.txt', n, 'hash ' || n, 'completed'
        FROM number, notes
    ), more_operations AS (
        INSERT INTO operations (uuid, collection_id, user_id, type, status)
        SELECT gen_random_uuid(), notes.id, ada.id, 'append', 'completed' FROM number, notes, ada RETURNING id
    ), items AS (
        INSERT INTO operation_items (operation_id, uri, location, file_name, state)
        SELECT id, 'item ' || number, 'x', 'x', 'completed' FROM more_operations, generate_series(1, 3) AS number
    ), metrics AS (
        INSERT INTO operation_metrics (operation_id, name, value, unit)
        SELECT operations.id, 'figure ' || n, n, 'documents'
        FROM number, notes JOIN operations ON operations.collection_id = notes.id AND operations.type = 'index'
    ), sync_runs AS (
        INSERT INTO collection_sync_runs (collection_id, triggered_by, status)
        SELECT notes.id, 'manual', 'success' FROM number, notes
    ), more_uploads AS (
        INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at)
        SELECT gen_random_uuid(), notes.id, ada.id, n || '.txt', 'uploads/' || n, n, 'text/plain', now()
        FROM number, notes, ada
    )
    INSERT INTO collection_audit_log (collection_id, collection_name, user_id, username, action)
    SELECT notes.id, 'notes', ada.id, 'ada', 'collection_changed' FROM number, notes, ada";

/// Returns the paths of all lists, with the maximum page size.
async fn lists(api: &Api, collection: &str, operation: &str, webhook: &str) -> Vec<(String, String)> {
    let description = api.get("/api/openapi.json", "").await.expect(200);
    let mut lists = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let takes = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        let query = match (takes("page") || takes("per_page"), takes("offset") || takes("limit")) {
            (true, _) => "per_page=100",
            (_, true) => "limit=100",
            _ => continue,
        };
        if path.ends_with("/chunks") || path.ends_with("/integrity") {
            // They need Qdrant, which is unreachable here.
            continue;
        }
        let uri = format!("{path}?{query}").replace("/api/v2/collections/{collection_id}", collection);
        let uri = uri.replace("{operation_id}", operation).replace("{webhook_id}", webhook);
        assert!(!uri.contains('{'), "replace the placeholders of {uri}");
        lists.push((path.clone(), uri));
    }
    lists
}

/// Returns the total of a list, and the number of entries on the page.
fn sizes(list: &crate::harness::Answer) -> (u64, usize) {
    let total = list.headers.get("x-total-count").map(|value| value.to_str().unwrap().parse().unwrap());
    let total = total.or_else(|| list.body["total"].as_u64());
    let rows = match &list.body {
        Value::Array(rows) => Some(rows.len()),
        Value::Object(fields) => fields.values().find_map(|field| field.as_array().map(Vec::len)),
        _ => None,
    };
    (total.expect("a total"), rows.expect("rows"))
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn lists_need_as_many_statements_for_10_rows_as_for_1000(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    // The operation that created the collection.
    let operation = api.select("SELECT uuid::text FROM operations").await;
    let new = serde_json::json!({ "url": "https://ada.example.org", "events": ["operation.completed"] });
    let webhook =
        api.post("/api/v2/webhooks", &token, new).await.expect(201)["id"].as_str().unwrap().to_owned();
    let lists = lists(&api, &collection, &operation, &webhook).await;
    assert_eq!(lists.len(), 19, "{lists:?}");
    let statements = Statements::default();
    let _counting = tracing::subscriber::set_default(statements.clone());

    let mut counts: Vec<Vec<usize>> = Vec::new();
    for (from, to) in [(1_i64, 10_i64), (11, 1000)] {
        sqlx::query(GROW).bind(from).bind(to).execute(&api.pool).await.unwrap();
        let mut row = Vec::new();
        for (path, uri) in &lists {
            statements.take();
            let answer = api.get(uri, &token).await;
            let made = statements.take();
            assert_eq!(answer.status, 200, "{uri}: {}", answer.body);
            let (total, shown) = sizes(&answer);
            let to = to.unsigned_abs();
            assert!(total >= to, "{path} lists {total} rows: add its table to GROW");
            assert_eq!(shown as u64, total.min(100), "{path}");
            row.push(made.len());
        }
        counts.push(row);
    }
    eprintln!("statements per list, including access checks, for 10 and for 1,000 rows:");
    for (index, (path, _)) in lists.iter().enumerate() {
        eprintln!("{:>4} {:>4}  GET {path}", counts[0][index], counts[1][index]);
    }
    assert_eq!(counts[0], counts[1]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn access_check_reads_at_most_one_row_per_statement(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    sqlx::query(GROW).bind(1_i64).bind(1000_i64).execute(&api.pool).await.unwrap();
    let statements = Statements::default();
    let _counting = tracing::subscriber::set_default(statements.clone());
    api.get(&collection, &token).await.expect(200);
    let made = statements.take();
    assert!(!made.is_empty() && made.iter().all(|statement| statement.rows <= 1), "{made:?}");
}
