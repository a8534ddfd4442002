//! What stands between the engine's files and a process that may be killed at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use qdrant_client::qdrant::PointsUpdateOperation;
use qdrant_client::qdrant::points_update_operation::{DeletePoints, Operation, PointStructList};
use qdrant_edge::{
    Condition, CountRequest, CreateIndex, EdgeShard, FieldIndexOperations, Filter, HasIdCondition,
    PayloadFieldSchema, PointId, ScrollRequest, UpdateOperation, WithPayloadInterface, WithVector,
};
use tonic::Code;

use crate::convert_filter::{json_path, point_id_to_proto};
use crate::convert_index::field_schema;
use crate::convert_point::record_to_point;
use crate::convert_update::update_operation;
use crate::error::LocalError;
use crate::journal::{Journal, Record};

/// Ids read at once when all of them are needed.
const ID_PAGE: usize = 10_000;
/// Points rewritten at once when copies of them have to go.
const REPAIR_PAGE: usize = 100;

/// Where the engine keeps a collection's files.
pub fn shard_dir(dir: &Path) -> PathBuf {
    dir.join("shard")
}

/// Where a collection's journal lies.
pub fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// Opens a collection's shard and applies what its journal holds beyond the engine's files.
pub fn open(dir: &Path) -> Result<(EdgeShard, Journal), LocalError> {
    let shard_dir = shard_dir(dir);
    remove_unfinished_segments(&shard_dir)?;
    trim_engine_log(dir)?;
    let shard = EdgeShard::load(&shard_dir, None)?;
    restore_indexes(&shard)?;

    let mut applied = 0_u64;
    let mut journal = Journal::open(&journal_dir(dir), |record| {
        applied += 1;
        apply(&shard, record)
    })?;
    let was_optimizing = optimizing_marker(dir).exists();
    if applied > 0 || was_optimizing {
        let rewritten = remove_copies(&shard, &mut journal)?;
        journal.rotate()?;
        flush(&shard)?;
        journal.discard_older()?;
        remove_marker(dir)?;
        tracing::info!(
            path = %dir.display(),
            applied,
            rewritten,
            "applied the journal of a process that did not shut down"
        );
    }
    Ok((shard, journal))
}

/// Has the engine write everything it holds to its files. No write may run meanwhile, nor may
/// the optimizers: the engine panics instead of waiting for them.
pub fn flush(shard: &EdgeShard) -> Result<(), LocalError> {
    catch_unwind(AssertUnwindSafe(|| shard.flush()))
        .map_err(|_| LocalError::Internal("the engine could not flush its files".to_owned()))
}

/// Runs `work` with a marker in the folder that says so, should the process not survive it.
pub fn while_optimizing<T>(
    dir: &Path,
    work: impl FnOnce() -> Result<T, LocalError>,
) -> Result<T, LocalError> {
    let marker = optimizing_marker(dir);
    fs::write(&marker, []).map_err(LocalError::file("creating", &marker))?;
    let result = work()?;
    remove_marker(dir)?;
    Ok(result)
}

/// The ids of all points that match, each once.
pub fn ids_matching(shard: &EdgeShard, filter: Option<&Filter>) -> Result<Vec<PointId>, LocalError> {
    let mut ids = Vec::new();
    let mut offset = None;
    loop {
        let (points, next) = shard.scroll(ScrollRequest {
            offset,
            limit: Some(ID_PAGE),
            filter: filter.cloned(),
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        })?;
        ids.extend(points.into_iter().map(|point| point.id));
        match next {
            Some(next) => offset = Some(next),
            None => return Ok(ids),
        }
    }
}

/// Deletes all but the newest closed files of the engine's own log, which it neither reads nor
/// trims. The newest ones stay: new operations are numbered after them.
pub fn trim_engine_log(dir: &Path) -> Result<(), LocalError> {
    let log_dir = shard_dir(dir).join("wal");
    if !log_dir.exists() {
        return Ok(());
    }
    let mut closed = BTreeMap::new();
    for entry in fs::read_dir(&log_dir).map_err(LocalError::file("listing", &log_dir))? {
        let path = entry.map_err(LocalError::file("listing", &log_dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(start) = name.strip_prefix("closed-").and_then(|start| start.parse().ok()) {
            let start: u64 = start;
            closed.insert(start, path);
        }
    }
    closed.pop_last();
    for path in closed.into_values() {
        fs::remove_file(&path).map_err(LocalError::file("deleting", path))?;
    }
    Ok(())
}

fn optimizing_marker(dir: &Path) -> PathBuf {
    dir.join("optimizing")
}

fn remove_marker(dir: &Path) -> Result<(), LocalError> {
    let marker = optimizing_marker(dir);
    match fs::remove_file(&marker) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LocalError::file("deleting", marker)(error))
        }
        _ => Ok(()),
    }
}

/// Segments that a killed optimizer had not finished lie in a folder of their own.
fn remove_unfinished_segments(shard_dir: &Path) -> Result<(), LocalError> {
    let unfinished = shard_dir.join("temp_segments");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(LocalError::file("deleting", &unfinished))?;
    }
    Ok(())
}

/// The engine gives a shard without a writable segment a new one, without the payload indexes
/// of the others.
fn restore_indexes(shard: &EdgeShard) -> Result<(), LocalError> {
    for (field_name, info) in shard.info().payload_schema {
        let field_schema = Some(PayloadFieldSchema::try_from(info).map_err(LocalError::Internal)?);
        let index = CreateIndex { field_name, field_schema };
        let change = FieldIndexOperations::CreateIndex(index);
        shard.update(UpdateOperation::FieldIndexOperation(change))?;
    }
    Ok(())
}

fn apply(shard: &EdgeShard, record: Record) -> Result<(), LocalError> {
    let change = match record {
        Record::Points(operation) => update_operation(operation, &shard.config())?,
        Record::CreateIndex(request) => {
            UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
                field_name: json_path(&request.field_name)?,
                field_schema: Some(field_schema(&request)?),
            }))
        }
        Record::DeleteIndex(request) => UpdateOperation::FieldIndexOperation(
            FieldIndexOperations::DeleteIndex(json_path(&request.field_name)?),
        ),
    };
    match shard.update(change).map_err(LocalError::from) {
        // What the engine refused, it refused when the client asked too.
        Err(error) if error.code() != Code::Internal => {
            tracing::debug!(%error, "the engine refused a journal record");
            Ok(())
        }
        result => result,
    }
}

/// A process killed between the writing of an optimised segment and the deletion of the
/// segments it replaces leaves points in both. Rewrites these points, and returns how many.
fn remove_copies(shard: &EdgeShard, journal: &mut Journal) -> Result<usize, LocalError> {
    let ids = ids_matching(shard, None)?;
    if shard.count(CountRequest { filter: None, exact: true })? == ids.len() {
        return Ok(0);
    }
    let mut rewritten = 0;
    for page in ids.chunks(REPAIR_PAGE) {
        let condition = Condition::HasId(HasIdCondition::from_iter(page.iter().copied()));
        let filter = Some(Filter::new_must(condition));
        if shard.count(CountRequest { filter, exact: true })? == page.len() {
            continue;
        }
        let payload = Some(WithPayloadInterface::Bool(true));
        let points = shard.retrieve(page, payload, Some(WithVector::Bool(true)))?;
        let ids: Vec<_> = page.iter().copied().map(point_id_to_proto).collect();
        let delete = Operation::DeletePoints(DeletePoints { points: Some(ids.into()), ..Default::default() });
        let upsert = Operation::Upsert(PointStructList {
            points: points.into_iter().map(record_to_point).collect(),
            ..Default::default()
        });
        // Both are in the journal before the first takes effect: killed in between, the next
        // start does both again.
        let records = [delete, upsert]
            .map(|operation| Record::Points(PointsUpdateOperation { operation: Some(operation) }));
        for record in &records {
            journal.append(record)?;
        }
        for record in records {
            apply(shard, record)?;
        }
        rewritten += page.len();
    }
    Ok(rewritten)
}
