//! Metadata of uploads, until it is in the index.

use chrono::Utc;
use domain::{ArtifactKey, DocumentMetadata, Generation, ItemId, OperationId, OperationType, UploadId};
use serde_json::Value;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::operations::{NewItem, StagedItem, StagingOutcome};
use crate::testing::{Fixture, binary, item};
use crate::uploads::NewUpload;

fn metadata(metadata: Value) -> DocumentMetadata {
    serde_json::from_value(metadata).unwrap()
}

fn tides() -> DocumentMetadata {
    metadata(json!({ "topic": "tides", "year": 2024, "draft": false }))
}

fn moons() -> DocumentMetadata {
    metadata(json!({ "topic": "moons" }))
}

impl Fixture {
    fn key(&self, name: &str) -> String {
        ArtifactKey::Upload { collection_id: self.collection_id, name: name.to_owned() }.path()
    }

    async fn announce(&self, name: &str, metadata: Option<DocumentMetadata>) {
        let new = NewUpload {
            id: UploadId(Uuid::now_v7()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            name: name.to_owned(),
            object_key: self.key(name),
            size_bytes: 10,
            content_type: "text/plain".to_owned(),
            sha256: None,
            metadata,
            expires_at: Utc::now(),
        };
        self.connection().await.uploads().insert_many(&[new]).await.unwrap();
    }

    /// What the intake function does with an upload event.
    async fn arrive(&self, operation_id: OperationId, name: &str, hint: &str) {
        let item = NewItem { location: self.key(name), ..item(name, hint) };
        let mut tx = self.db.begin().await.unwrap();
        tx.operation_items().upsert_many(operation_id, &[item]).await.unwrap();
        tx.uploads().mark_received(&[self.key(name)], operation_id).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Starts an operation with this upload; returns its item and the metadata.
    async fn run_upload(
        &self,
        name: &str,
        hint: &str,
        metadata: Option<DocumentMetadata>,
    ) -> (OperationId, ItemId, Option<DocumentMetadata>) {
        self.announce(name, metadata).await;
        let operation_id = self.insert_operation(OperationType::Append).await;
        self.arrive(operation_id, name, hint).await;
        self.begin(operation_id).await
    }

    async fn begin(&self, operation_id: OperationId) -> (OperationId, ItemId, Option<DocumentMetadata>) {
        let mut connection = self.connection().await;
        assert!(connection.operations().claim(operation_id).await.unwrap());
        let mut items = connection.operation_items();
        let ids = items.list_undispatched(operation_id, ItemId(0), 100).await.unwrap();
        let item = items.begin_staging(operation_id, &ids).await.unwrap().remove(0);
        (operation_id, item.id, item.metadata)
    }

    async fn index_upload(&self, name: &str, hash: &str, metadata: Option<DocumentMetadata>) {
        let (operation, item, _) = self.run_upload(name, hash, metadata).await;
        self.index(item, name, hash).await;
        self.finish(operation).await;
    }

    async fn work_metadata(&self, item: ItemId) -> DocumentMetadata {
        let work = self.connection().await.operation_items().find_work(&[item]).await.unwrap().remove(0);
        work.metadata
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn metadata_of_an_upload_applies_once_its_version_is_indexed(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, item, metadata) = fixture.run_upload("a", "v1", Some(tides())).await;
    assert_eq!(metadata, Some(tides()));
    assert!(fixture.stage(item, "a", "h1", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(fixture.work_metadata(item).await, tides());
    let mut connection = fixture.connection().await;
    assert!(connection.operation_items().mark_chunked(item, 2, 1).await.unwrap());
    connection.operation_items().mark_batch_done(item, 0, 0).await.unwrap().unwrap();
    fixture.finish(operation).await;
    assert_eq!(fixture.document("a").await.metadata, tides());

    let (operation, item, _) = fixture.run_upload("a", "v2", Some(moons())).await;
    assert!(fixture.stage(item, "a", "h2", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(fixture.document("a").await.metadata, tides(), "the searchable points have this metadata");
    assert_eq!(fixture.work_metadata(item).await, moons());
    assert!(connection.operation_items().mark_chunked(item, 2, 1).await.unwrap());
    connection.operation_items().mark_batch_done(item, 0, 0).await.unwrap().unwrap();
    fixture.finish(operation).await;
    assert_eq!(fixture.document("a").await.metadata, moons());

    let (operation, item, metadata) = fixture.run_upload("a", "v3", None).await;
    assert_eq!((metadata, fixture.work_metadata(item).await), (None, DocumentMetadata::default()));
    fixture.index(item, "a", "h3").await;
    assert_eq!(fixture.work_metadata(item).await, moons());
    fixture.finish(operation).await;
    assert_eq!(fixture.document("a").await.metadata, moons(), "nothing was metadata: it keeps them");
    let listed = fixture.connection().await.documents().list_searchable(fixture.collection_id, None, 9).await;
    assert_eq!(listed.unwrap()[0].metadata, moons());

    fixture.index_upload("a", "h4", Some(DocumentMetadata::default())).await;
    assert_eq!(fixture.document("a").await.metadata, DocumentMetadata::default());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn same_bytes_with_other_metadata_are_a_change(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.index_upload("a", "v1", Some(tides())).await;
    for (metadata, expected) in [(None, 1), (Some(tides()), 1), (Some(moons()), 0)] {
        let (operation, item, _) = fixture.run_upload("a", "v1", metadata.clone()).await;
        let mut connection = fixture.connection().await;
        let unchanged = connection.operation_items().mark_unchanged(operation, ItemId(0)).await.unwrap();
        assert_eq!(unchanged, expected, "{metadata:?}");
        if expected == 0 {
            let existing = connection.documents().find_existing(fixture.document_id("a")).await;
            assert_eq!(existing.unwrap().unwrap().metadata, tides());
            fixture.index(item, "a", "v1").await;
        }
        fixture.finish(operation).await;
    }
    let document = fixture.document("a").await;
    assert_eq!((document.metadata, document.generation), (moons(), Generation(2)));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn latest_metadata_wins_despite_redelivered_events(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.announce("a", Some(tides())).await;
    fixture.announce("a", Some(moons())).await;
    fixture.announce("a", None).await;
    let operation = fixture.insert_operation(OperationType::Append).await;
    fixture.arrive(operation, "a", "v1").await;
    fixture.arrive(operation, "a", "v1").await;
    let (_, item, metadata) = fixture.begin(operation).await;
    assert_eq!(metadata, Some(moons()));
    fixture.index(item, "a", "v1").await;
    fixture.finish(operation).await;
    let shown = fixture.connection().await.uploads().list(fixture.collection_id, None, 9, 0).await.unwrap();
    let shown: Vec<_> = shown.items.into_iter().map(|upload| upload.metadata).collect();
    assert_eq!(shown, [Some(tides()), Some(moons()), None]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn metadata_survives_a_failure_but_not_a_deletion(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.index_upload("a", "v1", Some(tides())).await;
    let (operation, item, _) = fixture.run_upload("a", "v2", Some(moons())).await;
    assert!(fixture.stage(item, "a", "v2", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(item, &binary()).await);
    fixture.finish(operation).await;
    let retry = fixture.insert_operation(OperationType::RetryDocuments).await;
    let again =
        fixture.connection().await.documents().retry(fixture.collection_id, None, retry).await.unwrap();
    assert_eq!(again, 1);
    let (_, item, metadata) = fixture.begin(retry).await;
    assert_eq!((metadata, fixture.work_metadata(item).await), (None, moons()));
    fixture.index(item, "a", "v2").await;
    fixture.finish(retry).await;
    assert_eq!(fixture.document("a").await.metadata, moons());

    let deleted = async || {
        let mut connection = fixture.connection().await;
        assert!(connection.documents().mark_deleted(fixture.document_id("a")).await.unwrap());
    };
    deleted().await;
    let restore = fixture.insert_operation(OperationType::RestoreDocuments).await;
    let id = fixture.document_id("a");
    assert!(fixture.connection().await.documents().restore(id, restore).await.unwrap());
    let (_, item, _) = fixture.begin(restore).await;
    fixture.index(item, "a", "v2").await;
    fixture.finish(restore).await;
    assert_eq!(fixture.document("a").await.metadata, moons(), "restored with its metadata");

    deleted().await;
    let (operation, item, _) = fixture.run_upload("a", "v2", None).await;
    // An upload after the deletion creates a new document with that name.
    let mut connection = fixture.connection().await;
    let source = connection.collection_sources().find_or_create_upload(fixture.collection_id).await.unwrap();
    let staged = StagedItem {
        item_id: item,
        collection_id: fixture.collection_id,
        source_id: Some(source.id),
        document_id: id,
        content_hash: Some("v2"),
        size_bytes: 10,
        mime_type: None,
        change_hint: None,
        outcome: &StagingOutcome::Staged,
    };
    assert!(connection.operation_items().mark_staged(&staged).await.unwrap());
    assert_eq!(fixture.work_metadata(item).await, DocumentMetadata::default());
    fixture.fail(item, &binary()).await;
    fixture.finish(operation).await;
}
