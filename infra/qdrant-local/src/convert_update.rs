//! Changes of points: from Qdrant's messages to the engine's operations.

use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_update_operation::{self as op, Operation};
use qdrant_client::qdrant::{self as proto, PointsSelector, PointsUpdateOperation};
use qdrant_edge::{
    DeletePayloadOp, EdgeConfig, OperationError, PayloadOps, PointId, PointIdsList, PointInsertOperations,
    PointOperations, PointVectorsPersisted, SetPayloadOp, UpdateOperation, UpdateVectorsOp, VectorOperations,
    VectorPersisted, VectorStructPersisted,
};

use crate::convert_filter::{json_path, point_id};
use crate::convert_point::{payload_from_proto, point, vectors};
use crate::error::LocalError;

/// Converts an operation. Its selectors must contain ids, see [`resolve_selector`].
pub fn update_operation(
    operation: PointsUpdateOperation,
    config: &EdgeConfig,
) -> Result<UpdateOperation, LocalError> {
    let Some(operation) = operation.operation else {
        return Err(LocalError::BadInput("Malformed PointsUpdateOperation type".to_owned()));
    };
    Ok(match operation {
        Operation::Upsert(list) => {
            reject_conditional(list.update_filter.is_some() || list.update_mode.unwrap_or(0) != 0)?;
            let points = list.points.into_iter().map(point).collect::<Result<Vec<_>, _>>()?;
            for point in &points {
                check_vectors(&point.vector, config)?;
            }
            let points = PointInsertOperations::PointsList(points);
            UpdateOperation::PointOperation(PointOperations::UpsertPoints(points))
        }
        Operation::DeletePoints(op::DeletePoints { points, .. }) => {
            let ids = selected_ids(points)?;
            UpdateOperation::PointOperation(PointOperations::DeletePoints { ids })
        }
        Operation::UpdateVectors(update) => {
            reject_conditional(update.update_filter.is_some())?;
            let points = update.points.into_iter().map(|point| point_vectors(point, config));
            UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(UpdateVectorsOp {
                points: points.collect::<Result<_, _>>()?,
                update_filter: None,
            }))
        }
        Operation::DeleteVectors(delete) => {
            let names = delete.vectors.unwrap_or_default().names;
            for name in &names {
                check_name(name, config)?;
            }
            let ids = PointIdsList::from(selected_ids(delete.points_selector)?);
            UpdateOperation::VectorOperation(VectorOperations::DeleteVectors(ids, names))
        }
        Operation::SetPayload(set) => {
            UpdateOperation::PayloadOperation(PayloadOps::SetPayload(SetPayloadOp {
                payload: payload_from_proto(set.payload),
                points: Some(selected_ids(set.points_selector)?),
                filter: None,
                key: set.key.as_deref().map(json_path).transpose()?,
            }))
        }
        Operation::OverwritePayload(overwrite) => {
            UpdateOperation::PayloadOperation(PayloadOps::OverwritePayload(SetPayloadOp {
                payload: payload_from_proto(overwrite.payload),
                points: Some(selected_ids(overwrite.points_selector)?),
                filter: None,
                key: overwrite.key.as_deref().map(json_path).transpose()?,
            }))
        }
        Operation::DeletePayload(delete) => {
            let keys = delete.keys.iter().map(|key| json_path(key));
            UpdateOperation::PayloadOperation(PayloadOps::DeletePayload(DeletePayloadOp {
                keys: keys.collect::<Result<_, _>>()?,
                points: Some(selected_ids(delete.points_selector)?),
                filter: None,
            }))
        }
        Operation::ClearPayload(op::ClearPayload { points, .. }) => {
            let points = selected_ids(points)?;
            UpdateOperation::PayloadOperation(PayloadOps::ClearPayload { points })
        }
        other => return Err(LocalError::unsupported(format!("the deprecated operation {other:?}"))),
    })
}

/// Replaces the filter in an operation's selector by the ids of the points that `matching` finds, so that applying
/// the operation again cannot select other points.
pub fn resolve_selector(
    operation: &mut PointsUpdateOperation,
    matching: impl FnOnce(proto::Filter) -> Result<Vec<proto::PointId>, LocalError>,
) -> Result<(), LocalError> {
    let selector = match &mut operation.operation {
        Some(Operation::DeletePoints(delete)) => &mut delete.points,
        Some(Operation::ClearPayload(clear)) => &mut clear.points,
        Some(Operation::SetPayload(set)) => &mut set.points_selector,
        Some(Operation::OverwritePayload(overwrite)) => &mut overwrite.points_selector,
        Some(Operation::DeletePayload(delete)) => &mut delete.points_selector,
        Some(Operation::DeleteVectors(delete)) => &mut delete.points_selector,
        _ => return Ok(()),
    };
    if let Some(PointsSelectorOneOf::Filter(filter)) =
        selector.as_mut().and_then(|selector| selector.points_selector_one_of.as_mut())
    {
        let ids = matching(std::mem::take(filter))?;
        *selector = Some(PointsSelectorOneOf::Points(proto::PointsIdsList { ids }).into());
    }
    Ok(())
}

/// Rejects vectors that do not match the collection's configuration.
pub fn check_vectors(vectors: &VectorStructPersisted, config: &EdgeConfig) -> Result<(), LocalError> {
    match vectors {
        VectorStructPersisted::Single(values) => {
            check_dense(qdrant_edge::DEFAULT_VECTOR_NAME, values.len(), config)
        }
        VectorStructPersisted::MultiDense(_) => Err(LocalError::unsupported("multivectors")),
        VectorStructPersisted::Named(named) => named.iter().try_for_each(|(name, vector)| match vector {
            VectorPersisted::Dense(values) => check_dense(name, values.len(), config),
            VectorPersisted::Sparse(_) => check_sparse(name, config),
            VectorPersisted::MultiDense(_) => Err(LocalError::unsupported("multivectors")),
        }),
    }
}

/// Rejects a dense vector with the wrong name, kind or dimension.
pub fn check_dense(name: &str, received_dim: usize, config: &EdgeConfig) -> Result<(), LocalError> {
    match config.vectors.get(name) {
        Some(params) if params.size == received_dim => Ok(()),
        Some(params) => {
            let expected_dim = params.size;
            Err(OperationError::WrongVectorDimension { expected_dim, received_dim }.into())
        }
        None => Err(wrong_kind_or_name(name, config)),
    }
}

/// Rejects a sparse vector with the wrong name or kind.
pub fn check_sparse(name: &str, config: &EdgeConfig) -> Result<(), LocalError> {
    if config.sparse_vectors.contains_key(name) { Ok(()) } else { Err(wrong_kind_or_name(name, config)) }
}

/// Rejects the name of a vector that the collection does not have.
pub fn check_name(name: &str, config: &EdgeConfig) -> Result<(), LocalError> {
    if config.vectors.contains_key(name) || config.sparse_vectors.contains_key(name) {
        Ok(())
    } else {
        let received_name = name.to_owned();
        Err(OperationError::VectorNameNotExists { received_name }.into())
    }
}

fn wrong_kind_or_name(name: &str, config: &EdgeConfig) -> LocalError {
    let wrong_kind = "Conversion between sparse and regular vectors failed".to_owned();
    check_name(name, config).err().unwrap_or(LocalError::BadInput(wrong_kind))
}

fn point_vectors(
    value: proto::PointVectors,
    config: &EdgeConfig,
) -> Result<PointVectorsPersisted, LocalError> {
    let id = value.id.ok_or_else(|| LocalError::BadInput("Empty ID is not allowed".to_owned()))?;
    let vector = vectors(value.vectors.unwrap_or_default())?;
    check_vectors(&vector, config)?;
    Ok(PointVectorsPersisted { id: point_id(id)?, vector })
}

fn selected_ids(selector: Option<PointsSelector>) -> Result<Vec<PointId>, LocalError> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => list.ids.into_iter().map(point_id).collect(),
        Some(PointsSelectorOneOf::Filter(_)) => {
            Err(LocalError::Internal("a filter was not resolved to ids".to_owned()))
        }
        None => Err(LocalError::BadInput("Malformed PointsSelector type".to_owned())),
    }
}

fn reject_conditional(is_conditional: bool) -> Result<(), LocalError> {
    if is_conditional { Err(LocalError::unsupported("conditional updates")) } else { Ok(()) }
}
