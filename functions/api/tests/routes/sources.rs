//! Adding sources.

use serde_json::json;
use sqlx::PgPool;

use crate::harness::Api;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_added_again_is_the_same_source_read_again(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let path = api.create_collection(&token, "notes").await;
    let sources = format!("{path}/sources");
    let body =
        json!({ "source_type": "directory", "source_config": { "path": "/srv/docs/a", "recursive": false } });
    let first = api.post(&sources, &token, body).await.expect(202);
    insta::assert_json_snapshot!(first, {
        ".id" => "[id]", ".collection_id" => "[id]", ".source_id" => "[id]", ".created_at" => "[time]",
    }, @r#"
    {
      "collection_id": "[id]",
      "completed_at": null,
      "config": {
        "source_config": {
          "exclude_patterns": [],
          "include_patterns": [],
          "path": "/srv/docs/a",
          "recursive": false
        },
        "source_path": "/srv/docs/a",
        "source_type": "directory"
      },
      "created_at": "[time]",
      "error_category": null,
      "error_message": null,
      "id": "[id]",
      "meta": {},
      "progress": {
        "by_state": {
          "cancelled": 0,
          "chunked": 0,
          "completed": 0,
          "duplicate": 0,
          "failed": 0,
          "listed": 0,
          "skipped": 0,
          "staged": 0,
          "unchanged": 0
        },
        "done": 0,
        "is_listed": false,
        "percent": 0.0,
        "total": 0
      },
      "source_id": "[id]",
      "started_at": null,
      "status": "pending",
      "type": "append"
    }
    "#);
    let again = api.post(&sources, &token, json!({ "source_path": "/srv/docs/a/" })).await.expect(202);
    assert_eq!(first["source_id"], again["source_id"]);
    assert_ne!(first["id"], again["id"]);

    let list = api.get(&sources, &token).await.expect(200);
    assert_eq!(list["total"], 1);
    assert_eq!(list["items"][0]["source_config"]["recursive"], true);
    let shown = api.get(&format!("{sources}/{}", first["source_id"]), &token).await.expect(200);
    assert_eq!(shown["source_path"], "/srv/docs/a");
    let other = api.create_collection(&token, "other").await;
    api.get(&format!("{other}/sources/{}", first["source_id"]), &token).await.expect(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn sources_that_are_nobodys_to_read_are_refused(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let sources = format!("{}/sources", api.create_collection(&token, "notes").await);
    let mut details = Vec::new();
    for body in [
        json!({ "source_path": "/etc" }),
        json!({ "source_type": "directory", "source_config": { "path": "/srv/docs/../../etc" } }),
        json!({ "source_path": "s3://staging/raw/" }),
        json!({ "source_type": "git", "source_config": {} }),
        json!({}),
    ] {
        details.push(api.post(&sources, &token, body).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    source_config.path: "/etc" came; paths below /srv/docs are allowed
    source_config.path: "/srv/docs/../../etc" came; an absolute path without ".." below one of the configured roots is allowed
    source_config.bucket: staging is the staging bucket, which holds everybody's documents; name a bucket of your own
    source_type: "git" is not known; allowed: directory, file, s3
    source_type: is missing; send one of directory, file, s3 with source_config
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sources").await, "0");
}
