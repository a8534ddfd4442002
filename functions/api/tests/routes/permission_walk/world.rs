//! A collection with all its resources, and users with every relation to it.

use std::collections::HashMap;
use std::sync::LazyLock;

use api::State;
use auth::OpaqueToken;
use chrono::Utc;
use domain::{ApiKeyId, CollectionId, SessionId, UserId};
use serde_json::{Value, json};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::roles::{Credential, Limit, ROLES, Role};
use crate::harness::PASSWORD;

/// Fixture rows of one set of calls.
pub struct World {
    number: usize,
    users: HashMap<String, User>,
    tokens: HashMap<&'static str, String>,
    collection: Uuid,
    /// The only collection of the restricted key.
    other: Uuid,
    document: Uuid,
    operation: Uuid,
    upload: Uuid,
    source: i64,
    permission: i64,
    sync_run: i64,
    push_run: Uuid,
    grant: Uuid,
}

/// A user with a session, an API key, an MCP profile, a webhook, a collection, and an offer of another one.
struct User {
    id: i64,
    session: Uuid,
    key: Uuid,
    profile: Uuid,
    webhook: Uuid,
    /// A delivery to the webhook.
    delivery: Uuid,
    collection: Uuid,
    /// An offer of another user's collection.
    offer: Uuid,
}

/// The users: those of the roles, and the target of administration.
const USERS: [&str; 14] = [
    "stranger",
    "public reader",
    "reader",
    "writer",
    "admin",
    "owner",
    "revoked writer",
    "former owner",
    "former member",
    "superuser",
    "deactivated user",
    "signed-out user",
    "target",
    "anonymous",
];

// Each with a session, an API key, a profile and a collection, for the routes of the caller's own resources.
const PEOPLE: &str = "
    WITH people AS (
        INSERT INTO users (username, email, hashed_password, is_active, is_superuser)
        SELECT name || ' ' || $1, name || $1 || '@example.org', $3, name <> 'deactivated user', name = 'superuser'
        FROM unnest($2::text[]) AS name
        RETURNING id, username
    ), sessions AS (
        INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at)
        SELECT id, gen_random_uuid(), sha256(('session of ' || username)::bytea), now() + interval '30 days'
        FROM people
        RETURNING user_id, family_id
    ), keys AS (
        INSERT INTO api_keys (id, user_id, name, key_hash)
        SELECT gen_random_uuid(), id, 'own', sha256(('key of ' || username)::bytea) FROM people
        RETURNING user_id, id
    ), profiles AS (
        INSERT INTO mcp_profiles (id, user_id, name) SELECT gen_random_uuid(), id, 'own' FROM people
        RETURNING user_id, id
    ), hooks AS (
        INSERT INTO webhooks (id, user_id, url, events)
        SELECT gen_random_uuid(), id, 'https://hooks.example.org', '{operation.completed}' FROM people
        RETURNING user_id, id
    ), deliveries AS (
        INSERT INTO webhook_deliveries (id, webhook_id, event_type, payload, next_attempt_at)
        SELECT gen_random_uuid(), id, 'ping', '{}', now() + interval '1 hour' FROM hooks
        RETURNING webhook_id, id
    ), own AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'own', id, gen_random_uuid()::text, 'a-model', 256, 51 FROM people
        RETURNING owner_id, id
    ), offered AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'offered to ' || people.username, target.id, gen_random_uuid()::text, 'a-model', 256, 51
        FROM people JOIN people target ON target.username = 'target ' || $1
        RETURNING name, owner_id, id
    ), offers AS (
        INSERT INTO ownership_offers (id, collection_id, from_user_id, to_user_id, expires_at)
        SELECT gen_random_uuid(), offered.id, offered.owner_id, people.id, now() + interval '1 day'
        FROM people JOIN offered ON offered.name = 'offered to ' || people.username AND offered.owner_id <> people.id
        RETURNING to_user_id, id
    )
    SELECT people.id, username, coalesce(offers.id, gen_random_uuid()) AS offer, family_id AS session, keys.id AS key, profiles.id AS profile, hooks.id AS webhook,
        deliveries.id AS delivery, own.id AS collection
    FROM people JOIN sessions ON sessions.user_id = people.id JOIN keys ON keys.user_id = people.id
    JOIN profiles ON profiles.user_id = people.id JOIN own ON own.owner_id = people.id
    JOIN hooks ON hooks.user_id = people.id JOIN deliveries ON deliveries.webhook_id = hooks.id
    LEFT JOIN offers ON offers.to_user_id = people.id";

const COLLECTION: &str = "
    WITH collection AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap,
            is_public, status)
        SELECT gen_random_uuid(), 'walk', $1, gen_random_uuid()::text, 'sentence-transformers/all-MiniLM-L6-v2',
            256, 51, $3, 'ready'
        RETURNING id
    ), other AS (
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'another', $1, gen_random_uuid()::text, 'a-model', 256, 51
        RETURNING id
    ), limits AS (
        INSERT INTO collection_resource_limits (collection_id) SELECT id FROM collection
    ), source AS (
        INSERT INTO collection_sources (collection_id, source_path, source_type, source_config)
        SELECT id, '/srv/docs/walk', 'directory', '{\"path\": \"/srv/docs/walk\"}' FROM collection
        RETURNING id, collection_id
    ), document AS (
        INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, content_hash, status)
        SELECT gen_random_uuid(), collection_id, id, 'a.txt', 'a.txt', 'a.txt', 12, 'abc', 'completed' FROM source
        RETURNING id, collection_id
    ), artifact AS (
        INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
        SELECT id, collection_id, 0, 'text/plain', 'raw/x', 'abc', 12 FROM document
    ), operation AS (
        INSERT INTO operations (uuid, collection_id, user_id, source_id, type, status)
        SELECT gen_random_uuid(), collection_id, $2, id, 'append', 'pending' FROM source
        RETURNING id, uuid
    ), metric AS (
        INSERT INTO operation_metrics (operation_id, name, value, unit) SELECT id, 'documents', 1, 'documents' FROM operation
    ), sync_run AS (
        INSERT INTO collection_sync_runs (collection_id, triggered_by, status) SELECT id, 'manual', 'success' FROM collection
        RETURNING id
    ), push_source AS (
        INSERT INTO collection_sources (collection_id, source_path, source_type)
        SELECT id, 'push:wiki', 'push' FROM collection
        RETURNING id, collection_id
    ), push_run AS (
        INSERT INTO push_runs (id, collection_id, source_id, user_id)
        SELECT gen_random_uuid(), collection_id, id, $1 FROM push_source
        RETURNING id
    ), offer AS (
        INSERT INTO ownership_offers (id, collection_id, from_user_id, to_user_id, expires_at)
        SELECT gen_random_uuid(), id, $1, $4, now() + interval '1 day' FROM collection
    ), grant_of_place AS (
        INSERT INTO source_grants (id, path) SELECT gen_random_uuid(), '/srv/docs/' || id FROM collection RETURNING id
    ), upload AS (
        INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at)
        SELECT gen_random_uuid(), id, $2, 'b.txt', 'uploads/' || id || '/b.txt', 12, 'text/plain', now() + interval '1 hour'
        FROM collection
        RETURNING id
    )
    SELECT collection.id AS collection, other.id AS other, document.id AS document, operation.uuid AS operation,
        upload.id AS upload, source.id AS source, sync_run.id AS sync_run,
        push_run.id AS push_run, grant_of_place.id AS grant_of_place
    FROM collection, other, document, operation, upload, source, sync_run, push_run, grant_of_place";

/// The URI of a document whose id is made of it.
const PUSHED: &str = "crm:17";
const DOCUMENT_BY_URI: &str = "
    INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
    VALUES ($1, $2, $3, '17', '17', 12, 'completed')";

const GRANTS: &str = "
    INSERT INTO collection_permissions (collection_id, user_id, permission)
    VALUES ($1, $2, 'read'), ($1, $3, 'write'), ($1, $4, 'admin'), ($1, $5, 'admin')
    RETURNING id";

// Rights that existed and ended: a permission of a user, one of an API key, and the ownership.
const BEGIN_RIGHTS: &str = "
    WITH granted AS (
        INSERT INTO collection_permissions (collection_id, user_id, api_key_id, permission)
        VALUES ($1, $2, NULL, 'write'), ($1, NULL, $3, 'admin')
    )
    UPDATE collections SET owner_id = $4 WHERE id = $1";
const END_RIGHTS: &str = "
    WITH revoked AS (
        DELETE FROM collection_permissions WHERE collection_id = $1 AND (user_id = $2 OR api_key_id = $3)
    )
    UPDATE collections SET owner_id = $4 WHERE id = $1";

// `last_used_at` is recent, because updating it would count as a change.
const KEY: &str = "
    INSERT INTO api_keys (id, user_id, name, key_hash, scope, collection_ids, is_active, expires_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + interval '1 hour')";

/// All users have the password of the example bodies.
static HASH: LazyLock<String> = LazyLock::new(|| auth::hash_password(PASSWORD).unwrap());

impl World {
    pub async fn create(pool: &PgPool, state: &State, number: usize, is_public: bool) -> Self {
        let mut tx = pool.begin().await.unwrap();
        let rows = sqlx::query(PEOPLE)
            .bind(number.to_string())
            .bind(&USERS[..])
            .bind(&*HASH)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let mut users = HashMap::new();
        for row in rows {
            let (name, _) = row.get::<&str, _>("username").rsplit_once(' ').unwrap();
            let user = User {
                id: row.get("id"),
                session: row.get("session"),
                key: row.get("key"),
                profile: row.get("profile"),
                webhook: row.get("webhook"),
                delivery: row.get("delivery"),
                collection: row.get("collection"),
                offer: row.get("offer"),
            };
            users.insert(name.to_owned(), user);
        }
        let made = sqlx::query(COLLECTION)
            .bind(users["owner"].id)
            .bind(users["revoked writer"].id)
            .bind(is_public)
            .bind(users["target"].id)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        let mut world = Self {
            number,
            tokens: HashMap::new(),
            collection: made.get("collection"),
            other: made.get("other"),
            document: made.get("document"),
            operation: made.get("operation"),
            upload: made.get("upload"),
            source: made.get("source"),
            permission: 0,
            sync_run: made.get("sync_run"),
            push_run: made.get("push_run"),
            grant: made.get("grant_of_place"),
            users,
        };
        sqlx::query(DOCUMENT_BY_URI)
            .bind(domain::document_id(CollectionId(world.collection), PUSHED).0)
            .bind(world.collection)
            .bind(PUSHED)
            .execute(&mut *tx)
            .await
            .unwrap();
        for (statement, owner) in [(BEGIN_RIGHTS, "former owner"), (END_RIGHTS, "owner")] {
            sqlx::query(statement)
                .bind(world.collection)
                .bind(world.users["revoked writer"].id)
                .bind(world.users["former member"].key)
                .bind(world.users[owner].id)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        // The permission of the reader is the first row.
        world.permission = sqlx::query(GRANTS)
            .bind(world.collection)
            .bind(world.users["reader"].id)
            .bind(world.users["writer"].id)
            .bind(world.users["admin"].id)
            .bind(world.users["deactivated user"].id)
            .fetch_all(&mut *tx)
            .await
            .unwrap()[0]
            .get("id");
        for role in ROLES {
            let token = world.credential(&mut tx, state, &role, made.get("other")).await;
            world.tokens.insert(role.name, token);
        }
        tx.commit().await.unwrap();
        world
    }

    async fn credential(
        &self,
        connection: &mut sqlx::PgConnection,
        state: &State,
        role: &Role,
        other: Uuid,
    ) -> String {
        if let Some(user) = self.users.get(role.name)
            && role.credential != Credential::Nothing
        {
            if role.name == "signed-out user" {
                sqlx::query("UPDATE refresh_tokens SET is_revoked = TRUE WHERE family_id = $1")
                    .bind(user.session)
                    .execute(connection)
                    .await
                    .unwrap();
            }
            let username = format!("{} {}", role.name, self.number);
            return state
                .tokens
                .issue(UserId(user.id), &username, SessionId(user.session), Utc::now())
                .await
                .unwrap();
        }
        let (user, scope, limit) = match role.credential {
            Credential::Nothing => return String::new(),
            Credential::Key { of, scope, limit } => (of, scope.as_str(), limit),
            Credential::Invalid if role.name == "key of a deactivated user" => {
                ("deactivated user", "admin", Limit::None)
            }
            Credential::Invalid | Credential::Session => ("owner", "admin", Limit::None),
        };
        let only = match limit {
            Limit::None => None,
            Limit::This => Some(vec![self.collection]),
            Limit::Another => Some(vec![other]),
        };
        let id = Uuid::new_v4();
        let key = OpaqueToken::api_key(ApiKeyId(id));
        sqlx::query(KEY)
            .bind(id)
            .bind(self.users[user].id)
            .bind(role.name)
            .bind(key.hash().to_vec())
            .bind(scope)
            .bind(only)
            .bind(role.name != "revoked key")
            .bind((role.name == "expired key").then(Utc::now))
            .execute(&mut *connection)
            .await
            .unwrap();
        if role.name == "key with a read permission" {
            sqlx::query("INSERT INTO collection_permissions (collection_id, api_key_id, permission) VALUES ($1, $2, 'read')")
                .bind(self.collection)
                .bind(id)
                .execute(connection)
                .await
                .unwrap();
        }
        key.expose().to_owned()
    }

    pub fn token(&self, role: &Role) -> &str {
        &self.tokens[role.name]
    }

    /// Fills in a path template with existing resources, of this collection or of the caller.
    pub fn path(&self, template: &str, role: &Role) -> String {
        let mut path = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            path.push_str(before);
            path.push_str(&self.fixture(name, role));
            rest = after;
        }
        path + rest
    }

    /// Returns the example body with collections that the caller can read.
    pub fn body(&self, example: &Value, role: &Role) -> Value {
        let mut body = example.clone();
        if let Some(ids) = body.get_mut("collection_uuids") {
            *ids = json!([self.collection]);
        }
        if let Some(id) = body.get_mut("collection_id") {
            *id = json!(self.collection);
        }
        if let Some(ids) = body.get_mut("collection_ids").filter(|ids| ids.is_array()) {
            *ids = json!([match role.credential {
                Credential::Key { limit: Limit::This, .. } => self.collection,
                Credential::Key { limit: Limit::Another, .. } => self.other,
                _ => self.own(role).collection,
            }]);
        }
        body
    }

    /// Returns the user that the caller acts as; the owner for invalid credentials.
    fn own(&self, role: &Role) -> &User {
        match role.credential {
            Credential::Key { of, .. } => &self.users[of],
            Credential::Invalid => &self.users["owner"],
            Credential::Nothing | Credential::Session => &self.users[role.name],
        }
    }

    fn fixture(&self, name: &str, role: &Role) -> String {
        let own = self.own(role);
        match name {
            "collection_id" => self.collection.to_string(),
            // Qdrant is unreachable here, so any id will do.
            "chunk_id" => Uuid::nil().to_string(),
            "document_id" => self.document.to_string(),
            "operation_id" => self.operation.to_string(),
            "upload_id" => self.upload.to_string(),
            "run_id" => self.sync_run.to_string(),
            "push_run_id" => self.push_run.to_string(),
            "uri" => PUSHED.to_owned(),
            "source_id" => self.source.to_string(),
            "source_path" => "/srv/docs/walk".to_owned(),
            "permission_id" => self.permission.to_string(),
            "connector_type" => "s3".to_owned(),
            "strategy_id" => "markdown".to_owned(),
            "session_id" => own.session.to_string(),
            "key_id" => own.key.to_string(),
            "profile_id" => own.profile.to_string(),
            "webhook_id" => own.webhook.to_string(),
            "delivery_id" => own.delivery.to_string(),
            "profile" => "own".to_owned(),
            "offer_id" => own.offer.to_string(),
            "grant_id" => self.grant.to_string(),
            // The account that superusers administer.
            "user_id" => self.users["target"].id.to_string(),
            _ => panic!("no fixture for {{{name}}}: add it to World::fixture"),
        }
    }
}
