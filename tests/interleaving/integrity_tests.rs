//! The integrity check finds what was damaged, and the repair mends it, on real parts.

use domain::{ArtifactKey, Generation, OperationType, point_id};
use integrity::{
    CheckedCollection, Cursor, Discrepancy, DiscrepancyKind as Kind, Stores, compare, read_page,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::bytes::Bytes;
use crate::pipeline::Pipeline;
use crate::world::{NAMES, World};

/// Documents on a page: few, so that a check has several pages.
const DOCUMENTS: usize = 2;

impl World<'_> {
    /// Checks the whole collection, page by page.
    pub(crate) async fn discrepancies(&self) -> Vec<Discrepancy> {
        let pipeline = self.pipeline;
        let stores = Stores { db: &pipeline.db, artifacts: &pipeline.artifacts, vectors: pipeline.vectors() };
        let collection =
            CheckedCollection { id: self.collection_id, vector_store_name: &self.index, is_exclusive: false };
        let (mut found, mut next) = (Vec::new(), Some(Cursor::START));
        while let Some(cursor) = next {
            let page = Box::pin(read_page(stores, collection, &cursor, DOCUMENTS)).await.unwrap();
            assert_eq!(page.checked.in_progress, 0, "nothing is left to do");
            found.extend(compare(&page.facts));
            next = page.next;
        }
        found
    }

    async fn kinds(&self) -> Vec<Kind> {
        self.discrepancies().await.iter().map(|discrepancy| discrepancy.kind).collect()
    }

    /// Repairs the collection.
    pub(crate) async fn repair(&mut self) -> Result<(), String> {
        self.run(OperationType::Repair).await;
        self.settle().await
    }

    async fn execute(&self, sql: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pipeline.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{sql}");
    }

    fn key(&self, name: &str, kind: &str) -> String {
        let prefix = format!("{kind}/{}/{}/", self.collection_id, self.document(name));
        self.pipeline.aws.keys().into_iter().find(|key| key.starts_with(&prefix)).unwrap()
    }
}

async fn indexed(pipeline: &Pipeline) -> World<'_> {
    let mut world = World::new(pipeline).await;
    world.upload(&[(0, Bytes::Text(0)), (1, Bytes::Text(1)), (2, Bytes::Text(2)), (3, Bytes::Binary)]).await;
    world.settle().await.unwrap();
    world.check().await.unwrap();
    world
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_removed_point_is_found_and_written_again(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = indexed(&pipeline).await;
    let id = point_id(world.document(NAMES[1]), Generation::FIRST, 200);
    pipeline.vectors().delete_points(&world.index, &[id]).await.unwrap();
    let found = world.discrepancies().await;
    let missing = found.iter().find(|discrepancy| discrepancy.kind == Kind::MissingPoints).unwrap();
    assert_eq!(missing.document_id, Some(world.document(NAMES[1])));
    assert_eq!((missing.expected, missing.found), (257, 256));
    // The number of points of the whole index.
    assert_eq!(world.kinds().await, [Kind::Counter, Kind::MissingPoints]);
    world.repair().await.unwrap();
    world.check().await.unwrap();
    assert_eq!(world.generation(NAMES[1]).await, 1, "its staged vectors were used");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn points_of_nothing_are_found_and_deleted(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = indexed(&pipeline).await;
    // A row that disappears takes its claim on points and objects with it.
    let id = world.document(NAMES[0]);
    world.execute(&format!("DELETE FROM documents WHERE id = '{id}'")).await;
    let kinds = world.kinds().await;
    for kind in [Kind::Counter, Kind::OrphanedPoints, Kind::OrphanedObjects] {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
    world.repair().await.unwrap();
    assert_eq!(world.discrepancies().await, []);
    assert!(!pipeline.aws.keys().iter().any(|key| key.contains(&format!("/{id}/"))));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn removed_objects_are_found_and_made_again(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    for kind in ["chunks", "vectors"] {
        let mut world = indexed(&pipeline).await;
        let key = world.key(NAMES[1], kind);
        pipeline.aws.delete_object(&key);
        let [found] = world.discrepancies().await.try_into().unwrap();
        assert_eq!((found.kind, found.expected, found.found), (Kind::MissingObjects, 2, 1));
        assert_eq!(
            found.key.as_deref(),
            key.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).as_deref()
        );
        world.repair().await.unwrap();
        world.check().await.unwrap();
        assert_eq!(world.generation(NAMES[1]).await, 2, "it was indexed again");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn objects_without_an_owner_are_found_and_deleted(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = indexed(&pipeline).await;
    let (collection_id, document_id) = (world.collection_id, world.document(NAMES[0]));
    let keys = [
        ArtifactKey::Raw { collection_id, document_id, generation: Generation(9) }.path(),
        ArtifactKey::Chunks { collection_id, document_id, generation: Generation(1), batch: 7 }.path(),
        ArtifactKey::Raw { collection_id, document_id: Uuid::max().into(), generation: Generation(1) }.path(),
        format!("raw/{collection_id}/notes.txt"),
        format!("announced/{collection_id}/{}", Uuid::now_v7()),
    ];
    for key in &keys {
        pipeline.aws.put_object(key, b"x".to_vec());
    }
    assert_eq!(world.kinds().await, [Kind::OrphanedObjects; 5]);
    world.repair().await.unwrap();
    world.check().await.unwrap();
    let left = pipeline.aws.keys();
    assert!(keys.iter().all(|key| !left.contains(key)), "{left:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn removed_and_changed_rows_are_found_and_mended(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = indexed(&pipeline).await;
    let (id, failed, collection) = (world.document(NAMES[0]), world.document(NAMES[3]), world.collection_id);
    for (sql, expected) in [
        (format!("DELETE FROM document_artifacts WHERE document_id = '{id}'"), Kind::MissingArtifactRow),
        (format!("UPDATE collections SET document_count = 7 WHERE id = '{collection}'"), Kind::Counter),
        (
            format!("UPDATE collection_sources SET size_bytes = 1 WHERE collection_id = '{collection}'"),
            Kind::Counter,
        ),
        (
            format!("UPDATE documents SET error_message = NULL WHERE id = '{failed}'"),
            Kind::UnexplainedDocument,
        ),
        (format!("UPDATE documents SET status = 'pending' WHERE id = '{id}'"), Kind::StalledDocument),
        (
            format!("UPDATE operation_items SET state = 'staged' WHERE document_id = '{failed}'"),
            Kind::OpenItems,
        ),
    ] {
        world.execute(&sql).await;
        assert_eq!(world.kinds().await, [expected], "{sql}");
        // A changed row contradicts what was seen before.
        world.ended.clear();
        world.repair().await.unwrap();
        world.ended.clear();
        world.check().await.unwrap_or_else(|wrong| panic!("{sql}: {wrong}"));
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn sweep_records_a_mismatch_once_a_day(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let world = indexed(&pipeline).await;
    let entries = async || -> Vec<serde_json::Value> {
        sqlx::query_scalar("SELECT details FROM collection_audit_log WHERE action = 'integrity_mismatch'")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    world
        .execute("UPDATE collections SET document_count = 7, created_at = now() - interval '25 hours'")
        .await;
    pipeline.sweep().await;
    pipeline.sweep().await;
    let entries = entries().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["mismatches"], serde_json::json!({"counter": 1}));
    assert_eq!(entries[0]["first"][0]["key"], "document_count");
    let checks: Vec<(i64, i64)> =
        sqlx::query_as("SELECT documents, mismatches FROM integrity_checks").fetch_all(&pool).await.unwrap();
    let [(documents, 1)] = checks[..] else { panic!("{checks:?}") };
    assert!(documents <= 4);
}
