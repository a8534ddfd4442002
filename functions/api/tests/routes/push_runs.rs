//! Push runs: what a client has not named is gone at the end.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};
use crate::storage::Storage;

struct World {
    api: Api,
    token: String,
    collection: String,
}

impl World {
    async fn new(pool: PgPool) -> Self {
        let (_, api) = Storage::with_api(pool).await;
        let token = api.sign_up("ada").await;
        let collection = api.create_collection(&token, "notes").await;
        api.sql("UPDATE operations SET status = 'completed', completed_at = now()").await;
        Self { api, token, collection }
    }

    async fn begin(&self, body: Value) -> Answer {
        self.api.post(&format!("{}/push-runs", self.collection), &self.token, body).await
    }

    async fn call(&self, run: &str, what: &str, body: Value) -> Answer {
        self.api.post(&format!("{}/push-runs/{run}/{what}", self.collection), &self.token, body).await
    }

    async fn push(&self, body: Value) -> Answer {
        let path = format!("{}/documents/by-uri", self.collection);
        self.api.send(Method::PUT, &path, &self.token, Some(&body)).await
    }

    /// Makes searchable documents of the source `crm` of what was pushed.
    async fn index(&self) {
        self.api
            .sql(
                "INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status)
                SELECT gen_random_uuid(), u.collection_id, s.id, u.uri, u.name, u.name, 1, 'completed'
                FROM uploads u JOIN collection_sources s ON s.source_path = 'push:' || u.push_source;
                UPDATE uploads SET status = 'received'",
            )
            .await;
    }

    async fn present(&self) -> String {
        self.api
            .select("SELECT string_agg(uri, ' ' ORDER BY uri) FROM documents WHERE status <> 'deleted'")
            .await
    }
}

fn document(number: u32) -> Value {
    json!({ "uri": format!("crm:{number}"), "text": "a", "source": "crm" })
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_was_neither_pushed_nor_seen_is_gone(pool: PgPool) {
    let world = World::new(pool).await;
    for number in 1..5 {
        world.push(document(number)).await.expect(202);
    }
    world.index().await;
    let run = world.begin(json!({ "source": "crm" })).await.expect(201);
    let id = text(&run["run_id"]);
    assert_eq!((&run["source"], &run["status"], &run["named"]), (&json!("crm"), &json!("open"), &json!(0)));
    let mut again = document(1);
    again["run_id"] = json!(id);
    world.push(again).await.expect(202);
    // Without run_id, too; and one that is not staged when the run ends.
    for number in [2, 9] {
        world.push(document(number)).await.expect(202);
    }
    let seen = world.call(&id, "seen", json!({ "uris": ["crm:3", "crm:7"] })).await.expect(200);
    assert_eq!(seen["unknown"], json!(["crm:7"]));
    let shown =
        world.api.get(&format!("{}/push-runs/{id}", world.collection), &world.token).await.expect(200);
    assert_eq!(shown["named"], 5);

    let ended = world.call(&id, "end", json!({})).await.expect(202);
    assert_eq!(
        (&ended["status"], &ended["named"], &ended["removed"], &ended["stale"]),
        (&json!("ended"), &json!(5), &json!(1), &json!(0))
    );
    assert_eq!(world.present().await, "crm:1 crm:2 crm:3");
    let operation = format!("/api/v2/operations/{}", text(&ended["operation_id"]));
    assert_eq!(world.api.get(&operation, &world.token).await.expect(200)["type"], "remove_documents");
    let still_expected = "SELECT count(*)::text FROM uploads WHERE status = 'expected'";
    assert_eq!(world.api.select(still_expected).await, "3");
    // Repeated: the same answer, and nothing else is gone.
    assert_eq!(world.call(&id, "end", json!({})).await.expect(202), ended);
    let mut late = document(4);
    late["run_id"] = json!(id);
    let refused = world.push(late).await.problem(409);
    assert!(refused.contains("is not the open run of the source \"push:crm\""), "{refused}");
    let refused = world.call(&id, "seen", json!({ "uris": ["crm:1"] })).await.problem(409);
    assert_eq!(refused, format!("the run {id} is ended; begin another one"));
    let actions =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'push_run%'";
    assert_eq!(world.api.select(actions).await, "push_run_begun push_run_ended");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_that_keeps_documents_marks_them_as_stale(pool: PgPool) {
    let world = World::new(pool).await;
    world.push(document(1)).await.expect(202);
    world.index().await;
    let source = world.api.select("SELECT id::text FROM collection_sources WHERE source_type = 'push'").await;
    let keep = json!({ "source_config": { "on_missing": "keep" } });
    let path = format!("{}/sources/{source}", world.collection);
    world.api.send(Method::PATCH, &path, &world.token, Some(&keep)).await.expect(200);
    let run = text(&world.begin(json!({ "source": "crm" })).await.expect(201)["run_id"]);
    let ended = world.call(&run, "end", json!({})).await.expect(202);
    assert_eq!(
        (&ended["removed"], &ended["stale"], &ended["operation_id"]),
        (&json!(0), &json!(1), &json!(null))
    );
    assert_eq!(world.present().await, "crm:1");
    assert_eq!(world.api.select("SELECT is_stale::text FROM documents").await, "true");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_has_one_open_run_unless_it_is_replaced(pool: PgPool) {
    let world = World::new(pool).await;
    let first = text(&world.begin(json!({ "source": "crm" })).await.expect(201)["run_id"]);
    let refused = world.begin(json!({ "source": "crm" })).await.problem(409);
    assert!(refused.contains(&format!("the source \"crm\" has the open run {first}")), "{refused}");
    // Another source, the default one.
    assert_eq!(world.begin(json!({})).await.expect(201)["source"], "push");
    world.push(document(1)).await.expect(202);
    world.index().await;
    let second = world.begin(json!({ "source": "crm", "replace": true })).await.expect(201);
    assert_ne!(second["run_id"], first);
    let refused = world.call(&first, "end", json!({})).await.problem(409);
    assert_eq!(refused, format!("the run {first} is replaced, without effect; begin another one"));
    assert_eq!(world.present().await, "crm:1");

    let elsewhere = world.api.create_collection(&world.token, "other").await;
    let path = format!("{elsewhere}/push-runs/{first}");
    world.api.get(&path, &world.token).await.problem(404);
    world.api.post(&format!("{path}/end"), &world.token, json!({})).await.problem(404);
    let refused = world.begin(json!({ "source": "a b" })).await.problem(422);
    assert!(refused.starts_with("source: wrong format; 1 to 64"), "{refused}");
    let wrong = json!({ "uris": ["crm:1", "upload://a"] });
    let refused = world.call(&text(&second["run_id"]), "seen", wrong).await.problem(422);
    assert!(refused.starts_with("uris[1]: the scheme \"upload\""), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_is_on_its_way_to_a_removed_source_does_not_arrive(pool: PgPool) {
    let world = World::new(pool).await;
    world.push(document(1)).await.expect(202);
    world.begin(json!({ "source": "crm" })).await.expect(201);
    let path = format!("{}/sources?source_path=push:crm", world.collection);
    world.api.delete(&path, &world.token).await.expect(202);
    assert_eq!(world.api.select("SELECT status::text FROM uploads").await, "withdrawn");
    world.api.sql("DELETE FROM collection_sources").await;
    assert_eq!(world.api.select("SELECT count(*)::text FROM push_runs").await, "0");
}
