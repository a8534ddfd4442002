//! Adding and updating sources.

mod secrets;

use connectors::Connector;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn adding_a_source_again_reads_the_same_source_again(pool: PgPool) {
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
      "cancel_requested_at": null,
      "collection_id": "[id]",
      "completed_at": null,
      "config": {
        "source_config": {
          "exclude_patterns": [],
          "include_patterns": [],
          "on_missing": "remove",
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
      "last_transient_error": null,
      "meta": {},
      "next_attempt_at": null,
      "progress": {
        "by_state": {
          "cancelled": 0,
          "chunked": 0,
          "completed": 0,
          "duplicate": 0,
          "failed": 0,
          "listed": 0,
          "removed": 0,
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
      "type": "append",
      "waiting_for": null
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
async fn sources_outside_the_allowed_places_are_refused(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let sources = format!("{}/sources", api.create_collection(&token, "notes").await);
    let mut details = Vec::new();
    for body in [
        json!({ "source_path": "/etc" }),
        json!({ "source_type": "directory", "source_config": { "path": "/srv/docs/../../etc" } }),
        json!({ "source_path": "s3://staging/raw/" }),
        json!({ "source_type": "gopher", "source_config": {} }),
        json!({}),
    ] {
        details.push(api.post(&sources, &token, body).await.problem(422));
    }
    let details = details.join("\n").replace(&Connector::names(), "[connectors]");
    insta::assert_snapshot!(details, @r#"
    source_config.path: outside the configured roots; a granted path below /srv/docs allowed, got "/etc"
    source_config.path: wrong path; an absolute path without ".." allowed, got "/srv/docs/../../etc"
    source_config.bucket: staging is a bucket of this installation itself; choose another bucket
    source_type: unknown value; [connectors] allowed, got "gopher"
    source_type: is required; send one of [connectors] with source_config
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sources").await, "0");
}

async fn patch(api: &Api, token: &str, path: &str, body: Value, if_match: &[(&str, &str)]) -> Answer {
    api.send_with(Method::PATCH, path, token, Some(&body), if_match).await
}

/// Adds a directory source and returns its URL path.
async fn add_folder(api: &Api, token: &str, collection: &str, folder: &str) -> String {
    let body = json!({ "source_path": folder });
    let operation = api.post(&format!("{collection}/sources"), token, body).await.expect(202);
    format!("{collection}/sources/{}", operation["source_id"])
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_can_be_updated_and_its_path_is_unique(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let first = add_folder(&api, &ada, &collection, "/srv/docs/a").await;
    let second = add_folder(&api, &ada, &collection, "/srv/docs/b").await;

    let config = json!({ "source_config": { "path": "/srv/docs/c/", "recursive": false } });
    let changed = patch(&api, &ada, &first, config.clone(), &[]).await.expect(200);
    assert_eq!(changed["source_path"], "/srv/docs/c");
    assert_eq!(changed["source_config"]["recursive"], false);
    assert_eq!(changed, api.get(&first, &ada).await.expect(200));
    let taken = patch(&api, &ada, &second, config.clone(), &[]).await.problem(409);
    assert!(taken.contains(r#"already has a source "/srv/docs/c""#), "{taken}");

    let mut details = Vec::new();
    for body in [
        json!({ "source_config": { "path": "/etc" } }),
        json!({ "source_config": { "path": "/srv/docs/d", "token": "x" } }),
        json!({ "source_config": { "bucket": "manuals" } }),
        json!({ "source_config": {} }),
    ] {
        details.push(patch(&api, &ada, &second, body, &[]).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    source_config.path: outside the configured roots; a granted path below /srv/docs allowed, got "/etc"
    source_config: unknown setting; path, recursive, include_patterns, exclude_patterns, on_missing allowed, got "token"
    source_config: unknown setting; path, recursive, include_patterns, exclude_patterns, on_missing allowed, got "bucket"
    source_config.path: is required
    "#);
    let other = api.create_collection(&ada, "other").await;
    let id = second.rsplit_once('/').unwrap().1;
    patch(&api, &ada, &format!("{other}/sources/{id}"), config.clone(), &[]).await.problem(404);

    // An update that changes nothing is not audited.
    patch(&api, &ada, &first, config, &[]).await.expect(200);
    patch(&api, &ada, &first, json!({}), &[]).await.expect(200);
    let audited = api
        .select(
            "SELECT string_agg(details::text, ' ') FROM collection_audit_log WHERE action = 'source_updated'",
        )
        .await;
    let audited: Value = serde_json::from_str(&audited).unwrap();
    assert_eq!(audited["source_path"], json!({ "before": "/srv/docs/a", "after": "/srv/docs/c" }));
    assert_eq!(audited["source_config"]["before"]["recursive"], true);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_concurrent_updates_of_one_version_one_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let path = add_folder(&api, &ada, &collection, "/srv/docs/a").await;
    let version = |answer: &Answer| answer.headers["etag"].to_str().unwrap().to_owned();
    let seen = version(&api.get(&path, &ada).await);
    let if_seen = [("if-match", seen.as_str())];
    let changes = (0..20).map(|n| {
        let config = json!({ "path": "/srv/docs/a", "include_patterns": [format!("{n}.md")] });
        patch(&api, &ada, &path, json!({ "source_config": config }), &if_seen)
    });
    let answers = futures_util::future::join_all(changes).await;
    let winners: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(winners.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 412));
    let current = version(winners[0]);
    assert_ne!(current, seen);

    // Which secrets are set is part of the ETag.
    let secret = json!({ "secrets": { "token": "t" } });
    patch(&api, &ada, &path, secret.clone(), &if_seen).await.problem(412);
    let answer = patch(&api, &ada, &path, secret, &[("if-match", &current)]).await;
    assert_ne!(version(&answer), current);
    assert_eq!(version(&answer), version(&api.get(&path, &ada).await));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_is_not_moved_while_it_is_read_nor_are_uploads_ever(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let path = add_folder(&api, &ada, &collection, "/srv/docs/a").await;
    api.sql("UPDATE operations SET status = 'processing' WHERE type = 'append'").await;
    let elsewhere = json!({ "source_config": { "path": "/srv/docs/b" } });
    let refused = patch(&api, &ada, &path, elsewhere.clone(), &[]).await.problem(409);
    assert!(refused.contains("is reading this source"), "{refused}");
    let here = json!({ "source_config": { "path": "/srv/docs/a", "exclude_patterns": ["*.tmp"] } });
    patch(&api, &ada, &path, here, &[]).await.expect(200);
    api.sql("UPDATE operations SET status = 'completed', completed_at = now() WHERE type = 'append'").await;
    patch(&api, &ada, &path, elsewhere, &[]).await.expect(200);

    api.sql(
        "UPDATE collection_sources SET source_type = 'upload', source_path = 'uploads', source_config = '{}'",
    )
    .await;
    let uploads = json!({ "source_config": { "path": "/srv/docs/b", "on_missing": "hide" } });
    let refused = patch(&api, &ada, &path, uploads, &[]).await.problem(422);
    assert_eq!(
        refused,
        "source_config.path: not a setting of sources of this type; on_missing allowed; source_config.on_missing: unknown value; \
         remove, keep allowed, got \"hide\""
    );
    let keep = json!({ "source_config": { "on_missing": "keep" } });
    let changed = patch(&api, &ada, &path, keep.clone(), &[]).await.expect(200);
    assert_eq!(
        (&changed["source_path"], &changed["source_config"]),
        (&json!("uploads"), &keep["source_config"])
    );
}
