//! Announced files: one for each announcement, judged by the announcement's id.

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{OWNER, WRITER, World, announced_key};

fn received() -> (String, String) {
    ("received".to_owned(), String::new())
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_file_is_accepted_once_with_the_metadata_and_the_name_of_its_announcer(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", WRITER).await;
    let event = world.put_announced(id, "e1");
    // Delivered twice, in one invocation and in two.
    world.deliver(&[&event, &event]).await;
    world.deliver(&[&event]).await;
    assert_eq!(world.status(id).await, received());
    assert_eq!(world.listed().await, [(announced_key(id), Some(json!({ "topic": "tides" })))]);
    assert_eq!(world.count("operations WHERE type = 'append' AND user_id = 2").await, 1);
    assert_eq!(
        world
            .count("collection_audit_log WHERE action = 'uploads_received' AND user_id = 2 AND details ->> 'files' = '1'")
            .await,
        1
    );
    assert_eq!(world.bucket.keys(), [announced_key(id)], "scan is still to read it");

    // Once it is staged and deleted, another PUT is refused.
    world.index().await;
    world.deliver(&[&event]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    let again = world.put_announced(id, "e2");
    world.deliver(&[&again]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.status(id).await, received());
    assert_eq!(world.listed().await, []);
    let refused = "collection_audit_log WHERE action = 'upload_refused' AND user_id = 2
        AND details ->> 'reason' LIKE 'its file had already arrived%'";
    assert_eq!(world.count(refused).await, 1);
    // Also the same bytes.
    let same = world.put_announced(id, "e1");
    world.deliver(&[&same]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.listed().await, []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_file_that_is_not_as_announced_is_refused_and_deleted(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    world.sql("UPDATE uploads SET size_bytes = 13").await;
    let event = world.put_announced(id, "e1");
    world.deliver(&[&event]).await;
    let reason = "size: not as announced; must be 13 bytes, got 12".to_owned();
    assert_eq!(world.status(id).await, ("refused".to_owned(), reason));
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.count("operations").await, 0);
    assert_eq!(world.count("collection_audit_log WHERE action = 'upload_refused' AND user_id = 1").await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_file_under_the_key_without_the_signed_id_is_refused(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    let event = world.put(&announced_key(id), "e1", None);
    world.deliver(&[&event]).await;
    assert_eq!(world.status(id).await.0, "refused");
    assert_eq!(world.bucket.keys(), [""; 0]);
    // Of an announcement that does not exist.
    let unknown = Uuid::now_v7();
    let event = world.put(&announced_key(unknown), "e1", Some(unknown));
    world.deliver(&[&event]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.count("operations").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn files_of_announcers_who_lost_access_are_refused(pool: PgPool) {
    let world = World::new(pool).await;
    for (lost, regained) in [
        (
            "DELETE FROM collection_permissions",
            "INSERT INTO collection_permissions (collection_id, user_id, permission)
            SELECT id, 2, 'write' FROM collections",
        ),
        (
            "UPDATE collection_permissions SET permission = 'read'",
            "UPDATE collection_permissions SET permission = 'write'",
        ),
        ("UPDATE users SET is_active = FALSE WHERE id = 2", "UPDATE users SET is_active = TRUE"),
    ] {
        let id = world.announce("a.txt", WRITER).await;
        world.sql(lost).await;
        let event = world.put_announced(id, "e1");
        world.deliver(&[&event]).await;
        let reason = "its announcer no longer has write access to the collection".to_owned();
        assert_eq!(world.status(id).await, ("refused".to_owned(), reason.clone()), "{lost}");
        assert_eq!(world.bucket.keys(), [""; 0]);
        world.sql(regained).await;

        // Without a file, sweep's check ends the announcement.
        let open = world.announce("a.txt", WRITER).await;
        world.sql(lost).await;
        world.check(&[open]).await;
        assert_eq!(world.status(open).await, ("refused".to_owned(), reason));
        world.sql(regained).await;
    }
    let id = world.announce("a.txt", WRITER).await;
    world.sql("UPDATE uploads SET api_key_id = gen_random_uuid() WHERE status = 'expected'").await;
    let event = world.put_announced(id, "e1");
    world.deliver(&[&event]).await;
    assert_eq!(world.status(id).await.0, "refused", "with an API key that is deleted");
    assert_eq!(world.count("operations").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_object_of_an_earlier_upload_is_no_proof_that_this_one_arrived(pool: PgPool) {
    let world = World::new(pool).await;
    let (first, deleted) = (world.announce("a.txt", OWNER).await, world.announce("b.txt", OWNER).await);
    let events = [world.put_announced(first, "e1"), world.put_announced(deleted, "e2")];
    world.deliver(&[&events[0], &events[1]]).await;
    // The objects are still there, as if they had not been deleted when they were staged.
    let dropped = world.drop_file("a.txt", "e3");
    world.deliver(&[&dropped]).await;
    world.sql("UPDATE operation_items SET state = 'completed'").await;
    world.delete_documents().await;
    let again = [world.announce("a.txt", OWNER).await, world.announce("b.txt", OWNER).await];
    world.check(&again).await;
    for id in again {
        assert_eq!(world.status(id).await.0, "expected");
    }
    world.sql("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE status = 'expected'").await;
    world.check(&again).await;
    for id in again {
        assert_eq!(world.status(id).await.0, "expired");
    }
    assert_eq!(world.listed().await, []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_upload_whose_event_is_lost_is_found_by_the_check(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    drop(world.put_announced(id, "e1"));
    world.check(&[id]).await;
    assert_eq!(world.status(id).await, received());
    // Its operation ends without reading it: the next check deletes the object.
    world.sql("UPDATE operation_items SET state = 'cancelled'").await;
    world.check(&[id]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.count("uploads WHERE holds_object").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_withdrawn_upload_is_refused_when_it_arrives(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    world.sql("UPDATE uploads SET status = 'withdrawn'").await;
    let event = world.put_announced(id, "e1");
    world.deliver(&[&event]).await;
    assert_eq!(world.status(id).await.0, "withdrawn");
    assert_eq!((world.bucket.keys().len(), world.count("operations").await), (0, 0));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_two_announcements_of_one_name_the_file_that_arrived_later_counts(pool: PgPool) {
    for (is_reversed, together) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new(pool.clone()).await;
        let (first, second) = (world.announce("a.txt", OWNER).await, world.announce("a.txt", WRITER).await);
        // The one that was announced first arrives last.
        let early = world.put_announced(second, "e2");
        let late = world.put_announced(first, "e1");
        let order = if is_reversed { [&late, &early] } else { [&early, &late] };
        if together {
            world.deliver(&order).await;
        } else {
            world.deliver(&order[..1]).await;
            world.deliver(&order[1..]).await;
        }
        assert_eq!(world.listed().await.len(), 1);
        assert_eq!(world.listed().await[0].0, announced_key(first));
        assert_eq!(world.status(first).await, received());
        let (status, reason) = world.status(second).await;
        if is_reversed && !together {
            assert!(reason.starts_with("a newer file of the same name has arrived"), "{status} {reason}");
        } else {
            assert_eq!(status, "received", "it arrived, and was replaced");
        }
        assert_eq!(world.bucket.keys(), [announced_key(first)]);
        assert_eq!(world.count("uploads WHERE holds_object").await, 1);
        world
            .sql("TRUNCATE users, collections, uploads, operations, upload_arrivals RESTART IDENTITY CASCADE")
            .await;
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_late_event_does_not_undo_a_deletion_and_a_late_file_does(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    let event = world.put_announced(id, "e1");
    world.deliver(&[&event]).await;
    world.index().await;
    let (late, later) = (world.announce("a.txt", OWNER).await, world.announce("a.txt", OWNER).await);
    let event = world.put_announced(late, "e2");
    world.delete_documents().await;
    world.deliver(&[&event]).await;
    let (status, reason) = world.status(late).await;
    assert_eq!(status, "refused");
    assert!(reason.starts_with("the document was deleted after the file had arrived"), "{reason}");
    assert_eq!(world.listed().await, []);
    let event = world.put_announced(later, "e3");
    world.deliver(&[&event]).await;
    assert_eq!(world.status(later).await, received());
    assert_eq!(world.listed().await.len(), 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn files_for_deleted_and_unknown_collections_are_deleted(pool: PgPool) {
    let world = World::new(pool).await;
    let id = world.announce("a.txt", OWNER).await;
    world.sql("UPDATE collections SET deleted_at = now()").await;
    let unknown = "00000000-0000-0000-0000-000000000002";
    let events = [
        world.put_announced(id, "e1"),
        world.drop_file("a.txt", "e2"),
        world.put(&format!("uploads/{unknown}/a.txt"), "e3", None),
        world.put(&format!("announced/{unknown}/{id}"), "e4", Some(id)),
        world.put("uploads/notes.txt", "e5", None),
    ];
    world.deliver(&events.each_ref()).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
    assert_eq!(world.count("operations").await, 0);
    assert_eq!(world.count("collection_sources").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_newer_object_is_not_deleted_with_a_refused_one(pool: PgPool) {
    let world = World::new(pool).await;
    let key = format!("uploads/{}/a.txt", "00000000-0000-0000-0000-000000000002");
    let event = world.put(&key, "e1", None);
    // S3 answers 412 to a deletion on condition of another ETag; see `Bucket::serve`.
    world.state.artifacts.delete_version(&key, "e0").await.unwrap();
    assert_eq!(world.bucket.keys(), std::slice::from_ref(&key));
    world.deliver(&[&event]).await;
    assert_eq!(world.bucket.keys(), [""; 0]);
}
