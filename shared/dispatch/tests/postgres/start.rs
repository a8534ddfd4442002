//! Starting operations: quotas, audit, commit, dispatch.

use dispatch::{
    Initiator, QuotaExceeded, StartError, SyncRunStart, lock_collection, lock_if_exists, lock_operation,
    start_rebuilds,
};
use domain::{CollectionId, OperationType, SourceId, SyncTrigger};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::bench::{Bench, COLLECTION, USER};

async fn limit_operations(bench: &Bench, per_hour: i32) {
    sqlx::query(
        "INSERT INTO collection_resource_limits (collection_id, max_operations_per_hour) VALUES ($1, $2)
        ON CONFLICT (collection_id) DO UPDATE SET max_operations_per_hour = $2",
    )
    .bind(COLLECTION.0)
    .bind(per_hour)
    .execute(&bench.pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_request_leaves_an_operation_an_audit_entry_and_a_message_for_sweep(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let source = collection.lock_source(bench.source_id).await.unwrap();
    let (queued, operation) = source.start(bench.requested(OperationType::Append)).await.unwrap();
    let audited = queued.audit("source_read_again", &json!({ "why": "test" })).await.unwrap();
    let output = audited
        .commit_with(&bench.db, &bench.queues, |tx| async {
            tx.commit().await?;
            Ok::<_, db::DbError>("the response")
        })
        .await
        .unwrap();
    assert_eq!(output, "the response", "though no message could be sent");
    assert_eq!(operation.source_id, Some(bench.source_id));
    assert_eq!(bench.left_to_sweep().await, [operation.id]);
    let entry = "collection_audit_log a JOIN operations o ON o.id = a.operation_id
        WHERE a.action = 'source_read_again' AND a.collection_name = 'notes' AND a.user_id = 1
            AND a.ip_address = '192.0.2.7' AND a.user_agent = 'tests/1.0' AND a.request_id = 'request-1'
            AND a.details = '{\"why\": \"test\"}'";
    assert_eq!(bench.count(entry).await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nothing_stays_of_an_operation_that_is_not_committed(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let (queued, _) = collection.start(bench.requested(OperationType::Reindex)).await.unwrap();
    let audited = queued.audit("reindex_requested", &json!({})).await.unwrap();
    let refused = audited
        .commit_with(&bench.db, &bench.queues, |tx| async {
            drop(tx);
            Err::<(), _>("the response could not be stored")
        })
        .await;
    assert_eq!(refused, Err("the response could not be stored"));
    assert_eq!(bench.count("operations").await, 0);
    assert_eq!(bench.count("collection_audit_log").await, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn callers_have_an_hourly_quota_and_the_program_has_none(pool: PgPool) {
    let bench = Bench::new(pool).await;
    limit_operations(&bench, 1).await;
    let start = async |operation_type, initiator| {
        let collection = lock_collection(bench.begin().await, COLLECTION).await?;
        let start = dispatch::StartOperation { operation_type, initiator, config: json!({}) };
        let (queued, _) = collection.start(start).await?;
        queued
            .audit("test", &json!({}))
            .await?
            .commit(&bench.queues)
            .await?
            .dispatch(&bench.db, &bench.queues)
            .await;
        Ok::<_, StartError>(())
    };
    let limited = [
        OperationType::Append,
        OperationType::Reindex,
        OperationType::RestoreDocuments,
        OperationType::RetryDocuments,
    ];
    start(OperationType::Append, bench.caller()).await.unwrap();
    for operation_type in limited {
        let refused = start(operation_type, bench.caller()).await.unwrap_err();
        let StartError::Quota(QuotaExceeded::OperationsPerHour { used: 1, limit: 1, retry_after_secs }) =
            refused
        else {
            panic!("{operation_type}: {refused:?}");
        };
        assert!((3599..=3601).contains(&retry_after_secs), "{retry_after_secs}");
    }
    for operation_type in [OperationType::RemoveDocuments, OperationType::RemoveSource, OperationType::Delete]
    {
        start(operation_type, bench.caller()).await.unwrap();
    }
    let system = Initiator::System { on_behalf_of: USER };
    for operation_type in limited {
        start(operation_type, system).await.unwrap();
    }
    assert_eq!(bench.count("operations").await, 8);
    assert_eq!(bench.count("collection_audit_log").await, 8, "none for what was refused");
    assert_eq!(bench.count("collection_audit_log WHERE user_id IS NULL AND ip_address IS NULL").await, 4);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_collection_has_a_quota_of_sources(pool: PgPool) {
    let bench = Bench::new(pool).await;
    bench
        .sql("INSERT INTO collection_resource_limits (collection_id, max_sources) SELECT id, 1 FROM collections")
        .await;
    let config = json!({});
    let source_type = domain::SourceType::new("directory");
    let add = async |path: &'static str| {
        let new = db::sources::NewSource {
            collection_id: COLLECTION,
            source_path: path,
            source_type: &source_type,
            source_config: &config,
        };
        let collection = lock_collection(bench.begin().await, COLLECTION).await?;
        collection.add_source(&new).await.map(|(source, is_new)| (source.source().id, is_new))
    };
    let refused = add("/srv/more").await.unwrap_err();
    assert!(
        matches!(refused, StartError::Quota(QuotaExceeded::Sources { used: 1, limit: 1 })),
        "{refused:?}"
    );
    assert_eq!(add("/srv/docs").await.unwrap(), (bench.source_id, false), "a known one is no new one");
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let uploads = collection.lock_upload_source().await.unwrap();
    assert_eq!(uploads.source().source_path, "uploads", "uploads do not count");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_does_not_exist_is_not_locked(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let unknown = CollectionId(Uuid::from_u128(2));
    let missing = lock_collection(bench.begin().await, unknown).await.unwrap_err();
    assert!(matches!(missing, StartError::NoCollection(id) if id == unknown), "{missing:?}");
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let missing = collection.lock_source(SourceId(99)).await.unwrap_err();
    assert!(matches!(missing, StartError::NoSource(SourceId(99))), "{missing:?}");
    // A source of another collection is none of this one's.
    bench
        .sql(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES (lpad('2', 32, '0')::uuid, 'other', 1, 'w', 'm', 256, 51)",
        )
        .await;
    let other = lock_collection(bench.begin().await, unknown).await.unwrap();
    assert!(matches!(other.lock_source(bench.source_id).await.unwrap_err(), StartError::NoSource(_)));

    bench.sql("UPDATE collections SET deleted_at = now()").await;
    let deleted = lock_collection(bench.begin().await, COLLECTION).await.unwrap_err();
    assert!(matches!(deleted, StartError::NoCollection(_)), "{deleted:?}");
    assert!(lock_if_exists(bench.begin().await, COLLECTION).await.unwrap().unwrap().is_deleted());
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_sync_run_counts_as_many_operations_as_it_has_sources(pool: PgPool) {
    let bench = Bench::new(pool).await;
    bench
        .sql(
            "INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, '/srv/more', 'directory' FROM collections",
        )
        .await;
    limit_operations(&bench, 1).await;
    let start = async |trigger, initiator| {
        let collection = lock_collection(bench.begin().await, COLLECTION).await?;
        match collection.start_sync_run(trigger, initiator).await? {
            SyncRunStart::Started(queued, run) => {
                let audited = queued.audit("sync_run_started", &json!({})).await?;
                audited.commit(&bench.queues).await?.dispatch(&bench.db, &bench.queues).await;
                Ok::<_, StartError>(Some(run.expected_sources))
            }
            SyncRunStart::AlreadyRunning(_) => Ok(None),
            SyncRunStart::NoSources(_) => panic!("there are two"),
        }
    };
    let refused = start(SyncTrigger::Manual, bench.caller()).await.unwrap_err();
    assert!(
        matches!(refused, StartError::Quota(QuotaExceeded::OperationsAtOnce { new: 2, limit: 1 })),
        "{refused:?}"
    );
    assert_eq!(bench.count("collection_sync_runs").await, 0);
    let system = Initiator::System { on_behalf_of: USER };
    assert_eq!(start(SyncTrigger::Scheduler, system).await.unwrap(), Some(2));
    assert_eq!(start(SyncTrigger::Scheduler, system).await.unwrap(), None, "it has not ended");
    assert_eq!(bench.count("operations WHERE sync_run_id IS NOT NULL AND status = 'pending'").await, 2);
    assert_eq!(bench.count("collection_audit_log WHERE action = 'sync_run_started'").await, 1);
    assert_eq!(bench.left_to_sweep().await.len(), 1, "the second waits for the first");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rebuilds_of_many_collections_are_one_audit_entry(pool: PgPool) {
    let bench = Bench::new(pool).await;
    bench
        .sql(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            SELECT gen_random_uuid(), 'c' || n, 1, 'v' || n, 'm', 256, 51 FROM generate_series(1, 2) n",
        )
        .await;
    for _ in 0..2 {
        let tx = bench.begin().await;
        let (queued, rebuilds) = start_rebuilds(tx, bench.caller(), None).await.unwrap();
        assert_eq!(rebuilds.len(), 3);
        let audited = queued.audit("rebuild_started", &json!({ "operations": 3 })).await.unwrap();
        audited.commit_with(&bench.db, &bench.queues, |tx| tx.commit()).await.unwrap();
    }
    assert_eq!(
        bench.count("operations WHERE type = 'rebuild'").await,
        3,
        "one that waits is not queued twice"
    );
    assert_eq!(bench.count("collection_audit_log WHERE collection_id IS NULL").await, 2);
    assert_eq!(bench.left_to_sweep().await.len(), 3);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn joining_a_pending_operation_is_audited_and_dispatches_nothing(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let (queued, operation) =
        collection.start(bench.requested(OperationType::RemoveDocuments)).await.unwrap();
    queued
        .audit("document_deleted", &json!({}))
        .await
        .unwrap()
        .commit(&bench.queues)
        .await
        .unwrap()
        .dispatch(&bench.db, &bench.queues)
        .await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let joined = collection.join(bench.caller(), operation.id);
    joined
        .audit("document_deleted", &json!({}))
        .await
        .unwrap()
        .commit(&bench.queues)
        .await
        .unwrap()
        .dispatch(&bench.db, &bench.queues)
        .await;
    assert_eq!(bench.count("operations").await, 1);
    assert_eq!(bench.count("collection_audit_log WHERE operation_id IS NOT NULL").await, 2);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn cancelling_ends_what_is_pending_and_asks_what_runs_to_stop(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let (queued, first) = collection.start(bench.requested(OperationType::Append)).await.unwrap();
    queued
        .audit("test", &json!({}))
        .await
        .unwrap()
        .commit(&bench.queues)
        .await
        .unwrap()
        .dispatch(&bench.db, &bench.queues)
        .await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let (queued, second) = collection.start(bench.requested(OperationType::Append)).await.unwrap();
    queued
        .audit("test", &json!({}))
        .await
        .unwrap()
        .commit(&bench.queues)
        .await
        .unwrap()
        .dispatch(&bench.db, &bench.queues)
        .await;
    assert!(bench.db.connection().await.unwrap().operations().claim(first.id).await.unwrap());
    for id in [first.id, second.id] {
        let operation = lock_operation(bench.begin().await, COLLECTION, id).await.unwrap().unwrap();
        operation.cancel(&bench.db, &bench.queues).await.unwrap();
    }
    assert_eq!(
        bench.count("operations WHERE status = 'processing' AND cancel_requested_at IS NOT NULL").await,
        1
    );
    assert_eq!(bench.count("operations WHERE status = 'cancelled'").await, 1);
    let unknown = domain::OperationId(Uuid::from_u128(9));
    assert!(lock_operation(bench.begin().await, COLLECTION, unknown).await.unwrap().is_none());
}
