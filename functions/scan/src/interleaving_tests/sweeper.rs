//! What sweep does, in small: see `pipeline`.

use std::time::Duration;

use db::operations::{StagedItem, StagingOutcome};
use dispatch::Committed;
use domain::{ErrorCategory, ItemId, ItemState, document_id};

use super::pipeline::{Message, Pipeline, Step};

impl Pipeline {
    /// Handles a dead letter as sweep does.
    pub(super) async fn take_dead(&mut self, message: &Message) -> Step {
        let (id, items) = match message {
            Message::Run(id) => {
                self.step()?;
                let mut tx = self.db.begin().await.unwrap();
                let failed =
                    tx.operations().mark_failed(*id, "gave up", ErrorCategory::Unknown).await.unwrap();
                tx.commit().await.unwrap();
                if failed.is_some() {
                    self.start_next().await?;
                }
                let mut connection = self.db.connection().await.unwrap();
                let left = connection.operation_items().list_abandoned(*id, ItemId(0), 1000).await.unwrap();
                return self.send(left.iter().map(|item| Message::Embed(*id, item.id, 0)));
            }
            Message::Stage(id, items) => (*id, items.clone()),
            Message::Chunk(id, item) | Message::Embed(id, item, _) => (*id, vec![*item]),
        };
        for item in items {
            let Some(work) = self.work(item).await else { continue };
            match (message, work.state) {
                (Message::Stage(..), ItemState::Listed) => {
                    self.step()?;
                    let outcome = StagingOutcome::Failed {
                        reason: "gave up".to_owned(),
                        category: ErrorCategory::Unknown,
                    };
                    let staged = StagedItem {
                        item_id: item,
                        collection_id: self.collection_id,
                        source_id: work.source_id,
                        document_id: document_id(self.collection_id, &work.uri),
                        content_hash: None,
                        size_bytes: work.size_bytes,
                        mime_type: None,
                        change_hint: None,
                        outcome: &outcome,
                    };
                    self.db.connection().await.unwrap().operation_items().mark_staged(&staged).await.unwrap();
                }
                (Message::Chunk(..), ItemState::Staged) => {
                    self.fail_item(item, "gave up", ErrorCategory::Unknown).await?;
                }
                (Message::Embed(_, _, batch), ItemState::Chunked) if work.missing_batches.contains(batch) => {
                    self.fail_item(item, "gave up", ErrorCategory::Unknown).await?;
                    self.send([Message::Embed(id, item, 0)])?;
                }
                _ => {}
            }
        }
        self.end(id).await
    }

    /// What sweep does every minute, as if a minute had passed.
    pub(super) async fn sweep(&mut self) {
        let (at_once, most) = (Duration::ZERO, 1000);
        let mut connection = self.db.connection().await.unwrap();
        let overdue = connection.operations().list_overdue(at_once, at_once, most).await.unwrap();
        self.queue.extend(overdue.into_iter().map(Message::Run));
        for state in [ItemState::Listed, ItemState::Staged, ItemState::Chunked] {
            let stalled =
                connection.operation_items().list_stalled(state, at_once, ItemId(0), most).await.unwrap();
            for item in stalled {
                match state {
                    ItemState::Listed => self.queue.push(Message::Stage(item.operation_id, vec![item.id])),
                    ItemState::Staged => self.queue.push(Message::Chunk(item.operation_id, item.id)),
                    _ => self.queue.extend(
                        item.missing_batches
                            .iter()
                            .map(|batch| Message::Embed(item.operation_id, item.id, *batch)),
                    ),
                }
            }
        }
        for id in connection.operations().list_finishable(most).await.unwrap() {
            self.end(id).await.unwrap();
        }
        drop(connection);
        let queued = dispatch::queue_unpurged(&self.db, at_once, most, most).await.unwrap();
        self.queue.extend(queued.iter().flat_map(Committed::operations).copied().map(Message::Run));
    }
}
