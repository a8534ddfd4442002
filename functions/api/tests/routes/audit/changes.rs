//! Every route that changes something records the author, the client and the request in the audit log.
//!
//! The routes come from `/api/openapi.json`; a route that this test does not call fails it.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request, header};
use lambda::http::ClientInfo;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, PASSWORD, text};
use crate::storage::Storage;

const ADDRESS: &str = "192.0.2.7";
const AGENT: &str = "audited/1.0";
/// POST routes that change nothing; their input does not fit into a query string.
const READ_ONLY: [&str; 2] = ["/api/v2/chunking/compare", "/api/v2/chunking/preview"];
const SEARCH: &str = include_str!("../../../../search/openapi.json");

struct Changes {
    api: Api,
    performed: BTreeSet<String>,
    requests: usize,
}

impl Changes {
    /// Sends a request, which must succeed and record exactly this action (`""` for none), and returns the
    /// response body. `ids` replace the placeholders of the path in order.
    async fn make(
        &mut self,
        route: &'static str,
        ids: &[&Value],
        token: &str,
        body: Value,
        action: &str,
    ) -> Value {
        self.requests += 1;
        let (method, template) = route.split_once(' ').unwrap();
        let mut path = String::new();
        let mut ids = ids.iter();
        for part in template.split_inclusive('/') {
            let Some(end) = part.strip_prefix('{') else {
                path.push_str(part);
                continue;
            };
            let id = ids.next().unwrap();
            path.push_str(&id.as_str().map_or_else(|| id.to_string(), str::to_owned));
            path.push_str(end.split_once('}').unwrap().1);
        }
        let request_id = format!("request-{}", self.requests);
        let client = ClientInfo {
            ip_address: Some(ADDRESS.to_owned()),
            user_agent: Some(AGENT.to_owned()),
            request_id: request_id.clone(),
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(&path)
            .extension(client);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
        };
        let answer = self.api.send_request(request.unwrap()).await;
        assert!(answer.status.is_success(), "{route}: {} {}", answer.status, answer.body);
        let entries: Vec<(String, Option<String>, Option<String>, bool)> = sqlx::query_as(
            "SELECT action, ip_address, user_agent, username IS NOT NULL FROM collection_audit_log WHERE request_id = $1",
        )
        .bind(&request_id)
        .fetch_all(&self.api.pool)
        .await
        .unwrap();
        let expected = (action.to_owned(), Some(ADDRESS.to_owned()), Some(AGENT.to_owned()), true);
        let expected = if action.is_empty() { Vec::new() } else { vec![expected] };
        assert_eq!(entries, expected, "{route}");
        self.performed.insert(route.split('?').next().unwrap_or(route).to_owned());
        answer.body
    }

    /// Returns all declared routes that may change something, except those of the search function.
    async fn declared(&self) -> BTreeSet<String> {
        let search: Value = serde_json::from_str(SEARCH).unwrap();
        let document = self.api.get("/api/openapi.json", "").await.expect(200);
        let mut declared = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let is_read_only = READ_ONLY.contains(&path.as_str());
                if method != "get" && !is_read_only && search["paths"][path].get(method).is_none() {
                    declared.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
        declared
    }

    async fn in_accounts(&mut self) -> String {
        let none = Value::Null;
        let ada = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
        self.make("POST /api/auth/register", &[], "", ada, "user_registered").await;
        self.api.sql("UPDATE users SET is_superuser = TRUE").await;
        self.api.grant_places().await;
        let credentials = json!({ "username": "ada", "password": PASSWORD });
        let pair = self.make("POST /api/auth/login", &[], "", credentials, "user_signed_in").await;
        let refresh = json!({ "refresh_token": pair["refresh_token"] });
        self.make("POST /api/auth/refresh", &[], "", refresh, "").await;
        let token = text(&pair["access_token"]);
        let name = json!({ "full_name": "Ada Lovelace" });
        self.make("PATCH /api/auth/me", &[], &token, name, "profile_changed").await;
        let listed = self.api.get("/api/auth/sessions", &token).await.expect(200);
        let other = text(&self.api.login("ada", PASSWORD).await.expect(200)["access_token"]);
        let session = listed["sessions"][0]["id"].clone();
        self.make(
            "DELETE /api/auth/sessions/{session_id}",
            &[&session],
            &other,
            none.clone(),
            "session_ended",
        )
        .await;
        let passwords = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
        self.make("POST /api/auth/password", &[], &other, passwords, "password_changed").await;
        self.make("POST /api/auth/logout", &[], &other, none.clone(), "user_signed_out").await;
        let again = text(&self.api.login("ada", "another horse battery").await.expect(200)["access_token"]);
        self.make("POST /api/auth/logout-all", &[], &again, none, "user_signed_out_everywhere").await;
        text(&self.api.login("ada", "another horse battery").await.expect(200)["access_token"])
    }

    async fn in_keys_and_preferences(&mut self, ada: &str) {
        let none = Value::Null;
        let key = json!({ "name": "laptop" });
        let key = self.make("POST /api/v2/api-keys", &[], ada, key, "api_key_created").await;
        let id = &key["id"];
        let off = json!({ "is_active": false });
        self.make("PATCH /api/v2/api-keys/{key_id}", &[id], ada, off, "api_key_changed").await;
        let on = json!({ "is_active": true });
        self.make("PATCH /api/v2/api-keys/{key_id}", &[id], ada, on, "api_key_changed").await;
        self.make("POST /api/v2/api-keys/{key_id}/rotate", &[id], ada, none.clone(), "api_key_rotated").await;
        self.make("DELETE /api/v2/api-keys/{key_id}", &[id], ada, none.clone(), "api_key_deleted").await;

        let changed = json!({ "search": { "top_k": 25 } });
        self.make("PUT /api/v2/preferences", &[], ada, changed, "preferences_changed").await;
        // Resetting a group that has its defaults changes nothing.
        for route in
            ["POST /api/v2/preferences/reset/interface", "POST /api/v2/preferences/reset/collection-defaults"]
        {
            self.make(route, &[], ada, none.clone(), "").await;
        }
        self.make("POST /api/v2/preferences/reset/search", &[], ada, none, "preferences_changed").await;
    }

    /// Returns the username of another account.
    async fn in_administration(&mut self, ada: &str) -> String {
        let grace = json!({ "username": "grace", "email": "grace@example.org", "password": PASSWORD });
        let made = self.make("POST /api/v2/admin/users", &[], ada, grace, "user_created").await;
        let id = &made["id"];
        let change = json!({ "full_name": "Grace Hopper" });
        self.make("PATCH /api/v2/admin/users/{user_id}", &[id], ada, change, "user_changed").await;
        let password = json!({ "new_password": "another horse battery" });
        self.make("PUT /api/v2/admin/users/{user_id}/password", &[id], ada, password, "password_set").await;
        let limits = json!({ "max_collections": 10, "max_storage_bytes": 1_000_000 });
        self.make("PUT /api/v2/admin/users/{user_id}/limits", &[id], ada, limits, "user_limits_set").await;
        let all = json!({ "collection_ids": null });
        self.make("POST /api/v2/admin/rebuild", &[], ada, all, "rebuild_started").await;
        let place = json!({ "bucket": "guides", "everyone": true });
        let granted = self.make("POST /api/v2/admin/source-grants", &[], ada, place, "source_granted").await;
        let revoke = "DELETE /api/v2/admin/source-grants/{grant_id}";
        self.make(revoke, &[&granted["id"]], ada, Value::Null, "source_grant_revoked").await;
        let closed = json!({ "registration_open": false });
        self.make("PATCH /api/v2/system-settings", &[], ada, closed, "system_settings_changed").await;
        text(&made["username"])
    }

    async fn in_profiles(&mut self, ada: &str, collection: &Value) {
        let new = json!({ "name": "notes", "collection_ids": [collection] });
        let made = self.make("POST /api/v2/mcp/profiles", &[], ada, new, "mcp_profile_created").await;
        let id = &made["id"];
        let put = json!({ "description": "What we know." });
        self.make("PUT /api/v2/mcp/profiles/{profile_id}", &[id], ada, put, "mcp_profile_updated").await;
        let delete = "DELETE /api/v2/mcp/profiles/{profile_id}";
        self.make(delete, &[id], ada, Value::Null, "mcp_profile_deleted").await;
    }

    async fn in_webhooks(&mut self, ada: &str, collection: &Value) {
        let new =
            json!({ "url": "http://127.0.0.1:9", "events": ["source.failed"], "collection_id": collection });
        let made = self.make("POST /api/v2/webhooks", &[], ada, new, "webhook_created").await;
        let id = &made["id"];
        let patch = json!({ "description": "for the dashboard" });
        self.make("PATCH /api/v2/webhooks/{webhook_id}", &[id], ada, patch, "webhook_changed").await;
        let rotate = "POST /api/v2/webhooks/{webhook_id}/rotate-secret";
        self.make(rotate, &[id], ada, Value::Null, "webhook_secret_rotated").await;
        let test = "POST /api/v2/webhooks/{webhook_id}/test";
        let delivery =
            self.make(test, &[id], ada, Value::Null, "webhook_tested").await["delivery_id"].clone();
        self.api.sql("UPDATE webhook_deliveries SET state = 'failed'").await;
        let again = "POST /api/v2/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver";
        self.make(again, &[id, &delivery], ada, Value::Null, "webhook_redelivered").await;
        let delete = "DELETE /api/v2/webhooks/{webhook_id}";
        self.make(delete, &[id], ada, Value::Null, "webhook_deleted").await;
    }

    async fn in_pushes(&mut self, ada: &str, collection: &Value) {
        let begin = "POST /api/v2/collections/{collection_id}/push-runs";
        let run = self.make(begin, &[collection], ada, json!({}), "push_run_begun").await["run_id"].clone();
        let push = "PUT /api/v2/collections/{collection_id}/documents/by-uri";
        let document = json!({ "uri": "crm:1", "text": "a" });
        self.make(push, &[collection], ada, document, "document_pushed").await;
        // It has no effect before the end of the run.
        let seen = "POST /api/v2/collections/{collection_id}/push-runs/{push_run_id}/seen";
        self.make(seen, &[collection, &run], ada, json!({ "uris": ["crm:1"] }), "").await;
        let end = "POST /api/v2/collections/{collection_id}/push-runs/{push_run_id}/end";
        self.make(end, &[collection, &run], ada, Value::Null, "push_run_ended").await;
        let delete = "DELETE /api/v2/collections/{collection_id}/documents/by-uri?uri=crm:1";
        self.make(delete, &[collection], ada, Value::Null, "document_deleted").await;
    }

    /// Calls the routes of documents and of the source that they came from.
    async fn in_documents(&mut self, ada: &str, collection: &Value, source: &Value) {
        self.api
            .sql(
                "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
                SELECT lpad(n::text, 32, '0')::uuid, (SELECT id FROM collections WHERE name = 'notes'),
                    n::text, n::text, n::text, 1, (ARRAY['completed', 'failed', 'failed'])[n]::document_status
                FROM generate_series(1, 3) n",
            )
            .await;
        let none = || Value::Null;
        let document = |number: u8| json!(format!("00000000-0000-0000-0000-00000000000{number}"));
        let delete = "DELETE /api/v2/collections/{collection_id}/documents/{document_id}";
        self.make(delete, &[collection, &document(1)], ada, none(), "document_deleted").await;
        let restore = "POST /api/v2/collections/{collection_id}/documents/{document_id}/restore";
        self.make(restore, &[collection, &document(1)], ada, none(), "document_restored").await;
        let retry = "POST /api/v2/collections/{collection_id}/documents/{document_id}/retry";
        self.make(retry, &[collection, &document(2)], ada, none(), "documents_retried").await;
        let retry_all = "POST /api/v2/collections/{collection_id}/documents/retry-failed";
        self.make(retry_all, &[collection], ada, none(), "documents_retried").await;
        let remove = "DELETE /api/v2/collections/{collection_id}/sources/{source_id}";
        self.make(remove, &[collection, source], ada, none(), "source_removed").await;
        let add = "POST /api/v2/collections/{collection_id}/sources";
        let other = json!({ "source_path": "/srv/docs/b" });
        self.make(add, &[collection], ada, other, "source_added").await;
        let remove = "DELETE /api/v2/collections/{collection_id}/sources?source_path=/srv/docs/b";
        self.make(remove, &[collection], ada, none(), "source_removed").await;
    }

    async fn in_collections(&mut self, ada: &str, grace: &str) {
        let none = Value::Null;
        let new = json!({ "name": "notes" });
        let made = self.make("POST /api/v2/collections", &[], ada, new, "collection_created").await;
        let id = &made["id"];
        let put = json!({ "description": "mine", "sync_mode": "continuous", "sync_interval_minutes": 60 });
        self.make("PUT /api/v2/collections/{collection_id}", &[id], ada, put, "collection_updated").await;
        let patch = json!({ "is_public": true });
        self.make("PATCH /api/v2/collections/{collection_id}", &[id], ada, patch, "collection_updated").await;
        let limits = json!({
            "max_documents": 10, "max_storage_bytes": 1000, "max_operations_per_hour": 100, "max_sources": 10,
        });
        let route = "PUT /api/v2/admin/collections/{collection_id}/limits";
        self.make(route, &[id], ada, limits, "collection_limits_set").await;
        let repair = "POST /api/v2/collections/{collection_id}/integrity/repair";
        self.make(repair, &[id], ada, none.clone(), "repair_started").await;
        let files = json!({ "files": [{ "name": "a.md", "size": 1 }] });
        let announced = self
            .make("POST /api/v2/collections/{collection_id}/uploads", &[id], ada, files, "uploads_announced")
            .await;
        let withdraw = "DELETE /api/v2/collections/{collection_id}/uploads/{upload_id}";
        let upload = &announced["uploads"][0]["id"];
        self.make(withdraw, &[id, upload], ada, none.clone(), "upload_withdrawn").await;
        let folder = json!({ "source_path": "/srv/docs/a" });
        let added = self
            .make("POST /api/v2/collections/{collection_id}/sources", &[id], ada, folder, "source_added")
            .await;
        let tried = json!({ "source_type": "directory", "source_config": { "path": "/srv/docs/a" } });
        let test = "POST /api/v2/collections/{collection_id}/sources/test";
        self.make(test, &[id], ada, tried, "source_tried").await;
        let smaller = json!({ "chunk_size": 128 });
        let reindex = "POST /api/v2/collections/{collection_id}/reindex";
        self.make(reindex, &[id], ada, smaller, "reindex_requested").await;
        self.api
            .sql(
                "INSERT INTO retired_vector_stores (name, collection_id, operation_id, replaced_by, settings, drop_after)
                SELECT 'old', c.id, o.id, c.vector_store_name, o.config, now()
                FROM collections c JOIN operations o ON o.collection_id = c.id AND o.type = 'reindex'",
            )
            .await;
        self.api.sql("UPDATE operations SET status = 'completed' WHERE type = 'reindex'").await;
        let back = "POST /api/v2/collections/{collection_id}/reindex/rollback";
        self.make(back, &[id], ada, none.clone(), "reindex_rolled_back").await;
        let config = json!({ "source_config": { "path": "/srv/docs/a", "recursive": false } });
        let source = &added["source_id"];
        let stop = "POST /api/v2/operations/{operation_id}/cancel";
        self.make(stop, &[&added["id"]], ada, none.clone(), "operation_cancel_requested").await;
        let change = "PATCH /api/v2/collections/{collection_id}/sources/{source_id}";
        self.make(change, &[id, source], ada, config, "source_updated").await;
        let sync = "POST /api/v2/collections/{collection_id}/sync/run";
        self.make(sync, &[id], ada, none.clone(), "sync_run_started").await;
        let pause = "POST /api/v2/collections/{collection_id}/sync/pause";
        self.make(pause, &[id], ada, none.clone(), "sync_paused").await;
        let resume = "POST /api/v2/collections/{collection_id}/sync/resume";
        self.make(resume, &[id], ada, none.clone(), "sync_resumed").await;
        let waiting = self.api.get("/api/v2/operations?status=pending&type=append", ada).await.expect(200);
        let waiting = waiting["operations"][0]["id"].clone();
        let cancel = "DELETE /api/v2/operations/{operation_id}";
        self.make(cancel, &[&waiting], ada, none.clone(), "operation_cancel_requested").await;

        self.in_profiles(ada, id).await;
        self.in_webhooks(ada, id).await;
        self.in_documents(ada, id, source).await;
        self.in_pushes(ada, id).await;

        let theirs = text(&self.api.login(grace, "another horse battery").await.expect(200)["access_token"]);
        let grants = "POST /api/v2/collections/{collection_id}/permissions";
        let write = json!({ "username": grace, "permission": "write" });
        let granted = self.make(grants, &[id], ada, write.clone(), "permission_granted").await;
        let revoke = "DELETE /api/v2/collections/{collection_id}/permissions/{permission_id}";
        self.make(revoke, &[id, &granted["id"]], ada, none.clone(), "permission_revoked").await;
        self.make(grants, &[id], ada, write, "permission_granted").await;
        let give_up = "DELETE /api/v2/collections/{collection_id}/permissions/me";
        self.make(give_up, &[id], &theirs, none.clone(), "permission_given_up").await;
        let owner = "POST /api/v2/collections/{collection_id}/owner";
        let to = json!({ "username": grace });
        self.make(owner, &[id], ada, to.clone(), "ownership_offered").await;
        let withdraw = "DELETE /api/v2/collections/{collection_id}/owner/offer";
        self.make(withdraw, &[id], ada, none.clone(), "ownership_offer_withdrawn").await;
        let offer = self.make(owner, &[id], ada, to.clone(), "ownership_offered").await["id"].clone();
        let decline = "POST /api/v2/ownership-offers/{offer_id}/decline";
        self.make(decline, &[&offer], &theirs, none.clone(), "ownership_declined").await;
        let offer = self.make(owner, &[id], ada, to, "ownership_offered").await["id"].clone();
        let accept = "POST /api/v2/ownership-offers/{offer_id}/accept";
        self.make(accept, &[&offer], &theirs, none.clone(), "collection_handed_over").await;
        let delete = "DELETE /api/v2/collections/{collection_id}";
        self.make(delete, &[id], &theirs, none, "collection_deleted").await;
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_change_is_audited_with_author_client_and_request(pool: PgPool) {
    let (_, api) = Storage::with_api(pool).await;
    let mut changes = Changes { api, performed: BTreeSet::new(), requests: 0 };
    let ada = changes.in_accounts().await;
    changes.in_keys_and_preferences(&ada).await;
    let grace = changes.in_administration(&ada).await;
    changes.in_collections(&ada, &grace).await;
    let declared = changes.declared().await;
    let missing: Vec<&String> = declared.difference(&changes.performed).collect();
    assert!(missing.is_empty(), "call each of these routes, and state the audited action: {missing:#?}");
    eprintln!("{} routes change something; {} requests, each audited", declared.len(), changes.requests);
}
