//! The stages in small: the same calls to PostgreSQL in the same order, with S3 and Qdrant as sets
//! and the queues as one list, from which messages are taken in any order.

use std::collections::{BTreeMap, BTreeSet};

use db::Db;
use db::operations::{ItemFailure, ItemWork, Operation, StagedItem, StagingItem, StagingOutcome};
use domain::{
    CollectionId, DocumentId, ErrorCategory, Generation, ItemId, ItemState, OperationId, OperationStatus,
    OperationType, SourceId, document_id,
};
use sqlx::PgPool;

use crate::content::Content;
use crate::decision::{Decision, decide};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    Empty,
    Binary,
    /// One of a few texts, so that files share them.
    Text(u8),
}

impl Bytes {
    pub(super) fn hash(self) -> String {
        format!("{self:?}")
    }

    /// Chunk batches; each has two chunks.
    pub(super) fn batches(self) -> u32 {
        match self {
            Self::Text(number) => 1 + u32::from(number % 2),
            Self::Empty | Self::Binary => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Run(OperationId),
    Stage(OperationId, Vec<ItemId>),
    Chunk(OperationId, ItemId),
    Embed(OperationId, ItemId, u32),
}

/// A process that died between two steps.
#[derive(Debug)]
pub(super) struct Died;

pub(super) type Step<T = ()> = Result<T, Died>;

pub(super) struct Pipeline {
    pub(super) db: Db,
    pub(super) pool: PgPool,
    pub(super) collection_id: CollectionId,
    pub(super) source_id: SourceId,
    /// What lies in the bucket under each name.
    pub(super) files: BTreeMap<String, Bytes>,
    /// The staged copies.
    pub(super) copies: BTreeMap<(DocumentId, Generation), Bytes>,
    /// The batches of points in Qdrant.
    pub(super) points: BTreeSet<(DocumentId, Generation, u32)>,
    pub(super) queue: Vec<Message>,
    /// Steps until the process that is at work dies.
    pub(super) fuel: Option<u32>,
}

impl Pipeline {
    /// Before everything that others can see.
    pub(super) fn step(&mut self) -> Step {
        match &mut self.fuel {
            Some(0) => Err(Died),
            Some(fuel) => {
                *fuel -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Step {
        self.step()?;
        self.queue.extend(messages);
        Ok(())
    }

    pub(super) async fn handle(&mut self, message: &Message) -> Step {
        match message {
            Message::Run(operation) => self.run(*operation).await,
            Message::Stage(operation, items) => self.stage(*operation, items).await,
            Message::Chunk(_, item) => self.chunk(*item).await,
            Message::Embed(_, item, batch) => self.embed(*item, *batch).await,
        }
    }

    pub(super) async fn end(&mut self, id: OperationId) -> Step {
        self.step()?;
        let mut connection = self.db.connection().await.unwrap();
        if connection.operations().complete_if_done(id).await.unwrap().is_some() {
            self.start_next().await?;
        }
        Ok(())
    }

    pub(super) async fn start_next(&mut self) -> Step {
        let mut connection = self.db.connection().await.unwrap();
        let next = connection.operations().next_pending(self.collection_id).await.unwrap();
        self.send(next.map(Message::Run))
    }

    async fn run(&mut self, id: OperationId) -> Step {
        let mut connection = self.db.connection().await.unwrap();
        let operation = connection.operations().find(id).await.unwrap().unwrap();
        match operation.status {
            OperationStatus::Pending => {
                self.step()?;
                if !connection.operations().claim(id).await.unwrap() {
                    return Ok(());
                }
            }
            OperationStatus::Processing => {}
            OperationStatus::Completed => return Ok(()),
            OperationStatus::Failed | OperationStatus::Cancelled => {
                return self.delete_orphaned_points(id).await;
            }
        }
        if operation.cancel_requested_at.is_some() {
            self.step()?;
            let mut tx = self.db.begin().await.unwrap();
            tx.operations().cancel_open_items(id).await.unwrap();
            tx.commit().await.unwrap();
            self.delete_orphaned_points(id).await?;
            return self.end(id).await;
        }
        self.step()?;
        connection.operation_items().mark_unchanged(id, ItemId(0)).await.unwrap();
        let items = connection.operation_items().list_undispatched(id, ItemId(0), 1000).await.unwrap();
        if !items.is_empty() {
            self.send(items.chunks(2).map(|group| Message::Stage(id, group.to_vec())))?;
            self.step()?;
            connection.operation_items().mark_dispatched(&items).await.unwrap();
        }
        self.step()?;
        connection.operations().mark_scan_finished(id).await.unwrap();
        self.end(id).await
    }

    async fn delete_orphaned_points(&mut self, id: OperationId) -> Step {
        let mut connection = self.db.connection().await.unwrap();
        for item in connection.operation_items().list_abandoned(id, ItemId(0), 1000).await.unwrap() {
            self.step()?;
            self.delete_generation(item.document_id, item.generation);
        }
        Ok(())
    }

    fn delete_generation(&mut self, document_id: DocumentId, generation: Generation) {
        self.points.retain(|(id, of, _)| (*id, *of) != (document_id, generation));
    }

    fn delete_before(&mut self, document_id: DocumentId, generation: Generation) {
        self.points.retain(|(id, of, _)| *id != document_id || *of >= generation);
    }

    async fn stage(&mut self, id: OperationId, ids: &[ItemId]) -> Step {
        let mut connection = self.db.connection().await.unwrap();
        let operation = connection.operations().find(id).await.unwrap().unwrap();
        if !connection.operations().is_wanted(id).await.unwrap() {
            return self.cancel_items(id, ids).await;
        }
        self.step()?;
        connection.operation_items().settle(id, ids).await.unwrap();
        self.step()?;
        let items = connection.operation_items().begin_staging(id, ids).await.unwrap();
        let (removals, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.is_removal && item.state == ItemState::Listed);
        if !removals.is_empty() {
            let ids: Vec<ItemId> = removals.iter().map(|item| item.id).collect();
            self.step()?;
            let documents = connection.operation_items().begin_removals(&ids).await.unwrap();
            self.step()?;
            self.points.retain(|(id, ..)| !documents.contains(id));
            self.step()?;
            connection.operation_items().finish_removals(&ids).await.unwrap();
        }
        drop(connection);
        for item in items {
            self.stage_item(&operation, item).await?;
        }
        self.end(id).await
    }

    async fn stage_item(&mut self, operation: &Operation, item: StagingItem) -> Step {
        let document = document_id(self.collection_id, &item.uri);
        match item.state {
            ItemState::Listed => {}
            ItemState::Staged => return self.send([Message::Chunk(operation.id, item.id)]),
            ItemState::Duplicate | ItemState::Skipped => {
                self.step()?;
                self.delete_before(document, item.generation);
                return Ok(());
            }
            _ => return Ok(()),
        }
        let mut connection = self.db.connection().await.unwrap();
        if !connection.operations().is_wanted(operation.id).await.unwrap() {
            return self.cancel_items(operation.id, &[item.id]).await;
        }
        let copy = item.staged_bytes.and_then(|copy| self.copies.get(&(copy.document_id, copy.generation)));
        let bytes = copy.or_else(|| self.files.get(&item.file_name)).copied().unwrap();
        let hash = bytes.hash();
        let content = Content {
            hash: hash.clone(),
            size_bytes: if bytes == Bytes::Empty { 0 } else { 10 },
            is_blank: bytes == Bytes::Empty,
        };
        let context =
            connection.documents().staging_context(self.collection_id, document, &hash).await.unwrap();
        let outcome = match decide(&content, &context, item.source_id, item.metadata.as_ref()) {
            Decision::Unchanged => {
                self.step()?;
                connection.operation_items().mark_item_unchanged(item.id, document).await.unwrap();
                return Ok(());
            }
            Decision::Skip { reason } => StagingOutcome::Skipped { reason: reason.to_owned() },
            Decision::Duplicate { original } => StagingOutcome::Duplicate { original },
            Decision::Index { release } => {
                if let Some(twin) = release {
                    self.step()?;
                    connection.documents().release_hash(twin, &hash).await.unwrap();
                }
                self.step()?;
                self.copies.insert((document, item.generation), bytes);
                if context.existing.is_some_and(|existing| existing.may_have_orphaned_points()) {
                    self.step()?;
                    self.delete_before(document, item.generation);
                }
                StagingOutcome::Staged
            }
        };
        self.step()?;
        let staged = StagedItem {
            item_id: item.id,
            collection_id: self.collection_id,
            source_id: item.source_id,
            document_id: document,
            content_hash: Some(&hash),
            size_bytes: 10,
            mime_type: None,
            change_hint: Some(&hash),
            outcome: &outcome,
        };
        let is_mine = connection.operation_items().mark_staged(&staged).await.unwrap();
        match outcome {
            StagingOutcome::Staged => self.send([Message::Chunk(operation.id, item.id)]),
            _ if is_mine => {
                self.step()?;
                self.delete_before(document, item.generation);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn cancel_items(&mut self, id: OperationId, ids: &[ItemId]) -> Step {
        for item in ids {
            self.step()?;
            let mut tx = self.db.begin().await.unwrap();
            tx.operation_items().mark_cancelled(*item).await.unwrap();
            tx.commit().await.unwrap();
        }
        self.end(id).await
    }

    pub(super) async fn work(&self, item: ItemId) -> Option<ItemWork> {
        let mut connection = self.db.connection().await.unwrap();
        connection.operation_items().find_work(&[item]).await.unwrap().into_iter().next()
    }

    async fn chunk(&mut self, item: ItemId) -> Step {
        let Some(work) = self.work(item).await else { return Ok(()) };
        let id = work.operation_id;
        if !work.is_wanted && work.state != ItemState::Chunked {
            return self.cancel_items(id, &[item]).await;
        }
        match (work.state, work.staged) {
            (ItemState::Staged, Some(staged)) => {
                let bytes = self.copies[&(staged.document_id, staged.generation)];
                if bytes == Bytes::Binary {
                    self.fail_item(item, "a binary file", ErrorCategory::Permanent).await?;
                    return self.end(id).await;
                }
                self.step()?;
                let mut connection = self.db.connection().await.unwrap();
                let batches = bytes.batches();
                if connection.operation_items().mark_chunked(item, 2 * batches, batches).await.unwrap() {
                    self.send((0..batches).map(|batch| Message::Embed(id, item, batch)))?;
                }
                Ok(())
            }
            (ItemState::Chunked, _) => {
                self.send(work.missing_batches.iter().map(|batch| Message::Embed(id, item, *batch)))
            }
            (ItemState::Listed, _) | (ItemState::Staged, None) => Ok(()),
            _ => self.end(id).await,
        }
    }

    async fn embed(&mut self, item: ItemId, batch: u32) -> Step {
        let Some(work) = self.work(item).await else { return Ok(()) };
        if !work.is_wanted {
            self.step()?;
            let mut tx = self.db.begin().await.unwrap();
            tx.operation_items().mark_cancelled(item).await.unwrap();
            tx.commit().await.unwrap();
            return self.clean_up(&work).await;
        }
        let staged = match (work.state, work.staged) {
            (ItemState::Chunked, Some(staged)) if work.missing_batches.contains(&batch) => staged,
            (ItemState::Chunked, _) | (ItemState::Listed | ItemState::Staged, _) => return Ok(()),
            _ => return self.clean_up(&work).await,
        };
        self.step()?;
        self.points.insert((staged.document_id, staged.generation, batch));
        self.step()?;
        let mut connection = self.db.connection().await.unwrap();
        let Some(done) = connection.operation_items().mark_batch_done(item, batch, 0).await.unwrap() else {
            let work = self.work(item).await.unwrap();
            return self.clean_up(&work).await;
        };
        if done.replaced_generation.is_some() {
            self.step()?;
            self.delete_before(staged.document_id, staged.generation);
            self.end(work.operation_id).await?;
        }
        Ok(())
    }

    async fn clean_up(&mut self, work: &ItemWork) -> Step {
        if let Some(staged) = work.staged {
            self.step()?;
            if staged.generation != staged.searchable_generation {
                self.delete_generation(staged.document_id, staged.generation);
            }
            if staged.searchable_generation.has_predecessors() {
                self.delete_before(staged.document_id, staged.searchable_generation);
            }
        }
        self.end(work.operation_id).await
    }

    pub(super) async fn fail_item(&mut self, item: ItemId, reason: &str, category: ErrorCategory) -> Step {
        self.step()?;
        let failure = ItemFailure::Failed { reason: reason.to_owned(), category };
        let mut tx = self.db.begin().await.unwrap();
        tx.operation_items().mark_failed(item, &failure).await.unwrap();
        tx.commit().await.unwrap();
        Ok(())
    }

    /// An operation that is not about a source.
    pub(super) async fn insert(&self, tx: &mut db::Tx, operation_type: OperationType) -> OperationId {
        let user_id: i64 = sqlx::query_scalar("SELECT owner_id FROM collections WHERE id = $1")
            .bind(self.collection_id.0)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let new = db::operations::NewOperation {
            id: OperationId(uuid::Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: domain::UserId(user_id),
            source_id: (operation_type == OperationType::Append).then_some(self.source_id),
            operation_type,
            config: serde_json::json!({}),
        };
        tx.operations().insert(&new).await.unwrap().id
    }
}
