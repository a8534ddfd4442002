//! Push runs from their beginning to their end.

use std::time::Instant;

use domain::{
    CollectionId, DocumentStatus, DocumentUri, OnMissing, OperationType, PushRunId, PushRunStatus,
    PushSource, SourceId,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Gone, PushRun};
use crate::documents::DocumentQuery;
use crate::operations::{NewItem, NewOperation};
use crate::testing::{Fixture, item};

fn crm() -> PushSource {
    PushSource::parse("crm").unwrap()
}

fn uri(number: usize) -> String {
    format!("crm://tickets/{number}")
}

impl Fixture {
    async fn push_source(&self) -> SourceId {
        let mut connection = self.connection().await;
        connection.collection_sources().find_or_create_push(self.collection_id, &crm()).await.unwrap().id
    }

    async fn begin_run(&self, source_id: SourceId) -> PushRun {
        let id = PushRunId(Uuid::new_v4());
        let mut connection = self.connection().await;
        connection.push_runs().insert(id, self.collection_id, source_id, self.user_id).await.unwrap();
        connection.push_runs().find(id).await.unwrap().unwrap()
    }

    /// Inserts searchable documents of a source, by number.
    async fn insert_documents(&self, source_id: SourceId, numbers: std::ops::Range<i32>) {
        sqlx::query(
            "INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status,
                generation, last_generation, chunk_count)
            SELECT gen_random_uuid(), $1, $2, 'crm://tickets/' || n, n::text, n::text, 10, 'completed', 1, 1, 2
            FROM generate_series($3, $4) AS n",
        )
        .bind(self.collection_id.0)
        .bind(source_id.0)
        .bind(numbers.start)
        .bind(numbers.end - 1)
        .execute(&self.pool)
        .await
        .unwrap();
        self.execute(
            "UPDATE collection_sources SET document_count = counted.documents, size_bytes = counted.documents * 10
            FROM (SELECT source_id, count(*) AS documents FROM documents GROUP BY source_id) AS counted
            WHERE counted.source_id = id",
        )
        .await;
    }

    /// The URIs of the documents that are not deleted.
    async fn present(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT uri FROM documents WHERE status <> 'deleted' ORDER BY uri")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    async fn document_counts(&self, id: CollectionId, source_id: SourceId) -> (i64, i64, i64) {
        let mut connection = self.connection().await;
        let source = connection.collection_sources().find(source_id).await.unwrap().unwrap();
        let query = DocumentQuery {
            collection_id: id,
            status: Some(DocumentStatus::Deleted),
            source_id: Some(source_id),
            container_id: None,
            search: None,
            sort: domain::DocumentSort::CreatedAt,
            order: domain::SortOrder::Ascending,
            limit: 1,
            offset: 0,
        };
        let deleted = connection.documents().list(&query).await.unwrap().total;
        (source.document_count, source.size_bytes, deleted)
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_a_run_has_not_named_is_gone_with_what_is_in_it(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.push_source().await;
    fixture.insert_documents(source_id, 1..5).await;
    let other = fixture.insert_operation(OperationType::Append).await;
    fixture
        .execute(
            "INSERT INTO documents (id, collection_id, source_id, container_id, uri, file_path, file_name, file_size, status)
            SELECT gen_random_uuid(), collection_id, source_id, id, uri || '!/a.txt', 'a', 'a', 10, 'completed'
            FROM documents WHERE uri IN ('crm://tickets/2', 'crm://tickets/3');
            INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status)
            SELECT gen_random_uuid(), collection_id, id, 'upload://x.txt', 'x.txt', 'x.txt', 10, 'completed'
            FROM collection_sources WHERE source_type = 'upload'",
        )
        .await;
    let run = fixture.begin_run(source_id).await;
    assert_eq!((run.status, run.source_path.as_str()), (PushRunStatus::Open, "push:crm"));

    let mut tx = fixture.db.begin().await.unwrap();
    assert_eq!(tx.push_runs().hold_open(fixture.collection_id, &crm()).await.unwrap(), Some(run.id));
    // Named twice; the last one is not in the collection yet.
    for uris in [[uri(1), uri(2)], [uri(2), uri(9)]] {
        tx.push_runs().name(run.id, &uris).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut tx = fixture.db.begin().await.unwrap();
    assert!(tx.push_runs().lock_open(run.id).await.unwrap());
    let (removed, stale) = tx.push_runs().handle_gone(&run, OnMissing::Remove).await.unwrap();
    assert_eq!((removed.len(), stale), (2, 0));
    tx.operation_items().insert_removals(other, &removed).await.unwrap();
    tx.push_runs().end(run.id, Gone { removed: 2, stale: 0 }, Some(other)).await.unwrap();
    tx.commit().await.unwrap();

    let inner = format!("{}!/a.txt", uri(2));
    assert_eq!(fixture.present().await, [uri(1), uri(2), inner, "upload://x.txt".to_owned()]);
    assert_eq!(fixture.document_counts(fixture.collection_id, source_id).await, (1, 10, 3));
    // The file in the removed document is removed with it.
    assert_eq!(fixture.counts(other).await.listed, 3);
    let ended = fixture.connection().await.push_runs().find(run.id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.named, ended.gone.removed), (PushRunStatus::Ended, 3, 2));
    assert_eq!(ended.operation_id, Some(other));
    let mut connection = fixture.connection().await;
    assert_eq!(connection.push_runs().hold_open(fixture.collection_id, &crm()).await.unwrap(), None);
    let names: i64 =
        sqlx::query_scalar("SELECT count(*) FROM push_run_documents").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(names, 0, "what it has named is forgotten");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn documents_of_a_source_that_keeps_them_become_stale_until_they_are_seen(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.push_source().await;
    fixture.insert_documents(source_id, 1..4).await;
    let run = fixture.begin_run(source_id).await;
    let mut connection = fixture.connection().await;
    connection.push_runs().name(run.id, &[uri(1)]).await.unwrap();
    let (removed, stale) = connection.push_runs().handle_gone(&run, OnMissing::Keep).await.unwrap();
    assert_eq!((removed.len(), stale), (0, 2));
    let unknown = connection.push_runs().mark_seen(&run, &[uri(2), uri(7)]).await.unwrap();
    assert_eq!(unknown, [uri(7)]);
    let stale: Vec<String> = sqlx::query_scalar("SELECT uri FROM documents WHERE is_stale")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(stale, [uri(3)]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn only_documents_that_neither_exist_nor_are_on_their_way_are_unknown(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.push_source().await;
    fixture.insert_documents(source_id, 1..3).await;
    fixture
        .execute("UPDATE documents SET status = 'deleted', deleted_at = now() WHERE uri = 'crm://tickets/2'")
        .await;
    // 3 is announced, 4 on a work list, 5 was pushed and deleted.
    for (number, status) in [(3, "expected"), (5, "received")] {
        sqlx::query(
            "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at,
                uri, push_source, status)
            VALUES (gen_random_uuid(), $1, $2, 'x', 'x', 1, 'text/plain', now(), $3, 'crm', $4::upload_status)",
        )
        .bind(fixture.collection_id.0)
        .bind(fixture.user_id.0)
        .bind(uri(number))
        .bind(status)
        .execute(&fixture.pool)
        .await
        .unwrap();
    }
    let mut connection = fixture.connection().await;
    let operation = NewOperation {
        id: domain::OperationId(Uuid::new_v4()),
        collection_id: fixture.collection_id,
        user_id: fixture.user_id,
        source_id: Some(source_id),
        operation_type: OperationType::Append,
        config: serde_json::json!({}),
    };
    let operation = connection.operations().insert(&operation).await.unwrap();
    let listed = NewItem { uri: uri(4), ..item("4", "v1") };
    connection.operation_items().insert_many(operation.id, &[listed]).await.unwrap();
    let run = fixture.begin_run(source_id).await;
    let all: Vec<String> = (1..7).map(uri).collect();
    let unknown = connection.push_runs().mark_seen(&run, &all).await.unwrap();
    assert_eq!(unknown, [uri(2), uri(5), uri(6)]);

    // A deletion takes the announced one and the listed one back.
    let deleted = |number| DocumentUri::parse(&uri(number)).unwrap();
    let id = fixture.collection_id;
    assert_eq!(connection.uploads().withdraw_of_document(id, &deleted(3)).await.unwrap(), 1);
    assert_eq!(connection.uploads().withdraw_of_document(id, &deleted(5)).await.unwrap(), 0);
    let (was_listed, running) = connection.operation_items().skip_deleted(id, &deleted(4)).await.unwrap();
    assert_eq!((was_listed, running), (true, Vec::new()));
    let unknown = connection.push_runs().mark_seen(&run, &all).await.unwrap();
    assert_eq!(unknown, [uri(2), uri(3), uri(4), uri(5), uri(6)]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_source_has_one_open_run_which_is_replaced_or_expires_without_effect(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.push_source().await;
    fixture.insert_documents(source_id, 1..3).await;
    let first = fixture.begin_run(source_id).await;
    let mut connection = fixture.connection().await;
    let second = connection
        .push_runs()
        .insert(PushRunId(Uuid::new_v4()), fixture.collection_id, source_id, fixture.user_id)
        .await;
    assert_eq!(second.unwrap_err().constraint(), Some(super::PushRuns::ONE_OPEN));
    connection.push_runs().name(first.id, &[uri(1)]).await.unwrap();
    assert_eq!(connection.push_runs().replace(source_id).await.unwrap(), Some(first.id));
    assert_eq!(connection.push_runs().replace(source_id).await.unwrap(), None);
    let replaced = connection.push_runs().find(first.id).await.unwrap().unwrap();
    assert_eq!((replaced.status, replaced.named), (PushRunStatus::Replaced, 0));

    let late = fixture.begin_run(source_id).await;
    let now = chrono::Utc::now();
    let hour = chrono::TimeDelta::hours(1);
    assert_eq!(connection.push_runs().expire(now - hour, 10).await.unwrap(), 0);
    assert_eq!(connection.push_runs().expire(now + hour, 10).await.unwrap(), 1);
    let expired = connection.push_runs().find(late.id).await.unwrap().unwrap();
    assert_eq!(expired.status, PushRunStatus::Expired);
    assert_eq!(fixture.present().await, [uri(1), uri(2)]);
    assert_eq!(connection.push_runs().delete_ended(now - hour, 10).await.unwrap(), 0);
    assert_eq!(connection.push_runs().delete_ended(now + hour, 10).await.unwrap(), 2);
}

/// A request has 29 seconds; the largest collection has 100,000 documents by default.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_end_of_a_run_hides_ten_thousand_documents_in_a_few_statements(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.push_source().await;
    fixture.insert_documents(source_id, 0..10_010).await;
    let run = fixture.begin_run(source_id).await;
    let operation = fixture.insert_operation(OperationType::RemoveDocuments).await;
    let started = Instant::now();
    let mut tx = fixture.db.begin().await.unwrap();
    tx.push_runs().name(run.id, &(0..10).map(uri).collect::<Vec<_>>()).await.unwrap();
    let (removed, _) = tx.push_runs().handle_gone(&run, OnMissing::Remove).await.unwrap();
    tx.operation_items().insert_removals(operation, &removed).await.unwrap();
    tx.push_runs().end(run.id, Gone { removed: 10_000, stale: 0 }, Some(operation)).await.unwrap();
    tx.commit().await.unwrap();
    println!("10,000 documents hidden in {} ms", started.elapsed().as_millis());
    assert_eq!((removed.len(), fixture.counts(operation).await.listed), (10_000, 10_000));
    assert_eq!(fixture.document_counts(fixture.collection_id, source_id).await, (10, 100, 10_000));
    assert!(started.elapsed().as_secs() < 29, "{:?}", started.elapsed());
}
