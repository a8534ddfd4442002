//! Claiming, ending and counting operations.

use std::time::Duration;

use domain::{
    DocumentStatus, ErrorCategory, ItemId, ItemState, OperationId, OperationStatus, OperationType, UserId,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::operations::{BatchChunks, ItemCounts, OperationQuery, StagingOutcome, StallAges};
use crate::testing::{Fixture, binary};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn one_of_many_concurrent_claims_starts_the_oldest_operation(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let oldest = fixture.insert_operation(OperationType::Append).await;
    let later = fixture.insert_operation(OperationType::Append).await;
    let mut claims = tokio::task::JoinSet::new();
    for round in 0..12 {
        let (db, id) = (fixture.db.clone(), if round % 3 == 0 { later } else { oldest });
        claims
            .spawn(async move { (id, db.connection().await.unwrap().operations().claim(id).await.unwrap()) });
    }
    let winners: Vec<OperationId> =
        claims.join_all().await.into_iter().filter_map(|(id, is_claimed)| is_claimed.then_some(id)).collect();
    assert_eq!(winners, [oldest]);

    fixture.finish(oldest).await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().next_pending(fixture.collection_id).await.unwrap(), Some(later));
    assert!(connection.operations().claim(later).await.unwrap());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn older_operation_committed_late_waits(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let mut slow = fixture.pool.begin().await.unwrap();
    let older = Uuid::new_v4();
    sqlx::query("INSERT INTO operations (uuid, collection_id, user_id, type) VALUES ($1, $2, $3, 'append')")
        .bind(older)
        .bind(fixture.collection_id.0)
        .bind(fixture.user_id.0)
        .execute(&mut *slow)
        .await
        .unwrap();
    let newer = fixture.insert_operation(OperationType::Append).await;
    assert!(fixture.connection().await.operations().claim(newer).await.unwrap());
    slow.commit().await.unwrap();
    assert!(!fixture.connection().await.operations().claim(OperationId(older)).await.unwrap());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn concurrent_completions_end_the_operation_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    for round in 0..10 {
        let names = [format!("{round}-a"), format!("{round}-b")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (operation_id, items) = fixture.run_append(&names).await;
        for (id, name) in items.iter().zip(&names) {
            fixture.stage(*id, name, name, &StagingOutcome::Staged).await.unwrap();
            fixture.connection().await.operation_items().mark_chunked(*id, 1, 1, &[]).await.unwrap();
        }
        fixture.connection().await.operations().mark_scan_finished(operation_id).await.unwrap();
        let mut finishers = tokio::task::JoinSet::new();
        for id in items {
            let db = fixture.db.clone();
            finishers.spawn(async move {
                let mut connection = db.connection().await.unwrap();
                connection
                    .operation_items()
                    .mark_batch_done(id, 0, BatchChunks::default())
                    .await
                    .unwrap()
                    .unwrap();
                connection.operations().complete_if_done(operation_id).await.unwrap()
            });
        }
        let completed = finishers.join_all().await.into_iter().flatten().count();
        assert_eq!(completed, 1, "round {round}");
    }
    let metrics: i64 = sqlx::query_scalar("SELECT count(*) FROM operation_metrics WHERE name = 'documents'")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(metrics, 10);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn final_items_and_operations_do_not_change(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation_id, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h").await;
    fixture.finish(operation_id).await;
    let before = fixture.connection().await.operations().find(operation_id).await.unwrap();

    assert!(!fixture.stage(items[0], "a", "other", &StagingOutcome::Staged).await.unwrap());
    assert!(!fixture.fail(items[0], &binary()).await);
    let mut connection = fixture.connection().await;
    assert!(!connection.operation_items().mark_chunked(items[0], 9, 9, &[]).await.unwrap());
    assert!(!connection.operation_items().mark_cancelled(items[0]).await.unwrap());
    assert_eq!(
        connection.operation_items().mark_batch_done(items[0], 0, BatchChunks::default()).await.unwrap(),
        None
    );
    assert!(!connection.operations().claim(operation_id).await.unwrap());
    assert!(!connection.operations().mark_scan_finished(operation_id).await.unwrap());
    assert!(!connection.operations().advance_cursor(operation_id, None, Some("x")).await.unwrap());
    assert_eq!(connection.operations().complete_if_done(operation_id).await.unwrap(), None);
    let failed =
        connection.operations().mark_failed(operation_id, "late", ErrorCategory::Unknown).await.unwrap();
    assert_eq!(failed, None);

    assert_eq!(connection.operations().find(operation_id).await.unwrap(), before);
    assert_eq!(fixture.document("a").await.content_hash.as_deref(), Some("h"));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn completion_waits_for_the_listing_and_updates_all_counters(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation_id, items) = fixture.run_append(&["a", "b", "c"]).await;
    fixture.index(items[0], "a", "1").await;
    assert!(fixture.stage(items[1], "b", "2", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[1], &binary()).await);
    let empty = StagingOutcome::Skipped { reason: "the file is empty: 0 bytes".to_owned() };
    assert!(fixture.stage(items[2], "c", "3", &empty).await.unwrap());
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().complete_if_done(operation_id).await.unwrap(), None);
    fixture.finish(operation_id).await;

    let operation = connection.operations().find(operation_id).await.unwrap().unwrap();
    assert_eq!(operation.status, OperationStatus::Completed);
    assert_eq!(
        operation.meta,
        json!({
            "counts": {"new": 1, "changed": 0, "unchanged": 0, "removed": 0, "duplicate": 0, "skipped": 1, "failed": 1, "cancelled": 0},
            "chunks": {"embedded": 2, "reused": 0},
            "warnings": {},
        })
    );
    let collection = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!((collection.document_count, collection.vector_count, collection.total_size_bytes), (3, 2, 30));
    assert_eq!(collection.status.as_str(), "degraded");
    assert_eq!(collection.status_message.as_deref(), Some("1 of 3 documents could not be indexed"));
    let source = connection.collection_sources().find_or_create_upload(fixture.collection_id).await.unwrap();
    assert_eq!(source.last_run_status.as_deref(), Some("partial"));
    let counts = fixture.counts(operation_id).await;
    assert_eq!(
        counts,
        ItemCounts { completed: 1, failed: 1, skipped: 1, bytes: 30, ..ItemCounts::default() }
    );
    let audit: String =
        sqlx::query_scalar("SELECT action FROM collection_audit_log").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(audit, "operation_completed");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn lists_filter_and_return_the_total(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b", "c"]).await;
    for (id, name) in items.iter().zip(["a", "b", "c"]) {
        fixture.index(*id, name, name).await;
    }
    fixture.finish(first).await;
    let second = fixture.insert_operation(OperationType::Index).await;
    let third = fixture.insert_operation(OperationType::Append).await;
    let mut connection = fixture.connection().await;
    let mut query = OperationQuery {
        collection_ids: Some(vec![fixture.collection_id]),
        user_id: None,
        statuses: Vec::new(),
        types: Vec::new(),
        limit: 2,
        offset: 0,
    };
    let page = connection.operations().list(&query).await.unwrap();
    assert_eq!(page.items.iter().map(|operation| operation.id).collect::<Vec<_>>(), [third, second]);
    assert_eq!(page.total, 3);
    query.statuses = vec![OperationStatus::Pending];
    query.types = vec![OperationType::Append];
    let page = connection.operations().list(&query).await.unwrap();
    assert_eq!((page.items[0].id, page.total), (third, 1));
    query.user_id = Some(UserId(-1));
    assert_eq!(connection.operations().list(&query).await.unwrap().total, 0);

    sqlx::query("UPDATE documents SET status = 'deleted' WHERE file_name = 'b'")
        .execute(&fixture.pool)
        .await
        .unwrap();
    let mut query = crate::documents::DocumentQuery {
        collection_id: fixture.collection_id,
        status: None,
        source_id: None,
        container_id: None,
        search: None,
        sort: domain::DocumentSort::CreatedAt,
        order: domain::SortOrder::Ascending,
        limit: 1,
        offset: 1,
    };
    let page = connection.documents().list(&query).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, 2));
    query.status = Some(DocumentStatus::Deleted);
    query.offset = 0;
    let page = connection.documents().list(&query).await.unwrap();
    assert_eq!(page.items[0].file_name, "b");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn overdue_operations_and_stalled_items_are_found(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (running, items) = fixture.run_append(&["a", "b"]).await;
    fixture.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap();
    fixture.connection().await.operation_items().mark_chunked(items[0], 700, 3, &[]).await.unwrap();
    assert_eq!(fixture.connection().await.operation_items().count_pending_chunks().await.unwrap(), 700);
    fixture
        .connection()
        .await
        .operation_items()
        .mark_batch_done(items[0], 1, BatchChunks::default())
        .await
        .unwrap();
    assert_eq!(fixture.connection().await.operation_items().count_pending_chunks().await.unwrap(), 466);
    let waiting = fixture.insert_operation(OperationType::Append).await;
    let minute = Duration::from_secs(60);
    fixture.connection().await.operation_items().mark_dispatched(&items[1..]).await.unwrap();
    let ages = StallAges { queue_is_empty: Some(minute), overtaken: None, nothing_moves: 100 * minute };
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), []);
    assert_eq!(
        connection.operation_items().list_stalled(ItemState::Chunked, ages, ItemId(0), 10).await.unwrap(),
        []
    );

    for table in ["operations", "operation_items"] {
        let older = format!(
            "UPDATE {table} SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour',
            dispatched_at = dispatched_at - interval '1 hour'"
        );
        sqlx::query(sqlx::AssertSqlSafe(older)).execute(&fixture.pool).await.unwrap();
    }
    // The pending one is not overdue: another one runs before it.
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), [running]);
    let stalled =
        connection.operation_items().list_stalled(ItemState::Chunked, ages, ItemId(0), 10).await.unwrap();
    assert_eq!((stalled.len(), stalled[0].id, stalled[0].operation_id), (1, items[0], running));
    assert_eq!(stalled[0].missing_batches, [0, 2]);
    let listed =
        connection.operation_items().list_stalled(ItemState::Listed, ages, ItemId(0), 10).await.unwrap();
    assert_eq!(listed[0].id, items[1]);
    assert_eq!(connection.operations().list_finishable(10).await.unwrap(), []);

    connection.operation_items().mark_cancelled(items[0]).await.unwrap();
    connection.operation_items().mark_cancelled(items[1]).await.unwrap();
    assert_eq!(connection.operation_items().count_pending_chunks().await.unwrap(), 0);
    connection.operations().mark_scan_finished(running).await.unwrap();
    assert_eq!(connection.operations().list_finishable(10).await.unwrap(), [running]);
    connection.operations().complete_if_done(running).await.unwrap();
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), [waiting]);
}

/// A queue that is not empty may hold an item's message, unless a message that was sent later was handled.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn messages_that_a_queue_still_holds_are_not_sent_again(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (_, items) = fixture.run_append(&["a", "b", "c", "d"]).await;
    let execute = async |sql: &'static str| {
        sqlx::query(sql).execute(&fixture.pool).await.unwrap();
    };
    // Sent an hour ago, one minute after the other; the last one was not sent: it does not fit into the window.
    execute(
        "UPDATE operation_items SET updated_at = now() - interval '70 minutes',
        dispatched_at = now() - interval '1 hour' + id * interval '1 minute'
        WHERE file_name <> 'd'",
    )
    .await;
    execute("UPDATE operation_items SET updated_at = now() - interval '70 minutes' WHERE file_name = 'd'")
        .await;
    let minutes = |minutes| Duration::from_secs(60 * minutes);
    let stalled = async |state, empty: Option<u64>, overtaken: Option<u64>, nothing_moves| {
        let ages = StallAges {
            queue_is_empty: empty.map(minutes),
            overtaken: overtaken.map(minutes),
            nothing_moves: minutes(nothing_moves),
        };
        let mut connection = fixture.connection().await;
        let stalled = connection.operation_items().list_stalled(state, ages, ItemId(0), 10).await.unwrap();
        stalled.into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    use ItemState::{Chunked, Listed, Staged};
    assert_eq!(stalled(Listed, None, Some(20), 90).await, []);
    assert_eq!(stalled(Listed, Some(2), None, 90).await, items[..3]);
    assert_eq!(stalled(Listed, None, None, 50).await, items[..3], "nothing moves");

    // Its message was sent after that of the first one, and handled by scan and chunk.
    execute(
        "UPDATE operation_items SET state = 'chunked', staged_at = now() - interval '35 minutes',
        chunked_at = now() - interval '30 minutes', dispatched_at = now() - interval '30 minutes'
        WHERE file_name = 'b'",
    )
    .await;
    assert_eq!(stalled(Listed, None, Some(20), 50).await, items[..1], "the third came after it");
    assert_eq!(stalled(Listed, None, Some(61), 50).await, [], "it may take that long");
    assert_eq!(stalled(Listed, None, None, 50).await, [], "it may be in another queue");
    assert_eq!(stalled(Chunked, None, Some(20), 50).await, [], "nothing has overtaken it");

    execute(
        "UPDATE operation_items SET state = 'staged', staged_at = now() - interval '40 minutes',
        dispatched_at = now() - interval '40 minutes', updated_at = now() - interval '40 minutes'
        WHERE file_name = 'a'",
    )
    .await;
    assert_eq!(stalled(Staged, None, Some(20), 50).await, items[..1]);

    execute(
        "UPDATE operation_items SET state = 'completed', chunked_at = now() - interval '25 minutes'
        WHERE file_name = 'c'",
    )
    .await;
    assert_eq!(stalled(Chunked, None, Some(20), 50).await, items[1..2]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_oldest_open_item_is_that_of_any_open_operation(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let oldest = async || {
        let age = fixture.connection().await.operations().oldest_open_age().await.unwrap();
        age.as_secs() / 60
    };
    assert_eq!(oldest().await, 0, "nothing is open");
    let (operation, items) = fixture.run_append(&["a", "b"]).await;
    for (item, minutes) in items.iter().zip([30, 20]) {
        sqlx::query(
            "UPDATE operation_items SET created_at = now() - make_interval(mins => $2) WHERE id = $1",
        )
        .bind(item.0)
        .bind(minutes)
        .execute(&fixture.pool)
        .await
        .unwrap();
    }
    assert_eq!(oldest().await, 30);
    fixture.index(items[0], "a", "h1").await;
    assert_eq!(oldest().await, 20, "the other one is indexed");
    fixture.index(items[1], "b", "h2").await;
    fixture.finish(operation).await;
    assert_eq!(oldest().await, 0);

    fixture.insert_operation(OperationType::Append).await;
    sqlx::query("UPDATE operations SET updated_at = now() - interval '10 minutes'")
        .execute(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(oldest().await, 10, "an operation without items");
}
