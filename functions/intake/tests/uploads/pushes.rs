//! Documents that clients pushed: each source has operations of its own.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{Event, OWNER, WRITER, World};

/// What the work lists say of pushed documents.
type Listed = (String, String, Option<String>, Option<String>, Option<String>);

impl World {
    /// Announces a push, as the API does, and writes its object.
    async fn push(&self, uri: &str, source: &str, title: Option<&str>, user: i64) -> (Uuid, Event) {
        let id = self.announce(uri.split_once("://").unwrap().1, user).await;
        sqlx::query("UPDATE uploads SET uri = $2, push_source = $3, title = $4, url = $5 WHERE id = $1")
            .bind(id)
            .bind(uri)
            .bind(source)
            .bind(title)
            .bind(title.map(|_| "https://crm.example.org/17"))
            .execute(&self.pool)
            .await
            .unwrap();
        (id, self.put_announced(id, &format!("etag {id}")))
    }

    async fn listed_pushes(&self) -> Vec<Listed> {
        sqlx::query_as(
            "SELECT s.source_path, i.uri, i.file_path, i.title, i.url
            FROM operation_items i JOIN operations o ON o.id = i.operation_id
            JOIN collection_sources s ON s.id = o.source_id
            WHERE i.state = 'listed' ORDER BY s.source_path, i.uri",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn pushes_at_the_same_time_share_one_operation_of_their_source(pool: PgPool) {
    let world = World::new(pool).await;
    let mut events = Vec::new();
    for number in 0..30 {
        let source = if number % 2 == 0 { "crm" } else { "wiki" };
        let (_, event) = world.push(&format!("crm://tickets/{number}"), source, None, WRITER).await;
        events.push(event);
    }
    let upload = world.announce("a.txt", OWNER).await;
    events.push(world.put_announced(upload, "e"));
    world.deliver(&events[..16].iter().collect::<Vec<_>>()).await;
    world.deliver(&events[16..].iter().collect::<Vec<_>>()).await;
    let per_source: BTreeMap<String, i64> = sqlx::query_as(
        "SELECT s.source_path, count(*) FROM operation_items i JOIN operations o ON o.id = i.operation_id
        JOIN collection_sources s ON s.id = o.source_id GROUP BY s.source_path",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let expected = [("push:crm", 15), ("push:wiki", 15), ("uploads", 1)];
    assert_eq!(per_source, expected.map(|(path, count)| (path.to_owned(), count)).into());
    assert_eq!(world.count("operations WHERE type = 'append'").await, 3);
    assert_eq!(world.count("operations WHERE config ->> 'source_type' = 'push'").await, 2);
    assert_eq!(world.count("uploads WHERE status = 'received'").await, 31);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_keeps_what_was_said_of_it_until_it_is_said_anew(pool: PgPool) {
    let world = World::new(pool).await;
    let uri = "crm://tickets/17";
    let (_, first) = world.push(uri, "crm", Some("Printer"), WRITER).await;
    let (_, second) = world.push(uri, "crm", None, WRITER).await;
    // In one invocation, and in two.
    world.deliver(&[&first, &second]).await;
    let said = |title: &str| {
        let url = Some("https://crm.example.org/17".to_owned());
        let path = Some("tickets/17".to_owned());
        vec![("push:crm".to_owned(), uri.to_owned(), path, Some(title.to_owned()), url)]
    };
    assert_eq!(world.listed_pushes().await, said("Printer"));
    let (_, third) = world.push(uri, "crm", None, WRITER).await;
    world.deliver(&[&third]).await;
    assert_eq!(world.listed_pushes().await, said("Printer"));
    let (_, fourth) = world.push(uri, "crm", Some("Scanner"), WRITER).await;
    world.deliver(&[&fourth]).await;
    assert_eq!(world.listed_pushes().await, said("Scanner"));
    assert_eq!(world.bucket.keys().len(), 1, "what was replaced is deleted");

    // Not beyond its deletion.
    sqlx::query(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, deleted_at)
        SELECT gen_random_uuid(), id, $1, 'x', 'x', 1, 'deleted', clock_timestamp() FROM collections",
    )
    .bind(uri)
    .execute(&world.pool)
    .await
    .unwrap();
    world.sql("UPDATE documents SET deleted_at = now() - interval '1 hour', deletion_reason = 'user'").await;
    world.sql("UPDATE operation_items SET created_at = now() - interval '2 hours'").await;
    let (_, fifth) = world.push(uri, "crm", None, WRITER).await;
    world.deliver(&[&fifth]).await;
    let listed = world.listed_pushes().await;
    assert_eq!((&listed[0].3, &listed[0].4), (&None, &None), "{listed:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_push_that_was_deleted_or_lost_its_access_does_not_arrive(pool: PgPool) {
    let world = World::new(pool).await;
    let (withdrawn, first) = world.push("crm://tickets/1", "crm", None, WRITER).await;
    world.sql("UPDATE uploads SET status = 'withdrawn'").await;
    let (revoked, second) = world.push("crm://tickets/2", "crm", None, WRITER).await;
    let (kept, third) = world.push("crm://tickets/3", "crm", None, OWNER).await;
    world.sql("DELETE FROM collection_permissions").await;
    world.deliver(&[&first, &second, &third]).await;
    assert_eq!(world.status(withdrawn).await.0, "withdrawn");
    assert_eq!(world.status(revoked).await.0, "refused");
    assert_eq!(world.status(kept).await.0, "received");
    assert_eq!(world.listed_pushes().await.len(), 1);
    assert_eq!(world.bucket.keys().len(), 1);
    let by_owner = json!({ "source_type": "push", "source_path": "push:crm" });
    let config: serde_json::Value =
        sqlx::query_scalar("SELECT config FROM operations").fetch_one(&world.pool).await.unwrap();
    assert_eq!(config, by_owner);
}
