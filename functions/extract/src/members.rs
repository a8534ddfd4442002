//! Stages the files inside a document as documents of their own.
//!
//! While the document is read, each file is put on the operation's work list and its bytes are written. Nothing of it
//! counts before the document is complete: then all files are staged and sent to be chunked, and those of the earlier
//! version that are gone are sent to be removed. An attempt after a crash does the same again, under the same keys.

use artifacts::{ArtifactError, ArtifactStore, ArtifactWriter};
use db::operations::{ItemWork, MemberEntry, MemberTotals, NewMember, StagingItem, StagingOutcome};
use domain::{
    ChunkDocument, DocumentId, DocumentStatus, ErrorKind, ItemId, ItemState, ScanMessage, document_id,
};
use frames::{OCR_IS_NOT_DEPLOYED, OCR_IS_OFF};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use parsers::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_DEPTH};
use staging::{ContentScanner, Decision, Given, ReadDocument, Recorded, Target, decide, media_type, record};
use tokio::task::JoinSet;

use crate::State;
use crate::names::{MemberNames, depth};
use crate::readable::{HEAD_BYTES, reason_to_skip};

/// Files that are written or recorded concurrently. Each uses the memory of one part of a multipart upload at most.
const CONCURRENCY: usize = 8;

/// Items in one message to scan.
const ITEMS_PER_MESSAGE: usize = 25;

/// The files inside a document that is being read.
pub(crate) struct Members<'a> {
    state: &'a State,
    work: &'a ItemWork,
    names: MemberNames,
    /// What was found in the outermost document and in other documents in it.
    before: MemberTotals,
    files: u64,
    bytes: u64,
    /// The file that is being read.
    open: Option<OpenMember>,
    /// Files that were read.
    read: Vec<ReadMember>,
    /// Files that an earlier attempt has staged.
    staged_before: Vec<ItemId>,
    /// Files whose end is missing.
    damaged: Vec<ItemId>,
    writes: JoinSet<Result<(), ArtifactError>>,
    /// Files after a limit.
    left_out: u64,
    is_closed: bool,
}

/// A file that is being read.
struct OpenMember {
    item: StagingItem,
    document_id: DocumentId,
    mime_type: Option<String>,
    scanner: ContentScanner,
    progress: Progress,
}

/// How far a file is read.
enum Progress {
    /// The bytes that decide whether it can be read.
    Head(Vec<u8>),
    /// It can, and is being written.
    Writing(Box<ArtifactWriter>),
    /// It cannot, for this reason.
    Skipped(String),
}

/// A file that was read, and what to do with it.
struct ReadMember {
    item: StagingItem,
    document_id: DocumentId,
    document: ReadDocument,
    plan: Plan,
    /// Whether Qdrant may hold points of an earlier version that scan has to delete.
    has_useless_points: bool,
}

enum Plan {
    /// It is searchable with the same bytes.
    Unchanged,
    /// It has this outcome.
    Record(StagingOutcome),
}

impl<'a> Members<'a> {
    /// Starts to read a document.
    pub(crate) async fn open(
        state: &'a State,
        work: &'a ItemWork,
        container_id: DocumentId,
    ) -> Result<Self, StageError> {
        let before = match work.outermost_id {
            Some(id) => {
                let mut connection = state.db.connection().await?;
                connection.operation_items().count_members(work.operation_id, id, container_id).await?
            }
            None => MemberTotals::default(),
        };
        Ok(Self {
            state,
            work,
            names: MemberNames::new(&work.uri, &work.file_name, &work.file_path),
            before,
            files: 0,
            bytes: 0,
            open: None,
            read: Vec::new(),
            staged_before: Vec::new(),
            damaged: Vec::new(),
            writes: JoinSet::new(),
            left_out: 0,
            is_closed: false,
        })
    }

    /// Starts a file. A file before it whose end is missing is damaged.
    pub(crate) async fn start(&mut self, path: &str, declared: &str) -> Result<(), StageError> {
        self.abandon();
        // What a reindex reads again has its files on the work list already.
        if self.work.is_reindex || self.is_closed {
            return Ok(());
        }
        let is_over_limit = depth(&self.work.file_name) >= MAX_DEPTH
            // Of all archives in archives together; others may be read at the same time, so it is not exact.
            || self.before.files + self.files >= MAX_ATTACHMENTS.into()
            || self.before.bytes + self.bytes >= MAX_ATTACHMENT_BYTES;
        let declared = Some(declared).filter(|declared| !declared.is_empty());
        let mime_type = media_type(declared, path);
        let member = (!is_over_limit).then(|| self.names.name(path, mime_type)).flatten();
        let Some(member) = member else {
            self.left_out += 1;
            return Ok(());
        };
        self.files += 1;
        self.add(member).await
    }

    async fn add(&mut self, member: NewMember) -> Result<(), StageError> {
        let mut connection = self.state.db.connection().await?;
        let mut items = connection.operation_items();
        let id = match items.insert_member(self.work.item_id, &member).await? {
            MemberEntry::Added(id) => id,
            MemberEntry::Taken => return Ok(()),
            MemberEntry::Closed => {
                self.is_closed = true;
                return Ok(());
            }
        };
        let staging = items.begin_staging(self.work.operation_id, &[id]).await?;
        let Some(item) = staging.into_iter().next() else {
            self.is_closed = true;
            return Ok(());
        };
        match item.state {
            ItemState::Listed => {
                self.open = Some(OpenMember {
                    document_id: document_id(self.work.collection_id, &item.uri),
                    item,
                    mime_type: member.mime_type,
                    scanner: ContentScanner::default(),
                    progress: Progress::Head(Vec::new()),
                });
            }
            ItemState::Staged => self.staged_before.push(id),
            _ => {}
        }
        Ok(())
    }

    /// Appends bytes to the file.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> Result<(), StageError> {
        self.bytes += bytes.len() as u64;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.scanner.push(bytes);
        match &mut open.progress {
            Progress::Head(head) => {
                head.extend_from_slice(bytes);
                if head.len() >= HEAD_BYTES {
                    open.decide(self.state, self.work).await?;
                }
            }
            Progress::Writing(writer) => writer.write(bytes).await?,
            Progress::Skipped(_) => {}
        }
        Ok(())
    }

    /// Ends the file.
    pub(crate) async fn end(&mut self) -> Result<(), StageError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.decide(self.state, self.work).await?;
        let OpenMember { item, document_id, mime_type, scanner, progress } = open;
        let mut connection = self.state.db.connection().await?;
        let existing = connection.documents().find_existing(document_id).await?;
        let is_deleted = existing.as_ref().is_some_and(|existing| existing.status == DocumentStatus::Deleted);
        // A user may have deleted it alone: then it stays deleted.
        if is_deleted && connection.operation_items().settle(self.work.operation_id, &[item.id]).await? > 0 {
            return Ok(());
        }
        drop(connection);
        let content = scanner.finish();
        let plan = match (decide(&content, existing.as_ref(), Given::with(&item)), progress) {
            (Decision::Skip { reason }, _) => {
                Plan::Record(StagingOutcome::Skipped { reason: reason.to_owned() })
            }
            (_, Progress::Skipped(reason)) => Plan::Record(StagingOutcome::Skipped { reason }),
            (Decision::Unchanged, _) => Plan::Unchanged,
            (Decision::Index, Progress::Writing(writer)) => {
                self.finish_later(*writer).await?;
                Plan::Record(StagingOutcome::Staged)
            }
            (Decision::Index, Progress::Head(_)) => {
                return Err(StageError::new(
                    ErrorKind::Internal,
                    "a file inside the document was not written",
                ));
            }
        };
        let has_useless_points = existing.is_some_and(|existing| match &plan {
            Plan::Unchanged => false,
            // Embed deletes the points of the version that it replaces.
            Plan::Record(StagingOutcome::Staged) => {
                item.generation.has_predecessors() && existing.may_have_orphaned_points()
            }
            Plan::Record(_) => existing.generation.exists(),
        });
        let document = ReadDocument { content, mime_type, change_hint: None };
        self.read.push(ReadMember { item, document_id, document, plan, has_useless_points });
        Ok(())
    }

    /// Completes the object in the background, so that many small files do not wait for each other.
    async fn finish_later(&mut self, writer: ArtifactWriter) -> Result<(), StageError> {
        while self.writes.len() >= CONCURRENCY {
            self.join_write().await?;
        }
        self.writes.spawn(writer.finish());
        Ok(())
    }

    async fn join_write(&mut self) -> Result<(), StageError> {
        match self.writes.join_next().await {
            Some(Ok(written)) => Ok(written?),
            Some(Err(panic)) => Err(StageError::new(ErrorKind::Internal, panic)),
            None => Ok(()),
        }
    }

    /// Forgets the file that is being read, because its end is missing.
    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.damaged.push(open.item.id);
        }
    }

    /// Whether the container's item has ended meanwhile, so that nothing more can be staged.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Number of files that were left out so far, because of a limit.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Number of files that are documents of their own.
    pub(crate) fn count(&self) -> u64 {
        self.files - self.damaged.len() as u64
    }

    /// Stages what was read of a complete document. `is_complete` says whether all files of the document were read: only
    /// then are those of earlier versions removed.
    pub(crate) async fn stage(mut self, is_complete: bool) -> Result<(), StageError> {
        self.abandon();
        while !self.writes.is_empty() {
            self.join_write().await?;
        }
        let mut connection = self.state.db.connection().await?;
        if !self.damaged.is_empty() {
            connection.operation_items().discard_members(&self.damaged).await?;
        }
        drop(connection);
        let is_complete = is_complete && self.left_out == 0 && self.damaged.is_empty();
        let (state, work) = (self.state, self.work);
        let mut to_chunk = std::mem::take(&mut self.staged_before);
        let (mut to_scan, mut overtaken) = (Vec::new(), Vec::new());
        let read = std::mem::take(&mut self.read);
        let mut recorded = stream::iter(read)
            .map(|member| async move {
                let recorded = member.record(state, work).await?;
                Ok::<_, StageError>((member, recorded))
            })
            .buffer_unordered(CONCURRENCY);
        while let Some(done) = recorded.next().await {
            let (member, recorded) = done?;
            let id = member.item.id;
            match (recorded, &member.plan) {
                // Scan sends it to chunk then.
                (Recorded::Done, _) if member.has_useless_points => to_scan.push(id),
                (Recorded::Done, Plan::Record(StagingOutcome::Staged)) => to_chunk.push(id),
                (Recorded::Done | Recorded::Refused, _) => {}
                (Recorded::Overtaken, _) => overtaken.push(member),
            }
        }
        drop(recorded);
        self.delete_unrecorded(&overtaken).await?;
        if is_complete && !work.is_reindex {
            let mut connection = state.db.connection().await?;
            to_scan.extend(connection.operation_items().insert_missing_members(work.item_id).await?);
        }
        lambda::fault::point("extract-members-staged");
        let operation_id = work.operation_id;
        let chunk = |item_id: ItemId| ChunkDocument { operation_id, item_id };
        state.queues.send_chunk(&to_chunk.into_iter().map(chunk).collect::<Vec<_>>()).await?;
        let scan = |ids: &[ItemId]| ScanMessage::StageItems { operation_id, item_ids: ids.to_vec() };
        state.queues.send_scan(&to_scan.chunks(ITEMS_PER_MESSAGE).map(scan).collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Deletes what was written of a document that cannot be read. Its files are taken off the work list when its item
    /// ends.
    pub(crate) async fn discard(mut self) -> Result<(), StageError> {
        // A write that is not awaited may complete after the deletion.
        while self.writes.join_next().await.is_some() {}
        let keys: Vec<String> =
            self.read.iter().map(|member| member.target(self.work).key().path()).collect();
        delete(&self.state.artifacts, &keys).await
    }

    /// Deletes the bytes of files that are no longer on the work list: their container was deleted meanwhile.
    async fn delete_unrecorded(&self, members: &[ReadMember]) -> Result<(), StageError> {
        if members.is_empty() {
            return Ok(());
        }
        let ids: Vec<ItemId> = members.iter().map(|member| member.item.id).collect();
        let gone = self.state.db.connection().await?.operation_items().discard_members(&ids).await?;
        let gone = members.iter().filter(|member| gone.contains(&member.item.id));
        let keys: Vec<String> = gone.map(|member| member.target(self.work).key().path()).collect();
        delete(&self.state.artifacts, &keys).await
    }
}

async fn delete(artifacts: &ArtifactStore, keys: &[String]) -> Result<(), StageError> {
    for page in keys.chunks(ArtifactStore::PAGE) {
        artifacts.delete_keys(page).await?;
    }
    Ok(())
}

impl OpenMember {
    /// Decides by its first bytes whether the file can be read, and starts to write it if so. Does nothing if that is
    /// decided.
    async fn decide(&mut self, state: &State, work: &ItemWork) -> Result<(), StageError> {
        let Progress::Head(head) = &mut self.progress else {
            return Ok(());
        };
        let head = std::mem::take(head);
        let mime_type = self.mime_type.as_deref();
        let no_ocr = match (work.settings.ocr, state.sends_to_recognize || state.ocr.is_some()) {
            (true, true) => None,
            (true, false) => Some(OCR_IS_NOT_DEPLOYED),
            (false, _) => Some(OCR_IS_OFF),
        };
        self.progress = match reason_to_skip(&self.item.file_name, mime_type, &head, no_ocr) {
            Some(reason) => Progress::Skipped(reason),
            None => {
                let target = target(&self.item, self.document_id, work);
                let content_type = mime_type.unwrap_or("application/octet-stream");
                let mut writer = state.artifacts.writer(&target.key(), content_type);
                writer.write(&head).await?;
                Progress::Writing(Box::new(writer))
            }
        };
        Ok(())
    }
}

impl ReadMember {
    fn target<'a>(&'a self, work: &ItemWork) -> Target<'a> {
        target(&self.item, self.document_id, work)
    }

    async fn record(&self, state: &State, work: &ItemWork) -> Result<Recorded, StageError> {
        match &self.plan {
            Plan::Unchanged => {
                let mut connection = state.db.connection().await?;
                connection.operation_items().mark_item_unchanged(self.item.id, self.document_id).await?;
                Ok(Recorded::Done)
            }
            Plan::Record(outcome) => {
                record(&state.db, &state.artifacts, &self.target(work), &self.document, outcome).await
            }
        }
    }
}

fn target<'a>(item: &'a StagingItem, document_id: DocumentId, work: &ItemWork) -> Target<'a> {
    Target { collection_id: work.collection_id, document_id, source_id: work.source_id, item }
}
