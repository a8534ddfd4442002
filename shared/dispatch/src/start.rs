//! The steps by which an operation starts.

use db::audit::AuditEntry;
use db::collections::CollectionLock;
use db::operations::{NewOperation, Operation};
use db::sources::{CollectionSource, NewSource};
use db::sync::{NewSyncRun, SyncRun, SyncStart};
use db::{Db, DbError, Tx};
use domain::{CollectionId, OperationId, OperationType, PushSource, SourceId, SyncTrigger, UserId};
use lambda::StageError;
use queue::Queues;
use serde_json::Value;
use uuid::Uuid;

use crate::error::StartError;
use crate::initiator::Initiator;
use crate::{quotas, send};

/// An operation to start.
#[derive(Debug, Clone)]
pub struct StartOperation<'a> {
    /// What it does.
    pub operation_type: OperationType,
    /// Who starts it.
    pub initiator: Initiator<'a>,
    /// Its settings, an object.
    pub config: Value,
}

/// A transaction that holds the lock of a collection row.
///
/// `T` is what commits: a [`Tx`], or a type around one that does more at its commit, as the API's
/// transaction that keeps the response for an idempotency key.
#[derive(Debug)]
pub struct LockedCollection<T> {
    tx: T,
    lock: CollectionLock,
}

/// A transaction that holds the lock of a collection row and, locked after it, of a source row.
#[derive(Debug)]
pub struct LockedSource<T> {
    collection: LockedCollection<T>,
    source: CollectionSource,
    stopping: Vec<OperationId>,
}

/// A transaction with one or more operations that are inserted and not yet audited.
#[must_use = "an operation that is not audited and committed is rolled back"]
#[derive(Debug)]
pub struct Queued<'a, T> {
    pub(crate) tx: T,
    pub(crate) initiator: Initiator<'a>,
    /// The collection's id and name, unless there are several collections.
    pub(crate) collection: Option<(CollectionId, String)>,
    /// The operation that the audit entry names.
    pub(crate) audited: Option<OperationId>,
    /// Operations whose message is sent after the commit.
    pub(crate) to_dispatch: Vec<OperationId>,
}

/// A transaction that is complete: committing it is all that is left.
#[must_use = "an operation that is not committed is rolled back"]
#[derive(Debug)]
pub struct Audited<T> {
    tx: T,
    to_dispatch: Vec<OperationId>,
}

/// Operations that are committed and whose messages are not sent yet.
#[must_use = "an operation that is not dispatched waits for the next sweep"]
#[derive(Debug)]
pub struct Committed {
    to_dispatch: Vec<OperationId>,
}

/// Locks the collection row.
///
/// # Errors
/// Returns [`StartError::NoCollection`] if the collection does not exist or is deleted.
pub async fn lock_collection<T: AsMut<Tx>>(
    tx: T,
    id: CollectionId,
) -> Result<LockedCollection<T>, StartError> {
    let locked = lock_if_exists(tx, id).await?;
    locked.filter(|locked| !locked.is_deleted()).ok_or(StartError::NoCollection(id))
}

/// Locks the collection row, also of a collection that is deleted and not yet purged.
pub async fn lock_if_exists<T: AsMut<Tx>>(
    mut tx: T,
    id: CollectionId,
) -> Result<Option<LockedCollection<T>>, DbError> {
    let lock = tx.as_mut().collections().lock(id).await?;
    Ok(lock.map(|lock| LockedCollection { tx, lock }))
}

impl<T: AsMut<Tx>> LockedCollection<T> {
    /// The transaction, for what changes together with the operation.
    pub fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut()
    }

    /// The collection.
    pub fn id(&self) -> CollectionId {
        self.lock.id()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.lock.name()
    }

    /// Its owner.
    pub fn owner_id(&self) -> UserId {
        self.lock.owner_id()
    }

    /// Whether it is deleted and not yet purged.
    pub fn is_deleted(&self) -> bool {
        self.lock.is_deleted()
    }

    /// Gives the transaction back, for a request that turns out to start nothing.
    pub fn into_tx(self) -> T {
        self.tx
    }

    /// Locks the row of one of the collection's sources.
    ///
    /// # Errors
    /// Returns [`StartError::NoSource`] if the collection has no such source.
    pub async fn lock_source(mut self, id: SourceId) -> Result<LockedSource<T>, StartError> {
        let source = self.tx.as_mut().collection_sources().lock(&self.lock, id).await?;
        let source = source.ok_or(StartError::NoSource(id))?;
        Ok(LockedSource { collection: self, source, stopping: Vec::new() })
    }

    /// Adds a source, or gives the source of that path these settings. Returns its locked row and
    /// whether it is new.
    ///
    /// # Errors
    /// Returns [`StartError::Quota`] if the collection has as many sources as it may have.
    pub async fn add_source(mut self, new: &NewSource<'_>) -> Result<(LockedSource<T>, bool), StartError> {
        let (source, is_new) = self.tx().collection_sources().upsert(new).await?;
        if is_new {
            let id = self.id();
            quotas::check_sources(self.tx(), id).await?;
        }
        Ok((LockedSource { collection: self, source, stopping: Vec::new() }, is_new))
    }

    /// Takes the source that the collection's uploads belong to. It is created on first use and does
    /// not count as a source.
    pub async fn lock_upload_source(mut self) -> Result<LockedSource<T>, StartError> {
        let id = self.id();
        // Every transaction that changes or removes a source holds the lock of the collection row, so
        // this one spares the statement that would lock the source row, too.
        let source = self.tx().collection_sources().find_or_create_upload(id).await?;
        Ok(LockedSource { collection: self, source, stopping: Vec::new() })
    }

    /// Takes a source that documents were pushed to, as [`Self::lock_upload_source`] does: what a client pushed is not
    /// refused because the source was removed meanwhile.
    pub async fn lock_push_source(mut self, source: &PushSource) -> Result<LockedSource<T>, StartError> {
        let id = self.id();
        let source = self.tx().collection_sources().find_or_create_push(id, source).await?;
        Ok(LockedSource { collection: self, source, stopping: Vec::new() })
    }

    /// Inserts an operation of the whole collection.
    ///
    /// # Errors
    /// Returns [`StartError::Quota`] if too many operations were started in the last hour, and
    /// [`StartError::Db`] with [`db::operations::Operations::ONE_REINDEX`] if a reindex is open.
    pub async fn start(
        self,
        operation: StartOperation<'_>,
    ) -> Result<(Queued<'_, T>, Operation), StartError> {
        self.insert(operation, None, Vec::new()).await
    }

    /// Starts a sync run: one append operation for each source of the collection that a connector reads.
    ///
    /// # Errors
    /// Returns [`StartError::Quota`] if the operations would be too many for an hour.
    pub async fn start_sync_run(
        mut self,
        triggered_by: SyncTrigger,
        initiator: Initiator<'_>,
    ) -> Result<SyncRunStart<'_, T>, StartError> {
        let requested_by = match initiator {
            Initiator::Caller { actor, .. } | Initiator::Announcer(actor) => Some(actor.user_id),
            Initiator::System { .. } => None,
        };
        let new =
            NewSyncRun { collection_id: self.id(), triggered_by, requested_by, user_id: initiator.user_id() };
        let (run, first_operation) = match self.tx().sync_runs().start(new).await? {
            SyncStart::Started { run, first_operation } => (run, first_operation),
            SyncStart::AlreadyRunning => return Ok(SyncRunStart::AlreadyRunning(self.tx)),
            SyncStart::NoSources => return Ok(SyncRunStart::NoSources(self.tx)),
        };
        let operations = usize::try_from(run.expected_sources).unwrap_or(usize::MAX);
        let id = self.id();
        quotas::check_operations(self.tx(), id, initiator, OperationType::Append, operations).await?;
        let queued = Queued {
            collection: Some((id, self.lock.name().to_owned())),
            tx: self.tx,
            initiator,
            audited: None,
            to_dispatch: vec![first_operation],
        };
        Ok(SyncRunStart::Started(queued, Box::new(run)))
    }

    /// Adds to an operation that is pending instead of starting one. It is not dispatched again.
    pub fn join<'a>(self, initiator: Initiator<'a>, operation_id: OperationId) -> Queued<'a, T> {
        Queued {
            collection: Some((self.lock.id(), self.lock.name().to_owned())),
            tx: self.tx,
            initiator,
            audited: Some(operation_id),
            to_dispatch: Vec::new(),
        }
    }

    async fn insert<'a>(
        mut self,
        operation: StartOperation<'a>,
        source_id: Option<SourceId>,
        mut to_dispatch: Vec<OperationId>,
    ) -> Result<(Queued<'a, T>, Operation), StartError> {
        let StartOperation { operation_type, initiator, config } = operation;
        let id = self.id();
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: id,
            user_id: initiator.user_id(),
            source_id,
            operation_type,
            config,
        };
        let operation = self.tx().operations().insert(&new).await?;
        quotas::check_operations(self.tx(), id, initiator, operation_type, 1).await?;
        to_dispatch.push(operation.id);
        let queued = Queued {
            collection: Some((id, self.lock.name().to_owned())),
            tx: self.tx,
            initiator,
            audited: Some(operation.id),
            to_dispatch,
        };
        Ok((queued, operation))
    }
}

/// The outcome of [`LockedCollection::start_sync_run`].
#[derive(Debug)]
pub enum SyncRunStart<'a, T> {
    /// The run's operations are inserted; the first of them is dispatched after the commit.
    Started(Queued<'a, T>, Box<SyncRun>),
    /// The collection's last run has not ended.
    AlreadyRunning(T),
    /// The collection has no source that a connector reads.
    NoSources(T),
}

impl<T: AsMut<Tx>> LockedSource<T> {
    /// The transaction, for what changes together with the operation.
    pub fn tx(&mut self) -> &mut Tx {
        self.collection.tx()
    }

    /// The source as it is under the lock.
    pub fn source(&self) -> &CollectionSource {
        &self.source
    }

    /// Gives the transaction back, for a request that turns out to start nothing.
    pub fn into_tx(self) -> T {
        self.collection.into_tx()
    }

    /// Cancels the operations that read this source. Those that run stop before their next item.
    pub async fn cancel_readings(mut self) -> Result<Self, StartError> {
        let source_id = self.source.id;
        let readings = self.tx().operations().list_open_readings(source_id).await?;
        for reading in readings {
            let is_running = self.tx().operations().cancel_pending(reading).await?.is_none()
                && self.tx().operations().request_cancel(reading).await?;
            if is_running {
                self.stopping.push(reading);
            }
        }
        Ok(self)
    }

    /// Inserts an operation of this source. After the commit, the operations that
    /// [`Self::cancel_readings`] asked to stop are dispatched before it.
    ///
    /// # Errors
    /// Returns [`StartError::Quota`] if too many operations were started in the last hour.
    pub async fn start(
        self,
        operation: StartOperation<'_>,
    ) -> Result<(Queued<'_, T>, Operation), StartError> {
        self.collection.insert(operation, Some(self.source.id), self.stopping).await
    }
}

impl<T: AsMut<Tx>> Queued<'_, T> {
    /// The transaction, to fill the operation's work list.
    pub fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut()
    }

    /// Writes the audit entry. `details` is an object without secrets.
    pub async fn audit(mut self, action: &str, details: &Value) -> Result<Audited<T>, DbError> {
        let (actor, client) = match self.initiator {
            Initiator::Caller { actor, client } => (Some(actor), Some(client)),
            Initiator::Announcer(actor) => (Some(actor), None),
            Initiator::System { .. } => (None, None),
        };
        let entry = AuditEntry {
            collection_id: self.collection.as_ref().map(|(id, _)| *id),
            collection_name: self.collection.as_ref().map(|(_, name)| name.as_str()),
            operation_id: self.audited,
            actor,
            action,
            details,
            ip_address: client.and_then(|client| client.ip_address.as_deref()),
            user_agent: client.and_then(|client| client.user_agent.as_deref()),
            request_id: client.map(|client| client.request_id.as_str()),
        };
        self.tx.as_mut().audit_log().insert(&entry).await?;
        Ok(Audited { tx: self.tx, to_dispatch: self.to_dispatch })
    }
}

impl<T> Audited<T> {
    /// Arms sweep, commits by the given function, dispatches, and returns what the function returned.
    ///
    /// # Errors
    /// Returns the function's error. A message that cannot be sent is no error: sweep sends it.
    pub async fn commit_with<R, E, F>(
        self,
        db: &Db,
        queues: &Queues,
        commit: impl FnOnce(T) -> F,
    ) -> Result<R, E>
    where
        F: Future<Output = Result<R, E>>,
    {
        send::arm_sweep(queues).await;
        let output = commit(self.tx).await?;
        lambda::fault::point("api-committed");
        Committed { to_dispatch: self.to_dispatch }.dispatch(db, queues).await;
        Ok(output)
    }
}

impl Audited<Tx> {
    /// Arms sweep and commits. What is left is to send the messages.
    pub async fn commit(self, queues: &Queues) -> Result<Committed, DbError> {
        send::arm_sweep(queues).await;
        self.tx.commit().await?;
        Ok(Committed { to_dispatch: self.to_dispatch })
    }
}

impl Committed {
    /// The operations whose messages are to be sent.
    pub fn operations(&self) -> &[OperationId] {
        &self.to_dispatch
    }

    /// Sends the messages. The operations are safe in the database: a message that cannot be sent
    /// is logged and left to sweep.
    pub async fn dispatch(self, db: &Db, queues: &Queues) {
        send::dispatch_or_leave(db, queues, &self.to_dispatch).await;
    }
}

/// Sends the messages of many transactions together.
///
/// # Errors
/// Returns the queue's error if not all messages are sent. Sweep sends the others.
pub async fn dispatch_all(db: &Db, queues: &Queues, committed: Vec<Committed>) -> Result<(), StageError> {
    let ids: Vec<OperationId> = committed.into_iter().flat_map(|committed| committed.to_dispatch).collect();
    send::dispatch(db, queues, &ids).await
}
