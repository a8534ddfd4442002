//! Uploads from their announcement to the work list, and their metadata until it is in the index.

use chrono::{TimeDelta, Utc};
use domain::{
    Actor, ApiKeyId, ArtifactKey, DocumentMetadata, Generation, ItemId, OperationId, OperationType, UploadId,
};
use serde_json::Value;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::operations::{BatchChunks, NewItem, StagedItem, StagingOutcome};
use crate::testing::{Fixture, binary, item};
use crate::uploads::{NewUpload, UploadDocument};

fn metadata(metadata: Value) -> DocumentMetadata {
    serde_json::from_value(metadata).unwrap()
}

fn tides() -> DocumentMetadata {
    metadata(json!({ "topic": "tides", "year": 2024, "draft": false }))
}

fn moons() -> DocumentMetadata {
    metadata(json!({ "topic": "moons" }))
}

/// An announced upload.
struct Announced {
    id: UploadId,
    key: String,
    metadata: Option<DocumentMetadata>,
}

impl Fixture {
    async fn announce(&self, name: &str, metadata: Option<DocumentMetadata>) -> Announced {
        let id = UploadId(Uuid::now_v7());
        let key = ArtifactKey::Announced { collection_id: self.collection_id, upload_id: id }.path();
        let new = NewUpload {
            id,
            collection_id: self.collection_id,
            announcer: Actor::user(self.user_id),
            name: name.to_owned(),
            object_key: key.clone(),
            size_bytes: 10,
            content_type: "text/plain".to_owned(),
            sha256: None,
            metadata: metadata.clone(),
            document: UploadDocument::default(),
            expires_at: Utc::now() + TimeDelta::hours(1),
        };
        self.connection().await.uploads().insert_many(&[new]).await.unwrap();
        Announced { id, key, metadata }
    }

    /// What the intake function does with an upload that it accepts. Returns the locations that it replaces.
    async fn arrive(
        &self,
        operation_id: OperationId,
        upload: &Announced,
        name: &str,
        hint: &str,
    ) -> Vec<(String, Option<String>)> {
        let (location, metadata) = (upload.key.clone(), upload.metadata.clone());
        let uploaded = NewItem { location, metadata, ..item(name, hint) };
        let mut tx = self.db.begin().await.unwrap();
        let replaced = tx.operation_items().upsert_uploads(operation_id, &[uploaded]).await.unwrap();
        tx.uploads().mark_received(&[(upload.id, hint.to_owned())], operation_id).await.unwrap();
        tx.commit().await.unwrap();
        replaced
    }

    /// Starts an operation with this upload; returns its item and the metadata.
    async fn run_upload(
        &self,
        name: &str,
        hint: &str,
        metadata: Option<DocumentMetadata>,
    ) -> (OperationId, ItemId, Option<DocumentMetadata>) {
        let upload = self.announce(name, metadata).await;
        let operation_id = self.insert_operation(OperationType::Append).await;
        self.arrive(operation_id, &upload, name, hint).await;
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
    assert!(connection.operation_items().mark_chunked(item, 2, 1, &[]).await.unwrap());
    connection.operation_items().mark_batch_done(item, 0, BatchChunks::default()).await.unwrap().unwrap();
    fixture.finish(operation).await;
    assert_eq!(fixture.document("a").await.metadata, tides());

    let (operation, item, _) = fixture.run_upload("a", "v2", Some(moons())).await;
    assert!(fixture.stage(item, "a", "h2", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(fixture.document("a").await.metadata, tides(), "the searchable points have this metadata");
    assert_eq!(fixture.work_metadata(item).await, moons());
    assert!(connection.operation_items().mark_chunked(item, 2, 1, &[]).await.unwrap());
    connection.operation_items().mark_batch_done(item, 0, BatchChunks::default()).await.unwrap().unwrap();
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
async fn a_version_without_metadata_keeps_that_of_the_version_it_replaces(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let first = fixture.announce("a", Some(tides())).await;
    let second = fixture.announce("a", Some(moons())).await;
    let third = fixture.announce("a", None).await;
    let operation = fixture.insert_operation(OperationType::Append).await;
    assert_eq!(fixture.arrive(operation, &first, "a", "v1").await, []);
    let replaced = fixture.arrive(operation, &second, "a", "v2").await;
    assert_eq!(replaced, [(first.key, Some("v1".to_owned()))]);
    assert_eq!(fixture.arrive(operation, &third, "a", "v3").await.len(), 1);
    let (_, item, metadata) = fixture.begin(operation).await;
    assert_eq!(metadata, Some(moons()));
    fixture.index(item, "a", "v3").await;
    fixture.finish(operation).await;
    let shown = fixture.connection().await.uploads().list(fixture.collection_id, None, 9, 0).await.unwrap();
    let shown: Vec<_> = shown.items.into_iter().map(|upload| upload.metadata).collect();
    assert_eq!(shown, [Some(tides()), Some(moons()), None]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_version_that_waits_loses_its_metadata_when_the_document_is_deleted(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.index_upload("a", "v1", None).await;
    let (second, third) = (fixture.announce("a", Some(tides())).await, fixture.announce("a", None).await);
    let operation = fixture.insert_operation(OperationType::Append).await;
    fixture.arrive(operation, &second, "a", "v2").await;
    assert!(fixture.connection().await.documents().mark_deleted(fixture.document_id("a")).await.unwrap());
    fixture.arrive(operation, &third, "a", "v3").await;
    let (_, _, metadata) = fixture.begin(operation).await;
    assert_eq!(metadata, None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn uploads_whose_object_is_left_over_are_checked(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let far = Utc::now() + TimeDelta::days(1);
    let unsettled = async || {
        let mut connection = fixture.connection().await;
        connection.uploads().list_unsettled(Utc::now() - TimeDelta::days(1), far, far, 10).await.unwrap()
    };
    let upload = fixture.announce("a", None).await;
    let operation = fixture.insert_operation(OperationType::Append).await;
    fixture.arrive(operation, &upload, "a", "v1").await;
    let (_, item, _) = fixture.begin(operation).await;
    assert_eq!(unsettled().await, [], "it is still to be read");

    // An item that scan ends without reading it.
    sqlx::query("UPDATE operation_items SET state = 'unchanged' WHERE id = $1")
        .bind(item.0)
        .execute(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(unsettled().await, [upload.id]);
    let mut connection = fixture.connection().await;
    assert_eq!(connection.uploads().mark_objects_deleted(&[upload.key]).await.unwrap(), 1);
    assert_eq!(unsettled().await, []);
    fixture.finish(operation).await;

    // Staging records that the object is about to be deleted.
    let (operation, item, _) = fixture.run_upload("b", "v1", None).await;
    fixture.index(item, "b", "h").await;
    fixture.finish(operation).await;
    assert_eq!(unsettled().await, []);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn announcements_of_users_who_lost_access_do_not_count(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let upload = fixture.announce("a", None).await;
    let sql = async |statement: &'static str| sqlx::query(statement).execute(&fixture.pool).await.unwrap();
    let count = async || fixture.connection().await.uploads().open_of(fixture.user_id).await.unwrap().count;
    assert_eq!(count().await, 1, "of the owner");
    sql("INSERT INTO users (username, email, hashed_password) VALUES ('new owner', 'n@example.org', 'x')")
        .await;
    sql("UPDATE collections SET owner_id = (SELECT max(id) FROM users)").await;
    assert_eq!(count().await, 0, "without a permission");
    let far = Utc::now() + TimeDelta::days(1);
    let mut connection = fixture.connection().await;
    let unsettled = connection.uploads().list_unsettled(Utc::now() - TimeDelta::days(1), far, far, 10).await;
    assert_eq!(unsettled.unwrap(), [upload.id]);
    sql("INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.user_id, 'write' FROM collections c JOIN uploads u ON u.collection_id = c.id")
    .await;
    assert_eq!(count().await, 1, "of a writer");
    assert!(may_write(&fixture, None).await);
    sql("UPDATE uploads SET api_key_id = gen_random_uuid()").await;
    assert_eq!(count().await, 0, "with a key that is deleted");
    assert!(!may_write(&fixture, Some(ApiKeyId(Uuid::max()))).await);
    sql("UPDATE uploads SET api_key_id = NULL").await;
    sql("UPDATE users SET is_active = FALSE").await;
    assert_eq!(count().await, 0, "of a deactivated user");
    assert!(!may_write(&fixture, None).await);
}

async fn may_write(fixture: &Fixture, api_key_id: Option<ApiKeyId>) -> bool {
    let actor = Actor { user_id: fixture.user_id, api_key_id };
    fixture.connection().await.collections().may_write(fixture.collection_id, actor).await.unwrap()
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
        fixture.connection().await.documents().retry(fixture.collection_id, None, retry, true).await.unwrap();
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
