//! One collection: the engine's shard and its journal.
//!
//! All methods block; the services call them on blocking threads. Reads run concurrently with each other and
//! with writes; writes run one at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use qdrant_client::qdrant::{self as proto, PointsUpdateOperation};
use qdrant_edge::{
    CountRequest, CreateIndex, EdgeConfig, EdgeShard, FieldIndexOperations, Filter, PointId, QueryRequest,
    Record as StoredPoint, ScoredPoint, ScrollRequest, UpdateOperation, VectorInternal, VectorStructInternal,
    WithPayloadInterface, WithVector,
};

use crate::convert_config::{collection_config, engine_config};
use crate::convert_filter::{filter, json_path, point_id_to_proto};
use crate::convert_index::{field_schema, schema_info};
use crate::convert_query::QueryContext;
use crate::convert_update::{resolve_selector, update_operation};
use crate::error::LocalError;
use crate::journal::{Journal, Record};
use crate::maintenance::{Maintained, Maintenance, Phase};
use crate::recovery;
use crate::strict::{Indexes, StrictMode, check_filter};

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    definition: proto::CreateCollection,
    config: EdgeConfig,
    strict: StrictMode,
    indexes: RwLock<Indexes>,
    /// Locked by each write, and whenever writes must be blocked.
    writer: Mutex<Journal>,
    /// Locked while the engine's files are flushed, optimized or copied.
    pub(crate) files: Mutex<()>,
    pub(crate) maintenance: Maintenance,
    pub(crate) shard: EdgeShard,
    /// After the shard, so that it is dropped, and the directory deleted, after the shard is closed.
    dir: CollectionDir,
}

impl Collection {
    /// Creates an empty collection in the directory `dir`.
    pub fn create(dir: PathBuf, definition: proto::CreateCollection) -> Result<Arc<Self>, LocalError> {
        let config = engine_config(&definition)?;
        let shard_dir = recovery::shard_dir(&dir);
        std::fs::create_dir_all(&shard_dir).map_err(LocalError::file("creating", &shard_dir))?;
        let shard = EdgeShard::new(&shard_dir, config.clone())?;
        let journal = Journal::open(&recovery::journal_dir(&dir), |_| {
            Err(LocalError::Internal("a new collection already has a journal".to_owned()))
        })?;
        Ok(Self::start(dir, definition, config, shard, journal))
    }

    /// Opens a collection and applies what a crashed process had not flushed.
    pub fn open(dir: PathBuf, definition: proto::CreateCollection) -> Result<Arc<Self>, LocalError> {
        let config = engine_config(&definition)?;
        let (shard, journal) = recovery::open(&dir)?;
        Ok(Self::start(dir, definition, config, shard, journal))
    }

    fn start(
        dir: PathBuf,
        definition: proto::CreateCollection,
        config: EdgeConfig,
        shard: EdgeShard,
        journal: Journal,
    ) -> Arc<Self> {
        let schema = shard.info().payload_schema;
        let indexes = schema.into_iter().filter_map(|(key, info)| {
            let schema = qdrant_edge::PayloadFieldSchema::try_from(info);
            schema.ok().map(|schema| (key, schema))
        });
        let collection = Arc::new(Self {
            strict: StrictMode::new(definition.strict_mode_config.as_ref()),
            indexes: RwLock::new(indexes.collect()),
            definition,
            config,
            writer: Mutex::new(journal),
            files: Mutex::new(()),
            maintenance: Maintenance::default(),
            shard,
            dir: CollectionDir { path: dir, remove: Mutex::new(false) },
        });
        Maintenance::start(&collection);
        collection
    }

    /// Applies a change of points and returns its sequence number. When this returns, the change is in the journal
    /// and visible to reads.
    pub fn update(&self, mut operation: PointsUpdateOperation) -> Result<u64, LocalError> {
        let mut journal = self.writer.lock();
        resolve_selector(&mut operation, |selected| {
            let selected = filter(selected)?;
            if self.strict.updates {
                check_filter(&selected, &self.indexes.read())?;
            }
            let ids = recovery::ids_matching(&self.shard, Some(&selected))?;
            Ok(ids.into_iter().map(point_id_to_proto).collect())
        })?;
        let change = update_operation(operation.clone(), &self.config)?;
        self.write(&mut journal, &Record::Points(operation), change)
    }

    /// Creates a payload index and returns the sequence number of the change.
    pub fn create_index(&self, request: proto::CreateFieldIndexCollection) -> Result<u64, LocalError> {
        let field_name = json_path(&request.field_name)?;
        let schema = field_schema(&request)?;
        let change = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: field_name.clone(),
            field_schema: Some(schema.clone()),
        }));
        let mut journal = self.writer.lock();
        let sequence = self.write(&mut journal, &Record::CreateIndex(request), change)?;
        self.indexes.write().insert(field_name, schema);
        Ok(sequence)
    }

    /// Deletes a payload index, if it exists, and returns the sequence number of the change.
    pub fn delete_index(&self, request: proto::DeleteFieldIndexCollection) -> Result<u64, LocalError> {
        let field_name = json_path(&request.field_name)?;
        let operation = FieldIndexOperations::DeleteIndex(field_name.clone());
        let change = UpdateOperation::FieldIndexOperation(operation);
        let mut journal = self.writer.lock();
        let sequence = self.write(&mut journal, &Record::DeleteIndex(request), change)?;
        self.indexes.write().remove(&field_name);
        Ok(sequence)
    }

    /// Returns the points with these ids that exist, in this order.
    pub fn retrieve(
        &self,
        ids: &[PointId],
        with_payload: WithPayloadInterface,
        with_vector: WithVector,
    ) -> Result<Vec<StoredPoint>, LocalError> {
        Ok(self.shard.retrieve(ids, Some(with_payload), Some(with_vector))?)
    }

    /// Returns a page of points, and the offset of the next page.
    pub fn scroll(&self, request: ScrollRequest) -> Result<(Vec<StoredPoint>, Option<PointId>), LocalError> {
        if let Some(filter) = &request.filter {
            self.check_filter(filter)?;
        }
        Ok(self.shard.scroll(request)?)
    }

    /// Counts the points that match.
    pub fn count(&self, filter: Option<Filter>, exact: bool) -> Result<usize, LocalError> {
        if let Some(filter) = &filter {
            self.check_filter(filter)?;
        }
        Ok(self.shard.count(CountRequest { filter, exact })?)
    }

    /// Returns the best points, best first.
    pub fn query(&self, request: QueryRequest) -> Result<Vec<ScoredPoint>, LocalError> {
        let (offset, limit) = (request.offset, request.limit);
        let points = self.shard.query(request)?;
        Ok(points.into_iter().skip(offset).take(limit).collect())
    }

    /// Returns the collection's info.
    pub fn info(&self) -> proto::CollectionInfo {
        let info = self.shard.info();
        let failure = self.maintenance.failure();
        let status = match self.maintenance.phase() {
            _ if failure.is_some() => proto::CollectionStatus::Red,
            Phase::Idle => proto::CollectionStatus::Green,
            Phase::Pending | Phase::Running => proto::CollectionStatus::Yellow,
        };
        let schema = info.payload_schema.iter();
        let schema = schema.map(|(key, index)| (key.to_string(), schema_info(index)));
        proto::CollectionInfo {
            status: status as i32,
            optimizer_status: Some(proto::OptimizerStatus {
                ok: failure.is_none(),
                error: failure.unwrap_or_default(),
            }),
            segments_count: info.segments_count as u64,
            config: Some(collection_config(&self.definition, &self.config)),
            payload_schema: schema.collect::<HashMap<_, _>>(),
            points_count: Some(info.points_count as u64),
            indexed_vectors_count: Some(info.indexed_vectors_count as u64),
            warnings: Vec::new(),
            update_queue: Some(proto::UpdateQueueInfo { length: 0, deferred_points: None }),
            created_at: None,
        }
    }

    /// Flushes everything to the engine's files, runs `work` on the collection's directory, and then discards the
    /// journal up to the flush. The caller must have locked `files`. Blocks writes.
    pub(crate) fn with_flushed_files<T>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, LocalError>,
    ) -> Result<T, LocalError> {
        let mut journal = self.writer.lock();
        journal.rotate()?;
        recovery::flush(&self.shard)?;
        let result = work(&self.dir.path)?;
        journal.discard_older()?;
        drop(journal);
        recovery::trim_engine_log(&self.dir.path)?;
        Ok(result)
    }

    /// Runs the engine's optimizers until there is nothing left to optimize; returns whether they did anything. The
    /// caller must have locked `files`.
    fn optimize(&self) -> Result<bool, LocalError> {
        recovery::while_optimizing(&self.dir.path, || Ok(self.shard.optimize()?))
    }

    fn checkpoint(&self) -> Result<(), LocalError> {
        self.with_flushed_files(|_| Ok(()))
    }

    /// Returns the request that created this collection.
    pub fn definition(&self) -> &proto::CreateCollection {
        &self.definition
    }

    /// Deletes the collection's files when its last user drops it.
    pub fn remove_files_when_unused(&self) {
        *self.dir.remove.lock() = true;
        self.maintenance.stop();
    }

    fn write(
        &self,
        journal: &mut Journal,
        record: &Record,
        change: UpdateOperation,
    ) -> Result<u64, LocalError> {
        let sequence = journal.append(record)?;
        self.shard.update(change)?;
        self.maintenance.mark_dirty();
        Ok(sequence)
    }
}

impl Maintained for Collection {
    fn maintenance(&self) -> &Maintenance {
        &self.maintenance
    }

    fn name(&self) -> &str {
        &self.definition.collection_name
    }

    fn maintain(&self, may_optimize: bool) -> Result<(), LocalError> {
        let _files = self.files.lock();
        self.checkpoint()?;
        if !may_optimize {
            return Ok(());
        }
        let start = Instant::now();
        if self.optimize()? {
            self.checkpoint()?;
            let elapsed_ms = start.elapsed().as_millis();
            tracing::info!(collection.name = self.name(), elapsed_ms, "optimized");
        }
        Ok(())
    }
}

impl QueryContext for Collection {
    fn config(&self) -> &EdgeConfig {
        &self.config
    }

    fn stored_vector(&self, id: PointId, name: &str) -> Result<VectorInternal, LocalError> {
        let with_vector = WithVector::Selector(vec![name.to_owned()]);
        let points = self.retrieve(&[id], WithPayloadInterface::Bool(false), with_vector)?;
        let Some(point) = points.into_iter().next() else {
            return Err(LocalError::NotFound(format!("No point with id {id} found")));
        };
        let vector = match point.vector {
            Some(VectorStructInternal::Single(values)) => Some(VectorInternal::Dense(values)),
            Some(VectorStructInternal::MultiDense(multi)) => Some(VectorInternal::MultiDense(multi)),
            Some(VectorStructInternal::Named(mut named)) => named.remove(name),
            None => None,
        };
        vector.ok_or_else(|| {
            LocalError::BadInput(format!("Vector with name {name:?} for point {id} not found"))
        })
    }

    fn check_filter(&self, filter: &Filter) -> Result<(), LocalError> {
        if self.strict.reads { check_filter(filter, &self.indexes.read()) } else { Ok(()) }
    }
}

/// A collection's directory. It can outlive the collection's name, but not its last user.
#[derive(Debug)]
struct CollectionDir {
    path: PathBuf,
    remove: Mutex<bool>,
}

impl Drop for CollectionDir {
    fn drop(&mut self) {
        if *self.remove.get_mut()
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            // The next start deletes it, because no collection refers to it.
            tracing::warn!(path = %self.path.display(), %error, "cannot delete the directory of a deleted collection");
        }
    }
}
