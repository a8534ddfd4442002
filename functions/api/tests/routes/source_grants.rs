//! Grants of buckets and directories that sources may read.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};

const GRANTS: &str = "/api/v2/admin/source-grants";

struct World {
    api: Api,
    root: String,
    ada: String,
    collection: String,
}

impl World {
    /// A superuser and a user with a collection; nothing is granted.
    async fn new(pool: PgPool) -> Self {
        let api = Api::new(pool);
        let (root, ada) = (api.sign_up("root").await, api.sign_up("ada").await);
        api.sql("DELETE FROM source_grants").await;
        let collection = api.create_collection(&ada, "notes").await;
        Self { api, root, ada, collection }
    }

    async fn grant(&self, body: Value) -> Value {
        self.api.post(GRANTS, &self.root, body).await.expect(201)
    }

    async fn add(&self, token: &str, path: &str) -> Answer {
        let sources = format!("{}/sources", self.collection);
        self.api.post(&sources, token, json!({ "source_path": path })).await
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn sources_read_nothing_by_default_and_what_is_granted_by_whole_segments(pool: PgPool) {
    let world = World::new(pool).await;
    for path in ["s3://manuals/a/b/", "/srv/docs/a"] {
        for token in [&world.ada] {
            let refused = world.add(token, path).await.problem(403);
            assert_eq!(
                refused,
                format!(
                    "{path} cannot be read: no grant of a superuser covers it; ask one to grant it (POST {GRANTS})"
                )
            );
        }
    }
    let granted = world.grant(json!({ "bucket": "manuals", "prefix": "a/b", "username": "Ada" })).await;
    insta::assert_json_snapshot!(granted, { ".id" => "[id]", ".created_at" => "[time]" }, @r#"
    {
      "bucket": "manuals",
      "created_at": "[time]",
      "directory": null,
      "everyone": false,
      "granted_by": "root",
      "id": "[id]",
      "prefix": "a/b/",
      "username": "ada"
    }
    "#);
    world.grant(json!({ "directory": "/srv/docs/a", "everyone": true })).await;
    for (path, status) in [
        ("s3://manuals/a/b/", 202),
        ("s3://manuals/a/b/c", 202),
        ("s3://manuals/a/b", 202),
        ("s3://manuals/a/bc", 403),
        ("s3://manuals/a/", 403),
        ("s3://manuals", 403),
        ("s3://others/a/b/", 403),
        ("/srv/docs/a", 202),
        ("/srv/docs/a/deep", 202),
        ("/srv/docs/ab", 403),
        ("/srv/docs", 403),
    ] {
        let answer = world.add(&world.ada, path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    }
    // Superusers read nothing that was not granted to them.
    let own = world.api.create_collection(&world.root, "own").await;
    let body = json!({ "source_path": "s3://manuals/a/b/" });
    world.api.post(&format!("{own}/sources"), &world.root, body).await.problem(403);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_grant_is_that_of_whoever_adds_the_source_and_ends_when_it_is_revoked(pool: PgPool) {
    let world = World::new(pool).await;
    let grace = world.api.sign_up("grace").await;
    world.api.sql("DELETE FROM source_grants").await;
    let member = json!({ "username": "grace", "permission": "write" });
    world.api.post(&format!("{}/permissions", world.collection), &world.ada, member).await.expect(201);
    let granted = world.grant(json!({ "bucket": "manuals", "username": "grace" })).await;
    // The owner of the collection has no part in it.
    world.add(&world.ada, "s3://manuals/a/").await.problem(403);
    let added = world.add(&grace, "s3://manuals/a/").await.expect(202);
    let grantee = "SELECT u.username FROM source_grantees g JOIN users u ON u.id = g.user_id";
    assert_eq!(world.api.select(grantee).await, "grace");

    let source = format!("{}/sources/{}", world.collection, added["source_id"]);
    let wider = json!({ "source_config": { "bucket": "manuals", "prefix": "" } });
    world.api.send(Method::PATCH, &source, &world.ada, Some(&wider)).await.problem(403);
    // Secrets alone need no grant, and leave the source to its user.
    let path = format!("{GRANTS}/{}", text(&granted["id"]));
    world.api.delete(&path, &world.ada).await.problem(403);
    world.api.delete(&path, &world.root).await.expect(204);
    world.api.delete(&path, &world.root).await.problem(404);
    world.add(&grace, "s3://manuals/b/").await.problem(403);
    world.api.send(Method::PATCH, &source, &grace, Some(&wider)).await.problem(403);
    world.grant(json!({ "bucket": "manuals", "everyone": true })).await;
    world.api.send(Method::PATCH, &source, &world.ada, Some(&wider)).await.expect(200);
    assert_eq!(world.api.select(grantee).await, "ada");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn grants_are_validated_listed_and_not_doubled(pool: PgPool) {
    let world = World::new(pool).await;
    let mut details = Vec::new();
    for body in [
        json!({}),
        json!({ "bucket": "manuals", "directory": "/srv/docs", "everyone": true }),
        json!({ "bucket": "manuals", "username": "ada", "everyone": true }),
        json!({ "directory": "/srv/docs", "prefix": "a", "everyone": true }),
        json!({ "directory": "/etc", "everyone": true }),
        json!({ "bucket": "M", "everyone": true }),
        json!({ "bucket": "staging", "everyone": true }),
        json!({ "bucket": "models", "everyone": true }),
        json!({ "bucket": "code", "prefix": "a/", "everyone": true }),
        json!({ "bucket": "manuals", "username": "nobody" }),
    ] {
        details.push(world.api.post(GRANTS, &world.root, body).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    username: exactly one of username and "everyone": true is required; bucket: exactly one of bucket and directory is required
    bucket: exactly one of bucket and directory is required
    username: exactly one of username and "everyone": true is required
    prefix: not allowed with directory; it belongs to a bucket
    directory: outside the configured roots; a granted path below /srv/docs allowed, got "/etc"
    bucket: wrong format; a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens allowed, got "M"
    bucket: staging is a bucket of this installation itself; choose another bucket
    bucket: models is a bucket of this installation itself; choose another bucket
    bucket: code is a bucket of this installation itself; choose another bucket
    username: no active account with username "nobody"
    "#);
    let body = json!({ "bucket": "manuals", "prefix": "a", "everyone": true });
    world.grant(body.clone()).await;
    let again = json!({ "bucket": "manuals", "prefix": "a/", "everyone": true });
    let doubled = world.api.post(GRANTS, &world.root, again).await.problem(409);
    assert_eq!(doubled, "s3://manuals/a/ is already granted to everyone");
    world.grant(json!({ "bucket": "manuals", "prefix": "a", "username": "ada" })).await;
    let page = world.api.get(&format!("{GRANTS}?per_page=1"), &world.root).await.expect(200);
    assert_eq!((&page["total"], &page["source_grants"][0]["everyone"]), (&json!(2), &json!(true)));
    // A bucket of the installation stays closed even to a grant that is in the database.
    world
        .api
        .sql("INSERT INTO source_grants (id, bucket, path) VALUES (gen_random_uuid(), 'models', '')")
        .await;
    let refused = world.add(&world.ada, "s3://models/small/").await.problem(422);
    assert!(refused.contains("of this installation itself"), "{refused}");
    for token in [&world.ada, &world.api.api_key("root", "admin", &[]).await.1] {
        world.api.get(GRANTS, token).await.problem(403);
        world.api.post(GRANTS, token, body.clone()).await.problem(403);
    }
}
