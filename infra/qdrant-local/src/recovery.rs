//! Recovery: opening a collection's files after a crash.

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

/// Ids per page when all of them are read.
const ID_PAGE: usize = 10_000;
/// Points per page when duplicates are removed.
const REPAIR_PAGE: usize = 100;

/// Returns the directory of the engine's files.
pub fn shard_dir(dir: &Path) -> PathBuf {
    dir.join("shard")
}

/// Returns the directory of the journal.
pub fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// Opens a collection's shard and applies the records of its journal that the engine had not flushed.
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
        let rewritten = remove_duplicates(&shard, &mut journal)?;
        journal.rotate()?;
        flush(&shard)?;
        journal.discard_older()?;
        remove_marker(dir)?;
        tracing::info!(
            path = %dir.display(),
            applied,
            rewritten,
            "applied the journal of a process that was not shut down"
        );
    }
    Ok((shard, journal))
}

/// Flushes everything to the engine's files. Neither writes nor optimizers may run meanwhile: the engine panics
/// instead of waiting.
pub fn flush(shard: &EdgeShard) -> Result<(), LocalError> {
    catch_unwind(AssertUnwindSafe(|| shard.flush()))
        .map_err(|_| LocalError::Internal("the engine cannot flush its files".to_owned()))
}

/// Runs `work` while a marker file exists, which shows a later process that it was interrupted.
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

/// Returns the ids of all points that match, without duplicates.
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

/// Deletes the closed files of the engine's own write-ahead log except the newest. The engine neither reads nor
/// trims it, but numbers new operations after the newest ones.
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

/// Deletes segments that an interrupted optimizer left unfinished.
fn remove_unfinished_segments(shard_dir: &Path) -> Result<(), LocalError> {
    let unfinished = shard_dir.join("temp_segments");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(LocalError::file("deleting", &unfinished))?;
    }
    Ok(())
}

/// Creates the payload indexes again: the engine does not add them to a new writable segment of a shard that had
/// none.
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
        // The engine rejected this record when it was written, too.
        Err(error) if error.code() != Code::Internal => {
            tracing::debug!(%error, "the engine rejected a journal record");
            Ok(())
        }
        result => result,
    }
}

/// Removes duplicates by rewriting the points; returns how many. If the process was killed between writing an
/// optimized segment and deleting the segments that it replaces, points exist in both.
fn remove_duplicates(shard: &EdgeShard, journal: &mut Journal) -> Result<usize, LocalError> {
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
        // Both are in the journal before the first is applied: if the process is killed in between, the next
        // start applies both again.
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
