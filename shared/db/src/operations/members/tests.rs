//! Files inside documents, from the work list to their removal.

use std::time::Duration;

use domain::{Actor, DeletionReason, DocumentStatus, ItemId, ItemState, OperationId, OperationType};
use sqlx::PgPool;

use crate::documents::DocumentQuery;
use crate::operations::{BatchChunks, ItemFailure, MemberEntry, NewMember, StagingOutcome, StallAges};
use crate::testing::{Fixture, binary, item};

fn member(name: &str) -> NewMember {
    NewMember {
        uri: format!("upload://{name}"),
        file_name: name.to_owned(),
        file_path: name.to_owned(),
        mime_type: None,
    }
}

fn only_files() -> ItemFailure {
    ItemFailure::Skipped { reason: "it holds files only".to_owned() }
}

impl Fixture {
    /// Starts an operation with archives on its work list, and stages them. The bytes of each are `version`.
    async fn stage_archives(&self, names: &[&str], version: &str) -> (OperationId, Vec<ItemId>) {
        let (operation_id, items) = self.run_append(names).await;
        for (item, name) in items.iter().zip(names) {
            assert!(
                self.stage(*item, name, &format!("{name} {version}"), &StagingOutcome::Staged).await.unwrap()
            );
        }
        (operation_id, items)
    }

    async fn add_member(&self, container: ItemId, name: &str) -> MemberEntry {
        let mut connection = self.connection().await;
        connection.operation_items().insert_member(container, &member(name)).await.unwrap()
    }

    /// Adds a file and reserves its generation.
    async fn added(&self, operation_id: OperationId, container: ItemId, name: &str) -> ItemId {
        let MemberEntry::Added(id) = self.add_member(container, name).await else {
            panic!("{name} is not added")
        };
        let mut connection = self.connection().await;
        let staging = connection.operation_items().begin_staging(operation_id, &[id]).await.unwrap();
        assert!(staging[0].is_extracted && staging[0].container_id.is_some());
        id
    }

    /// Indexes an archive with these files; the content of each is its name. The last component of a name is within
    /// the archive that the rest names.
    async fn index_archive(&self, archive: &str, version: &str, files: &[&str]) -> OperationId {
        let (operation_id, items) = self.stage_archives(&[archive], version).await;
        for name in files {
            let item = self.added(operation_id, items[0], name).await;
            self.index(item, name, name).await;
        }
        let mut connection = self.connection().await;
        let missing = connection.operation_items().insert_missing_members(items[0]).await.unwrap();
        if !missing.is_empty() {
            self.remove(&missing).await;
        }
        assert!(self.fail(items[0], &only_files()).await);
        operation_id
    }

    /// Stages the archive `a.zip` with the files `x` and `y` and the archive `i.zip`, which holds `z`; indexes the files.
    async fn stage_archive_of_three(&self) -> (OperationId, ItemId) {
        let (operation_id, items) = self.stage_archives(&["a.zip"], "1").await;
        for name in ["a.zip!/x", "a.zip!/y"] {
            let item = self.added(operation_id, items[0], name).await;
            self.index(item, name, name).await;
        }
        self.index_inner(operation_id, items[0], "a.zip!/i.zip", "a.zip!/i.zip!/z").await;
        (operation_id, items[0])
    }

    /// Stages an archive inside another one, adds a file to it, and indexes that.
    async fn index_inner(&self, operation_id: OperationId, container: ItemId, archive: &str, file: &str) {
        let inner = self.added(operation_id, container, archive).await;
        assert!(self.stage(inner, archive, archive, &StagingOutcome::Staged).await.unwrap());
        let item = self.added(operation_id, inner, file).await;
        self.index(item, file, file).await;
        assert!(self.fail(inner, &only_files()).await);
    }

    async fn delete_in_transaction(&self, name: &str) -> u64 {
        let operation_id = self.insert_of_source(OperationType::RemoveDocuments, None).await;
        let mut tx = self.db.begin().await.unwrap();
        assert!(tx.documents().mark_deleted(self.document_id(name)).await.unwrap());
        let ids = [self.document_id(name)];
        let removals = tx.operation_items().insert_removals(operation_id, &ids).await.unwrap();
        tx.commit().await.unwrap();
        let items = self.claim(operation_id).await;
        self.remove(&items).await;
        self.finish(operation_id).await;
        removals
    }

    async fn status(&self, name: &str) -> DocumentStatus {
        self.document(name).await.status
    }
}

const AT_ONCE: StallAges = StallAges {
    queue_is_empty: Some(Duration::ZERO),
    overtaken: None,
    nothing_moves: Duration::from_secs(86_400),
};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_file_is_added_once_while_its_container_is_staged(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a.zip", "a.zip!/own.txt"]).await;
    assert_eq!(fixture.add_member(items[0], "a.zip!/x").await, MemberEntry::Closed, "it is not staged");
    fixture.stage(items[0], "a.zip", "zip", &StagingOutcome::Staged).await.unwrap();
    let added = fixture.add_member(items[0], "a.zip!/x").await;
    assert!(matches!(added, MemberEntry::Added(_)));
    assert_eq!(fixture.add_member(items[0], "a.zip!/x").await, added);
    assert_eq!(fixture.add_member(items[0], "a.zip!/own.txt").await, MemberEntry::Taken);
    assert_eq!(fixture.counts(operation).await.listed, 2);

    // The listing may go on, and sweep looks for lost messages: neither stages the file.
    let mut connection = fixture.connection().await;
    let undispatched =
        connection.operation_items().list_undispatched(operation, ItemId(0), 10).await.unwrap();
    assert_eq!(undispatched, [items[1]]);
    connection.operation_items().mark_dispatched(&undispatched).await.unwrap();
    let stalled = connection.operation_items().list_stalled(ItemState::Listed, AT_ONCE, ItemId(0), 10).await;
    assert_eq!(stalled.unwrap().iter().map(|item| item.id).collect::<Vec<_>>(), [items[1]]);

    assert!(fixture.fail(items[0], &only_files()).await);
    assert_eq!(fixture.add_member(items[0], "a.zip!/y").await, MemberEntry::Closed, "it has ended");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_operation_ends_after_its_files(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.stage_archives(&["a.zip"], "1").await;
    let mut connection = fixture.connection().await;
    // Its listing ended before the archive was read.
    assert!(connection.operations().mark_scan_finished(operation).await.unwrap());
    let file = fixture.added(operation, items[0], "a.zip!/x").await;
    assert!(fixture.stage(file, "a.zip!/x", "x", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &only_files()).await);
    assert_eq!(connection.operations().complete_if_done(operation).await.unwrap(), None);
    assert!(connection.operation_items().mark_chunked(file, 2, 1, &[]).await.unwrap());
    connection.operation_items().mark_batch_done(file, 0, BatchChunks::default()).await.unwrap().unwrap();
    assert!(connection.operations().complete_if_done(operation).await.unwrap().is_some());

    let (archive, document) = (fixture.document("a.zip").await, fixture.document("a.zip!/x").await);
    assert_eq!((archive.status, archive.chunk_count), (DocumentStatus::Skipped, 0));
    assert_eq!((document.container_id, archive.container_id), (Some(archive.id), None));
    assert_eq!((document.file_path.as_str(), document.file_name.as_str()), ("a.zip!/x", "a.zip!/x"));
    let query = DocumentQuery {
        collection_id: fixture.collection_id,
        status: None,
        source_id: None,
        container_id: Some(archive.id),
        search: None,
        sort: domain::DocumentSort::CreatedAt,
        order: domain::SortOrder::Ascending,
        limit: 10,
        offset: 0,
    };
    let inside = connection.documents().list(&query).await.unwrap();
    assert_eq!((inside.total, inside.items[0].id), (1, document.id));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn files_of_a_container_that_fails_do_not_hold_up_the_operation(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.stage_archives(&["bomb.zip", "cancelled.zip"], "1").await;
    fixture.added(operation, items[0], "bomb.zip!/x").await;
    fixture.added(operation, items[1], "cancelled.zip!/x").await;
    // A file that is being added while the container's item ends.
    let mut tx = fixture.db.begin().await.unwrap();
    let added = tx.operation_items().insert_member(items[0], &member("bomb.zip!/y")).await.unwrap();
    assert!(matches!(added, MemberEntry::Added(_)));
    let failing = {
        let db = fixture.db.clone();
        let id = items[0];
        tokio::spawn(async move {
            let mut tx = db.begin().await.unwrap();
            assert!(tx.operation_items().mark_failed(id, &binary()).await.unwrap());
            tx.commit().await.unwrap();
        })
    };
    fixture.wait_for_a_lock().await;
    assert!(!failing.is_finished());
    tx.commit().await.unwrap();
    failing.await.unwrap();
    let mut tx = fixture.db.begin().await.unwrap();
    assert!(tx.operation_items().mark_cancelled(items[1]).await.unwrap());
    tx.commit().await.unwrap();
    let counts = fixture.counts(operation).await;
    assert_eq!((counts.total(), counts.failed, counts.cancelled), (2, 1, 1), "{counts:?}");
    fixture.finish(operation).await;
}

impl Fixture {
    /// Waits until a statement waits for another transaction.
    async fn wait_for_a_lock(&self) {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            if waiting > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_no_longer_in_a_document_is_removed_with_all_that_is_in_it(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, archive) = fixture.stage_archive_of_three().await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operation_items().insert_missing_members(archive).await.unwrap(), []);
    assert!(fixture.fail(archive, &only_files()).await);
    fixture.finish(first).await;
    assert_eq!(fixture.counts_of_collection().await.0, 5);

    let (second, items) = fixture.stage_archives(&["a.zip"], "2").await;
    let archive = items[0];
    let x = fixture.added(second, archive, "a.zip!/x").await;
    let missing = connection.operation_items().insert_missing_members(archive).await.unwrap();
    assert_eq!(missing.len(), 3);
    assert_eq!(
        connection.operation_items().insert_missing_members(archive).await.unwrap().len(),
        3,
        "their message may be lost"
    );
    let stalled = connection.operation_items().list_stalled(ItemState::Listed, AT_ONCE, ItemId(0), 10).await;
    assert_eq!(stalled.unwrap().len(), 3, "sweep sends it again");
    assert!(
        connection.operation_items().mark_item_unchanged(x, fixture.document_id("a.zip!/x")).await.unwrap()
    );
    assert!(fixture.fail(archive, &only_files()).await);
    assert!(connection.operations().mark_scan_finished(second).await.unwrap());
    assert_eq!(connection.operations().complete_if_done(second).await.unwrap(), None);
    fixture.remove(&missing).await;
    assert!(connection.operations().complete_if_done(second).await.unwrap().is_some());
    for name in ["a.zip!/y", "a.zip!/i.zip", "a.zip!/i.zip!/z"] {
        assert_eq!(
            (fixture.status(name).await, fixture.reason(name).await),
            (DocumentStatus::Deleted, Some(DeletionReason::Missing)),
            "{name}"
        );
    }
    assert_eq!(fixture.status("a.zip!/x").await, DocumentStatus::Completed);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_listing_decides_about_containers_and_they_about_what_is_in_them(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    for archive in ["a.zip", "b.zip"] {
        let file = format!("{archive}!/x");
        let operation = fixture.index_archive(archive, "1", &[&file]).await;
        fixture.finish(operation).await;
    }
    sqlx::query("UPDATE documents SET source_id = $1").bind(source.0).execute(&fixture.pool).await.unwrap();
    let second = fixture.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = fixture.connection().await;
    connection.operation_items().insert_many(second, &[item("a.zip", "v1")]).await.unwrap();
    assert!(connection.operations().claim(second).await.unwrap());
    assert_eq!(connection.operation_items().mark_unchanged(second, ItemId(0)).await.unwrap(), 1);
    assert_eq!(connection.operation_items().mark_missing_stale(second).await.unwrap(), 1);
    assert!(fixture.document("b.zip").await.is_stale && !fixture.document("b.zip!/x").await.is_stale);
    assert_eq!(connection.operation_items().insert_missing(second, None).await.unwrap(), 2);
    let items = connection.operation_items().list_undispatched(second, ItemId(0), 10).await.unwrap();
    fixture.remove(&items).await;
    fixture.finish(second).await;
    assert_eq!(fixture.status("a.zip!/x").await, DocumentStatus::Completed);
    for name in ["b.zip", "b.zip!/x"] {
        assert_eq!(fixture.reason(name).await, Some(DeletionReason::Missing), "{name}");
    }

    let removal = fixture.insert_of_source(OperationType::RemoveSource, Some(source)).await;
    assert!(connection.operations().claim(removal).await.unwrap());
    assert_eq!(connection.operations().remove_source_documents(removal, source, 10).await.unwrap(), 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn files_are_deleted_restored_and_purged_with_their_container(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, archive) = fixture.stage_archive_of_three().await;
    assert!(fixture.fail(archive, &only_files()).await);
    fixture.finish(first).await;
    assert_eq!(fixture.counts_of_collection().await, (5, 6, 50));
    assert_eq!(fixture.delete_in_transaction("a.zip!/y").await, 1);

    assert_eq!(fixture.delete_in_transaction("a.zip").await, 4, "without the one that was deleted before");
    assert_eq!(fixture.counts_of_collection().await, (0, 0, 0));
    let reasons = [fixture.reason("a.zip!/y").await, fixture.reason("a.zip!/i.zip!/z").await];
    assert_eq!(reasons, [Some(DeletionReason::User), Some(DeletionReason::Container)]);

    // Its extraction, after the restoration, finds the files again.
    let restoration = fixture.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = fixture.connection().await;
    assert!(connection.documents().restore(fixture.document_id("a.zip"), restoration).await.unwrap());
    let items = fixture.claim(restoration).await;
    connection.operation_items().begin_staging(restoration, &items).await.unwrap();
    let archive = items[0];
    assert!(fixture.stage(archive, "a.zip", "a.zip 1", &StagingOutcome::Staged).await.unwrap());
    let x = fixture.added(restoration, archive, "a.zip!/x").await;
    let y = fixture.added(restoration, archive, "a.zip!/y").await;
    assert_eq!(connection.operation_items().settle(restoration, &[x]).await.unwrap(), 0);
    assert_eq!(
        connection.operation_items().settle(restoration, &[y]).await.unwrap(),
        1,
        "its user wanted it deleted"
    );
    fixture.index(x, "a.zip!/x", "a.zip!/x").await;
    fixture.index_inner(restoration, archive, "a.zip!/i.zip", "a.zip!/i.zip!/z").await;
    assert!(fixture.fail(archive, &only_files()).await);
    fixture.finish(restoration).await;
    assert_eq!(fixture.counts_of_collection().await, (4, 4, 40));
    assert_eq!(fixture.status("a.zip!/y").await, DocumentStatus::Deleted);

    assert_eq!(fixture.delete_in_transaction("a.zip").await, 4);
    let id = fixture.document_id("a.zip");
    assert!(connection.documents().request_purge(id, Actor::user(fixture.user_id)).await.unwrap());
    let requested: i64 =
        sqlx::query_scalar("SELECT count(*) FROM documents WHERE purge_requested_at IS NOT NULL")
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(requested, 5);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn nothing_is_staged_in_a_container_that_was_deleted_meanwhile(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.stage_archives(&["a.zip"], "1").await;
    let file = fixture.added(operation, items[0], "a.zip!/x").await;
    let mut tx = fixture.db.begin().await.unwrap();
    assert!(tx.documents().mark_deleted(fixture.document_id("a.zip")).await.unwrap());
    tx.commit().await.unwrap();
    assert!(!fixture.stage(file, "a.zip!/x", "x", &StagingOutcome::Staged).await.unwrap());
    let mut connection = fixture.connection().await;
    assert_eq!(connection.documents().find(fixture.document_id("a.zip!/x")).await.unwrap(), None);
    assert_eq!(connection.operation_items().discard_members(&[file]).await.unwrap(), [file]);
    assert_eq!(fixture.counts(operation).await.total(), 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn files_of_archives_in_archives_count_together(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.stage_archives(&["a.zip"], "1").await;
    fixture.index_inner(operation, items[0], "a.zip!/i.zip", "a.zip!/i.zip!/z").await;
    let mut connection = fixture.connection().await;
    let outermost = fixture.document_id("a.zip");
    let count = async |container: &str| {
        let mut connection = fixture.connection().await;
        let id = fixture.document_id(container);
        let totals = connection.operation_items().count_members(operation, outermost, id).await.unwrap();
        (totals.files, totals.bytes)
    };
    assert_eq!(count("another").await, (2, 20));
    assert_eq!(
        count("a.zip!/i.zip").await,
        (1, 10),
        "without its own, which an earlier attempt may have added"
    );
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].outermost_id, None);
}
