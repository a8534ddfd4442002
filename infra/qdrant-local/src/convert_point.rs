//! Vectors, payloads and points, in both directions.

use std::collections::HashMap;

use qdrant_client::qdrant::vector::Vector as ProtoVector;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions as OutputOptions;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorOptions;
use qdrant_client::qdrant::{self as proto, order_value, vector_output};
use qdrant_edge::{
    OrderValue, Payload, PayloadSelectorExclude, PayloadSelectorInclude, PointStructPersisted, Record,
    ScoredPoint, SparseVector, VectorInternal, VectorPersisted, VectorStructInternal, VectorStructPersisted,
    WithPayloadInterface, WithVector,
};

use crate::convert_filter::{json_path, point_id, point_id_to_proto};
use crate::error::LocalError;

/// Converts a point to be stored. Its payload replaces the existing one even if it is empty.
pub fn point(value: proto::PointStruct) -> Result<PointStructPersisted, LocalError> {
    let proto::PointStruct { id, payload, vectors: point_vectors } = value;
    let id = id.ok_or_else(|| LocalError::BadInput("Empty ID is not allowed".to_owned()))?;
    let point_vectors =
        point_vectors.ok_or_else(|| LocalError::BadInput("Expected some vectors".to_owned()))?;
    Ok(PointStructPersisted {
        id: point_id(id)?,
        vector: vectors(point_vectors)?,
        payload: Some(payload_from_proto(payload)),
    })
}

/// Converts the vectors of a point to be stored.
pub fn vectors(value: proto::Vectors) -> Result<VectorStructPersisted, LocalError> {
    match value.vectors_options {
        Some(VectorsOptions::Vector(unnamed)) => match vector(unnamed)? {
            VectorPersisted::Dense(values) => Ok(VectorStructPersisted::Single(values)),
            VectorPersisted::Sparse(_) | VectorPersisted::MultiDense(_) => {
                Err(LocalError::BadInput("Sparse vector must be named".to_owned()))
            }
        },
        Some(VectorsOptions::Vectors(named)) => {
            let named = named.vectors.into_iter();
            let named = named.map(|(name, value)| Ok((name, vector(value)?)));
            named.collect::<Result<HashMap<_, _>, LocalError>>().map(VectorStructPersisted::Named)
        }
        None => Err(LocalError::BadInput("Expected some vectors".to_owned())),
    }
}

/// Creates a sparse vector; its indices must be unique and as many as its values.
pub fn sparse(indices: Vec<u32>, values: Vec<f32>) -> Result<SparseVector, LocalError> {
    SparseVector::new(indices, values)
        .map_err(|error| LocalError::BadInput(format!("Validation error: {error}")))
}

/// Converts a payload to be stored.
pub fn payload_from_proto(fields: HashMap<String, proto::Value>) -> Payload {
    Payload(fields.into_iter().map(|(key, value)| (key, value.into())).collect())
}

/// Converts a payload for a response.
pub fn payload_to_proto(payload: Option<Payload>) -> HashMap<String, proto::Value> {
    let fields = payload.into_iter().flat_map(|payload| payload.0);
    fields.map(|(key, value)| (key, value.into())).collect()
}

/// Returns which payload fields to return; `default` if the request does not specify it.
pub fn with_payload(
    value: Option<proto::WithPayloadSelector>,
    default: bool,
) -> Result<WithPayloadInterface, LocalError> {
    let paths = |fields: Vec<String>| -> Result<Vec<_>, LocalError> {
        fields.iter().map(|field| json_path(field)).collect()
    };
    Ok(match value.and_then(|selector| selector.selector_options) {
        None => WithPayloadInterface::Bool(default),
        Some(PayloadOptions::Enable(enable)) => WithPayloadInterface::Bool(enable),
        Some(PayloadOptions::Include(include)) => PayloadSelectorInclude::new(paths(include.fields)?).into(),
        Some(PayloadOptions::Exclude(exclude)) => PayloadSelectorExclude::new(paths(exclude.fields)?).into(),
    })
}

/// Returns which vectors to return; none if the request does not specify it.
pub fn with_vectors(value: Option<proto::WithVectorsSelector>) -> WithVector {
    match value.and_then(|selector| selector.selector_options) {
        None => WithVector::Bool(false),
        Some(VectorOptions::Enable(enable)) => WithVector::Bool(enable),
        Some(VectorOptions::Include(include)) => WithVector::Selector(include.names),
    }
}

/// Converts a stored point for a response.
pub fn record_to_proto(record: Record) -> proto::RetrievedPoint {
    proto::RetrievedPoint {
        id: Some(point_id_to_proto(record.id)),
        payload: payload_to_proto(record.payload),
        vectors: record.vector.map(vectors_to_output),
        shard_key: None,
        order_value: record.order_value.map(order_value_to_proto),
    }
}

/// Converts a found point for a response.
pub fn scored_to_proto(point: ScoredPoint) -> proto::ScoredPoint {
    proto::ScoredPoint {
        id: Some(point_id_to_proto(point.id)),
        payload: payload_to_proto(point.payload),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vectors_to_output),
        shard_key: None,
        order_value: point.order_value.map(order_value_to_proto),
    }
}

/// Converts a stored point to the request that would store it again.
pub fn record_to_point(record: Record) -> proto::PointStruct {
    let vectors = record.vector.map(|vectors| {
        let options = match vectors {
            VectorStructInternal::Named(named) => {
                let named = named.into_iter().map(|(name, vector)| (name, input_vector(vector)));
                VectorsOptions::Vectors(proto::NamedVectors { vectors: named.collect() })
            }
            VectorStructInternal::Single(values) => {
                VectorsOptions::Vector(input_vector(VectorInternal::Dense(values)))
            }
            VectorStructInternal::MultiDense(multi) => {
                VectorsOptions::Vector(input_vector(VectorInternal::MultiDense(multi)))
            }
        };
        proto::Vectors { vectors_options: Some(options) }
    });
    proto::PointStruct {
        id: Some(point_id_to_proto(record.id)),
        payload: payload_to_proto(record.payload),
        vectors,
    }
}

#[expect(deprecated, reason = "clients may still send the flat fields")]
fn vector(value: proto::Vector) -> Result<VectorPersisted, LocalError> {
    match value.vector {
        Some(ProtoVector::Dense(dense)) => Ok(VectorPersisted::Dense(dense.data)),
        Some(ProtoVector::Sparse(vector)) => {
            sparse(vector.indices, vector.values).map(VectorPersisted::Sparse)
        }
        Some(ProtoVector::MultiDense(_)) => Err(LocalError::unsupported("multivectors")),
        Some(ProtoVector::Document(_) | ProtoVector::Image(_) | ProtoVector::Object(_)) => {
            Err(LocalError::unsupported("inference"))
        }
        None if value.vectors_count.is_some() => Err(LocalError::unsupported("multivectors")),
        None => match value.indices {
            Some(indices) => sparse(indices.data, value.data).map(VectorPersisted::Sparse),
            None => Ok(VectorPersisted::Dense(value.data)),
        },
    }
}

fn input_vector(vector: VectorInternal) -> proto::Vector {
    let vector = match vector {
        VectorInternal::Dense(data) => ProtoVector::Dense(proto::DenseVector { data }),
        VectorInternal::Sparse(sparse) => {
            ProtoVector::Sparse(proto::SparseVector { values: sparse.values, indices: sparse.indices })
        }
        VectorInternal::MultiDense(multi) => ProtoVector::MultiDense(multi_dense(&multi)),
    };
    proto::Vector { vector: Some(vector), ..Default::default() }
}

fn vectors_to_output(vectors: VectorStructInternal) -> proto::VectorsOutput {
    let options = match vectors {
        VectorStructInternal::Named(named) => {
            let named = named.into_iter().map(|(name, vector)| (name, output_vector(vector)));
            OutputOptions::Vectors(proto::NamedVectorsOutput { vectors: named.collect() })
        }
        VectorStructInternal::Single(values) => {
            OutputOptions::Vector(output_vector(VectorInternal::Dense(values)))
        }
        VectorStructInternal::MultiDense(multi) => {
            OutputOptions::Vector(output_vector(VectorInternal::MultiDense(multi)))
        }
    };
    proto::VectorsOutput { vectors_options: Some(options) }
}

fn output_vector(vector: VectorInternal) -> proto::VectorOutput {
    let vector = match vector {
        VectorInternal::Dense(data) => vector_output::Vector::Dense(proto::DenseVector { data }),
        VectorInternal::Sparse(sparse) => vector_output::Vector::Sparse(proto::SparseVector {
            values: sparse.values,
            indices: sparse.indices,
        }),
        VectorInternal::MultiDense(multi) => vector_output::Vector::MultiDense(multi_dense(&multi)),
    };
    proto::VectorOutput { vector: Some(vector), ..Default::default() }
}

fn multi_dense(multi: &qdrant_edge::TypedMultiDenseVector<f32>) -> proto::MultiDenseVector {
    let rows = multi.flattened_vectors.chunks(multi.dim.max(1));
    let rows = rows.map(|row| proto::DenseVector { data: row.to_vec() });
    proto::MultiDenseVector { vectors: rows.collect() }
}

fn order_value_to_proto(value: OrderValue) -> proto::OrderValue {
    let variant = match value {
        OrderValue::Int(number) => order_value::Variant::Int(number),
        OrderValue::Float(number) => order_value::Variant::Float(number),
    };
    proto::OrderValue { variant: Some(variant) }
}
