//! Files that the bucket's owner puts under `uploads/`.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use crate::world::{OWNER, World, announced_key, drop_key};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn drops_start_one_audited_operation_that_is_left_to_sweep(pool: PgPool) {
    let world = World::new(pool).await;
    let (a, b) = (world.drop_file("a.txt", "e"), world.drop_file("b.txt", "e"));
    world.deliver(&[&a, &b]).await;
    assert_eq!(
        world.count("operations WHERE type = 'append' AND status = 'pending' AND user_id = 1").await,
        1
    );
    assert_eq!(world.count("operation_items").await, 2);
    let audited = "collection_audit_log a JOIN operations o ON o.id = a.operation_id
        WHERE action = 'uploads_received' AND a.user_id IS NULL AND collection_name = 'notes'
            AND details = '{\"files\": 2}'";
    assert_eq!(world.count(audited).await, 1);
    let mut connection = world.state.db.connection().await.unwrap();
    let overdue = connection.operations().list_overdue(Duration::ZERO, Duration::ZERO, 10).await.unwrap();
    assert_eq!(overdue.len(), 1);

    // Later files join the pending operation; a repeated event changes nothing.
    let c = world.drop_file("c.txt", "e");
    world.deliver(&[&b, &c]).await;
    assert_eq!(world.count("operations").await, 1);
    assert_eq!(world.count("operation_items").await, 3);
    assert_eq!(world.count("collection_audit_log").await, 2);

    // Once it runs, they start the next one.
    assert!(connection.operations().claim(overdue[0]).await.unwrap());
    let d = world.drop_file("d.txt", "e");
    world.deliver(&[&d]).await;
    assert_eq!(world.count("operations WHERE status = 'pending'").await, 1);
    assert_eq!(world.bucket.keys().len(), 4, "they belong to the bucket's owner");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn drops_are_not_limited_by_the_hourly_quota_of_operations(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .sql("INSERT INTO collection_resource_limits (collection_id, max_operations_per_hour) SELECT id, 0 FROM collections")
        .await;
    let event = world.drop_file("a.txt", "e");
    world.deliver(&[&event]).await;
    assert_eq!(world.count("operations").await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_announcement_of_its_name_does_not_apply_to_a_drop(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    let event = world.drop_file("a.txt", "e");
    world.deliver(&[&event]).await;
    assert_eq!(world.status(id).await.0, "expected");
    assert_eq!(world.listed().await, [(drop_key("a.txt"), None)]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn late_events_of_drops_undo_neither_a_later_version_nor_a_deletion(pool: PgPool) {
    let world = World::new(pool).await;
    let old = world.drop_file("a.txt", "e1");
    let new = world.drop_file("a.txt", "e2");
    world.deliver(&[&new]).await;
    world.index().await;
    world.deliver(&[&old]).await;
    assert_eq!(world.listed().await, [], "another object is there");
    world.delete_documents().await;
    world.deliver(&[&new, &old]).await;
    assert_eq!(world.listed().await, [], "it was deleted after it arrived");
    let again = world.drop_file("a.txt", "e2");
    world.deliver(&[&again]).await;
    assert_eq!(world.listed().await, [(drop_key("a.txt"), None)]);

    // A file that was uploaded through the API later than it was dropped.
    world.index().await;
    let dropped = world.drop_file("b.txt", "e1");
    let id = world.announce("b.txt", OWNER).await;
    let announced = world.put_announced(id, "e2");
    world.deliver(&[&announced]).await;
    world.index().await;
    world.deliver(&[&dropped]).await;
    assert_eq!(world.listed().await, []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_that_no_announcement_could_have_reach_scan_which_fails_them(pool: PgPool) {
    let world = World::new(pool).await;
    let names = [
        "../up.txt",
        "a/../b.txt",
        "/abs.txt",
        "dir//x.txt",
        "back\\slash.txt",
        "esc\u{1b}[31m.txt",
        "nul\0.txt",
    ];
    for name in names {
        let event = world.drop_file(name, "e");
        world.deliver(&[&event]).await;
    }
    assert_eq!(world.listed().await.len(), names.len());
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn deleting_a_drop_removes_its_document_or_marks_it_as_stale(pool: PgPool) {
    let world = World::new(pool).await;
    let events = [world.drop_file("a.txt", "e"), world.drop_file("b.txt", "e")];
    world.deliver(&events.each_ref()).await;
    world.index().await;
    let removed = world.remove("a.txt");
    world.deliver(&[&removed, &removed]).await;
    world.deliver(&[&removed]).await;
    let missing =
        "documents WHERE status = 'deleted' AND deletion_reason = 'missing' AND file_name = 'a.txt'";
    assert_eq!(world.count(missing).await, 1);
    assert_eq!(world.count("operations WHERE type = 'remove_documents' AND status = 'pending'").await, 1);
    assert_eq!(world.count("operation_items WHERE is_removal").await, 1);

    // It comes back when it is dropped again, and a late event about its removal changes nothing.
    let again = world.drop_file("a.txt", "e");
    world.deliver(&[&again, &removed]).await;
    world.deliver(&[&removed]).await;
    assert_eq!(world.listed().await.iter().filter(|(location, _)| *location == drop_key("a.txt")).count(), 2);
    assert_eq!(world.count("operation_items WHERE NOT is_removal AND state = 'listed'").await, 1);

    world.sql("UPDATE collection_sources SET source_config = '{\"on_missing\": \"keep\"}'").await;
    let removed = world.remove("b.txt");
    world.deliver(&[&removed]).await;
    assert_eq!(
        world.count("documents WHERE is_stale AND status = 'completed' AND file_name = 'b.txt'").await,
        1
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_whose_newest_version_was_announced_stays_when_a_drop_is_deleted(pool: PgPool) {
    let world = World::new(pool).await;
    let dropped = world.drop_file("a.txt", "e1");
    world.deliver(&[&dropped]).await;
    world.index().await;
    let id = world.announce("a.txt", OWNER).await;
    let announced = world.put_announced(id, "e2");
    world.deliver(&[&announced]).await;
    let removed = world.remove("a.txt");
    world.deliver(&[&removed]).await;
    assert_eq!(world.listed().await, [(announced_key(id), Some(json!({ "topic": "tides" })))]);
    world.index().await;
    world.deliver(&[&removed]).await;
    assert_eq!(world.count("documents WHERE status = 'completed' AND NOT is_stale").await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_drop_that_is_deleted_before_it_is_read_is_skipped(pool: PgPool) {
    let world = World::new(pool).await;
    let event = world.drop_file("a.txt", "e");
    world.deliver(&[&event]).await;
    let removed = world.remove("a.txt");
    world.deliver(&[&removed]).await;
    assert_eq!(world.count("operation_items").await, 0, "the operation is still pending");
    // The events in the other order.
    world.deliver(&[&event]).await;
    assert_eq!(world.listed().await, []);
    // A later version joins the same operation.
    let again = world.drop_file("a.txt", "e");
    world.deliver(&[&again]).await;
    assert_eq!(world.listed().await, [(drop_key("a.txt"), None)]);

    // Once the operation runs, its item ends.
    world.sql("UPDATE operations SET status = 'processing'").await;
    let removed = world.remove("a.txt");
    world.deliver(&[&removed]).await;
    let skipped = "operation_items WHERE state = 'skipped' AND error_message LIKE 'the file was deleted%'";
    assert_eq!(world.count(skipped).await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn objects_of_dead_letters_are_looked_at_again(pool: PgPool) {
    let world = World::new(pool).await;
    let _lost = world.drop_file("a.txt", "e");
    let keys = [drop_key("a.txt"), drop_key("gone.txt")];
    let request = serde_json::from_value(json!({ "check_objects": keys })).unwrap();
    world.receive(vec![request]).await;
    assert_eq!(world.listed().await, [(drop_key("a.txt"), None)]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn both_spellings_of_a_name_are_one_document(pool: PgPool) {
    let world = World::new(pool).await;
    let (composed, decomposed) = ("caf\u{e9}.txt", "cafe\u{301}.txt");
    let events = [world.drop_file(composed, "e1"), world.drop_file(decomposed, "e2")];
    world.deliver(&events.each_ref()).await;
    assert_eq!(
        world.listed().await,
        [(drop_key(decomposed), None)],
        "the later one; the object's key as it is"
    );
    assert_eq!(world.names().await, [(format!("upload://{composed}"), composed.to_owned())]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_that_was_uploaded_in_the_other_spelling_keeps_its_uri(pool: PgPool) {
    let world = World::new(pool).await;
    let (composed, decomposed) = ("caf\u{e9}.txt", "cafe\u{301}.txt");
    sqlx::query(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size)
        SELECT gen_random_uuid(), id, $1, $2, $2, 1 FROM collections",
    )
    .bind(format!("upload://{decomposed}"))
    .bind(composed)
    .execute(&world.pool)
    .await
    .unwrap();
    let event = world.drop_file(composed, "e");
    world.deliver(&[&event]).await;
    assert_eq!(world.names().await, [(format!("upload://{decomposed}"), composed.to_owned())]);
    // A deletion counts for it, too.
    world.index().await;
    world.delete_documents().await;
    world.deliver(&[&event]).await;
    assert_eq!(world.count("operation_items WHERE state = 'listed'").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_drop_that_s3_does_not_describe_reaches_scan_which_fails_it(pool: PgPool) {
    let world = World::new(pool).await;
    let [refused, other] = ["a.txt", "b.txt"].map(|name| world.drop_file(name, "e"));
    world.bucket.deny(&drop_key("a.txt"));
    world.deliver(&[&refused, &other]).await;
    assert_eq!(world.listed().await, [(drop_key("a.txt"), None), (drop_key("b.txt"), None)]);
}
