//! One collection: the engine's shard, its journal and what clients may ask of it.
//!
//! All methods block; the services call them off the async threads. Reads run at the same time
//! as each other and as writes; writes run one after another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use crate::recovery;
use crate::strict::{Indexes, StrictMode, check_filter};
use crate::upkeep::{Phase, Upkeep};

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    definition: proto::CreateCollection,
    config: EdgeConfig,
    strict: StrictMode,
    indexes: RwLock<Indexes>,
    /// Held for each write, and for as long as nothing may be written.
    writer: Mutex<Journal>,
    /// Held while the engine's files are flushed, optimised or copied.
    pub(crate) files: Mutex<()>,
    pub(crate) upkeep: Upkeep,
    pub(crate) shard: EdgeShard,
    /// After the shard, so that it goes when the shard is closed.
    dir: CollectionDir,
}

impl Collection {
    /// Makes a new, empty collection in the folder `dir`.
    pub fn create(dir: PathBuf, definition: proto::CreateCollection) -> Result<Arc<Self>, LocalError> {
        let config = engine_config(&definition)?;
        let shard_dir = recovery::shard_dir(&dir);
        std::fs::create_dir_all(&shard_dir).map_err(LocalError::file("creating", &shard_dir))?;
        let shard = EdgeShard::new(&shard_dir, config.clone())?;
        let journal = Journal::open(&recovery::journal_dir(&dir), |_| {
            Err(LocalError::Internal("a new collection has a journal already".to_owned()))
        })?;
        Ok(Self::start(dir, definition, config, shard, journal))
    }

    /// Opens a collection, bringing back what a killed process had not flushed.
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
            upkeep: Upkeep::default(),
            shard,
            dir: CollectionDir { path: dir, remove: Mutex::new(false) },
        });
        Upkeep::start(&collection);
        collection
    }

    /// Applies a change of points and returns its sequence number. It is in the journal, and
    /// visible to reads, when this returns.
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

    /// Makes a payload index and returns the change's sequence number.
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

    /// Removes a payload index, if there is one, and returns the change's sequence number.
    pub fn delete_index(&self, request: proto::DeleteFieldIndexCollection) -> Result<u64, LocalError> {
        let field_name = json_path(&request.field_name)?;
        let operation = FieldIndexOperations::DeleteIndex(field_name.clone());
        let change = UpdateOperation::FieldIndexOperation(operation);
        let mut journal = self.writer.lock();
        let sequence = self.write(&mut journal, &Record::DeleteIndex(request), change)?;
        self.indexes.write().remove(&field_name);
        Ok(sequence)
    }

    /// The points of these ids, in this order, without those that do not exist.
    pub fn retrieve(
        &self,
        ids: &[PointId],
        with_payload: WithPayloadInterface,
        with_vector: WithVector,
    ) -> Result<Vec<StoredPoint>, LocalError> {
        Ok(self.shard.retrieve(ids, Some(with_payload), Some(with_vector))?)
    }

    /// A page of points, and where the next one starts.
    pub fn scroll(&self, request: ScrollRequest) -> Result<(Vec<StoredPoint>, Option<PointId>), LocalError> {
        if let Some(filter) = &request.filter {
            self.check_filter(filter)?;
        }
        Ok(self.shard.scroll(request)?)
    }

    /// How many points match.
    pub fn count(&self, filter: Option<Filter>, exact: bool) -> Result<usize, LocalError> {
        if let Some(filter) = &filter {
            self.check_filter(filter)?;
        }
        Ok(self.shard.count(CountRequest { filter, exact })?)
    }

    /// The best points, best first.
    pub fn query(&self, request: QueryRequest) -> Result<Vec<ScoredPoint>, LocalError> {
        let (offset, limit) = (request.offset, request.limit);
        let points = self.shard.query(request)?;
        Ok(points.into_iter().skip(offset).take(limit).collect())
    }

    /// What "get info" answers.
    pub fn info(&self) -> proto::CollectionInfo {
        let info = self.shard.info();
        let failure = self.upkeep.failure();
        let status = match self.upkeep.phase() {
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

    /// Has the engine write everything to its files, then forgets the journal before that.
    /// The caller holds `files`; writes wait meanwhile.
    pub(crate) fn checkpoint(&self) -> Result<(), LocalError> {
        self.with_flushed_files(|_| Ok(()))
    }

    /// Flushes as [`Self::checkpoint`] does, and runs `work` on the collection's folder before the
    /// next write.
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

    /// Runs the engine's optimizers until they have nothing left to do; whether they did
    /// anything. The caller holds `files`.
    pub(crate) fn optimize(&self) -> Result<bool, LocalError> {
        recovery::while_optimizing(&self.dir.path, || Ok(self.shard.optimize()?))
    }

    /// The request that made this collection.
    pub fn definition(&self) -> &proto::CreateCollection {
        &self.definition
    }

    /// Deletes the collection's files as soon as nobody uses it any more.
    pub fn remove_files_when_unused(&self) {
        *self.dir.remove.lock() = true;
        self.upkeep.stop();
    }

    fn write(
        &self,
        journal: &mut Journal,
        record: &Record,
        change: UpdateOperation,
    ) -> Result<u64, LocalError> {
        let sequence = journal.append(record)?;
        self.shard.update(change)?;
        self.upkeep.mark_dirty();
        Ok(sequence)
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

/// A collection's folder, which may outlive its name but not its last user.
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
            // The next start removes it: no collection refers to it any more.
            tracing::warn!(path = %self.path.display(), %error, "folder left behind");
        }
    }
}
