//! Collection configurations: from requests to the engine, and to responses.
//!
//! Settings without a counterpart in the engine are stored and reported, without effect, where they change no result:
//! numbers of shards and replicas, because this is one process, and `memmap_threshold`, because the engine memory-maps
//! files of any size. Others are rejected as unsupported.

use std::collections::HashMap;

use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::vectors_config::Config as VectorsVariant;
use qdrant_client::qdrant::{self as proto};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeSparseVectorParams,
    EdgeVectorParams, HnswIndexConfig, Modifier, QuantizationConfig, ScalarQuantizationConfig, ScalarType,
    VectorStorageDatatype, WalOptions,
};

use crate::convert_filter::to_usize;
use crate::error::LocalError;

/// The file size of the engine's own write-ahead log, which is never read (see [`crate::journal`]) and is
/// preallocated, so it is kept small. Longer entries extend it.
const ENGINE_LOG_FILE_BYTES: usize = 1 << 20;

/// Converts a collection's definition to the engine's configuration.
pub fn engine_config(request: &proto::CreateCollection) -> Result<EdgeConfig, LocalError> {
    reject_unsupported(request)?;
    reject_zeros(request)?;
    let hnsw_config = hnsw(HnswIndexConfig::default(), request.hnsw_config.as_ref())?;
    let mut vectors = HashMap::new();
    for (name, params) in dense_params(request) {
        vectors.insert(name, dense(params, hnsw_config)?);
    }
    let mut sparse_vectors = HashMap::new();
    for (name, params) in request.sparse_vectors_config.iter().flat_map(|config| &config.map) {
        sparse_vectors.insert(name.clone(), sparse(params)?);
    }
    Ok(EdgeConfig {
        on_disk_payload: on_disk_payload(request),
        vectors,
        sparse_vectors,
        hnsw_config,
        quantization_config: quantization(request.quantization_config.as_ref())?,
        optimizers: optimizers(request.optimizers_config.as_ref())?,
        wal_options: Some(WalOptions { segment_capacity: ENGINE_LOG_FILE_BYTES, ..WalOptions::default() }),
    })
}

/// Returns the configuration in a collection's info: the request, with the engine's defaults filled in.
#[expect(deprecated, reason = "clients may still read these fields")]
pub fn collection_config(request: &proto::CreateCollection, config: &EdgeConfig) -> proto::CollectionConfig {
    let hnsw = &config.hnsw_config;
    let optimizers = request.optimizers_config.unwrap_or_default();
    let indexing_threshold = config.optimizers.get_indexing_threshold_kb();
    proto::CollectionConfig {
        params: Some(proto::CollectionParams {
            shard_number: request.shard_number.unwrap_or(1),
            on_disk_payload: config.on_disk_payload,
            vectors_config: request.vectors_config.clone(),
            replication_factor: Some(request.replication_factor.unwrap_or(1)),
            write_consistency_factor: Some(request.write_consistency_factor.unwrap_or(1)),
            sparse_vectors_config: request.sparse_vectors_config.clone(),
            ..Default::default()
        }),
        hnsw_config: Some(proto::HnswConfigDiff {
            m: Some(hnsw.m as u64),
            ef_construct: Some(hnsw.ef_construct as u64),
            full_scan_threshold: Some(hnsw.full_scan_threshold as u64),
            max_indexing_threads: Some(hnsw.max_indexing_threads as u64),
            on_disk: hnsw.on_disk,
            payload_m: hnsw.payload_m.map(|m| m as u64),
            inline_storage: hnsw.inline_storage,
            memory: None,
        }),
        optimizer_config: Some(proto::OptimizersConfigDiff {
            indexing_threshold: optimizers.indexing_threshold.or(Some(indexing_threshold as u64)),
            ..optimizers
        }),
        wal_config: request.wal_config,
        quantization_config: request.quantization_config,
        strict_mode_config: request.strict_mode_config.clone(),
        metadata: request.metadata.clone(),
    }
}

fn reject_zeros(request: &proto::CreateCollection) -> Result<(), LocalError> {
    let numbers = [
        ("shard_number", request.shard_number),
        ("replication_factor", request.replication_factor),
        ("write_consistency_factor", request.write_consistency_factor),
    ];
    match numbers.iter().find(|(_, number)| *number == Some(0)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("Validation error: {name}: value 0 invalid, must be 1 or larger");
            Err(LocalError::BadInput(message))
        }
    }
}

fn reject_unsupported(request: &proto::CreateCollection) -> Result<(), LocalError> {
    if request.sharding_method == Some(proto::ShardingMethod::Custom as i32) {
        return Err(LocalError::unsupported("custom sharding"));
    }
    if request.payload.is_some() || request.id_tracker.is_some() {
        return Err(LocalError::unsupported("memory placement of payloads and ids"));
    }
    if let Some(strict) = &request.strict_mode_config {
        let rest = proto::StrictModeConfig {
            enabled: None,
            unindexed_filtering_retrieve: None,
            unindexed_filtering_update: None,
            ..strict.clone()
        };
        if rest != proto::StrictModeConfig::default() {
            let supported = "enabled, unindexed_filtering_retrieve and unindexed_filtering_update";
            return Err(LocalError::unsupported(format!("strict mode settings other than {supported}")));
        }
    }
    Ok(())
}

#[expect(deprecated, reason = "its replacement is not supported")]
fn on_disk_payload(request: &proto::CreateCollection) -> bool {
    request.on_disk_payload.unwrap_or(true)
}

fn dense_params(request: &proto::CreateCollection) -> Vec<(String, &proto::VectorParams)> {
    let variant = request.vectors_config.as_ref().and_then(|config| config.config.as_ref());
    match variant {
        None => Vec::new(),
        Some(VectorsVariant::Params(params)) => vec![(DEFAULT_VECTOR_NAME.to_owned(), params)],
        Some(VectorsVariant::ParamsMap(named)) => {
            named.map.iter().map(|(name, params)| (name.clone(), params)).collect()
        }
    }
}

#[expect(deprecated, reason = "its replacement is not supported")]
fn dense(
    params: &proto::VectorParams,
    collection_hnsw: HnswIndexConfig,
) -> Result<EdgeVectorParams, LocalError> {
    if params.multivector_config.is_some() {
        return Err(LocalError::unsupported("multivectors"));
    }
    reject_memory(params.memory)?;
    let size = to_usize(params.size);
    if !(1..=65536).contains(&size) {
        let message = format!("Validation error: vector size {size}, must be 1 to 65536");
        return Err(LocalError::BadInput(message));
    }
    let hnsw_config = match &params.hnsw_config {
        Some(diff) => Some(hnsw(collection_hnsw, Some(diff))?),
        None => None,
    };
    Ok(EdgeVectorParams {
        size,
        distance: distance(params.distance)?,
        on_disk: params.on_disk,
        multivector_config: None,
        datatype: datatype(params.datatype)?,
        quantization_config: quantization(params.quantization_config.as_ref())?,
        hnsw_config,
    })
}

#[expect(deprecated, reason = "its replacement is not supported")]
fn sparse(params: &proto::SparseVectorParams) -> Result<EdgeSparseVectorParams, LocalError> {
    let modifier = match params.modifier.map(proto::Modifier::try_from) {
        None => None,
        Some(Ok(proto::Modifier::None)) => Some(Modifier::None),
        Some(Ok(proto::Modifier::Idf)) => Some(Modifier::Idf),
        Some(Err(error)) => return Err(LocalError::BadInput(error.to_string())),
    };
    let index = params.index.unwrap_or_default();
    reject_memory(index.memory)?;
    Ok(EdgeSparseVectorParams {
        full_scan_threshold: index.full_scan_threshold.map(to_usize),
        on_disk: index.on_disk,
        modifier,
        datatype: datatype(index.datatype)?,
    })
}

#[expect(deprecated, reason = "its replacement is not supported")]
fn hnsw(base: HnswIndexConfig, diff: Option<&proto::HnswConfigDiff>) -> Result<HnswIndexConfig, LocalError> {
    let Some(diff) = diff else {
        return Ok(base);
    };
    reject_memory(diff.memory)?;
    let config = HnswIndexConfig {
        m: diff.m.map_or(base.m, to_usize),
        ef_construct: diff.ef_construct.map_or(base.ef_construct, to_usize),
        full_scan_threshold: diff.full_scan_threshold.map_or(base.full_scan_threshold, to_usize),
        max_indexing_threads: diff.max_indexing_threads.map_or(base.max_indexing_threads, to_usize),
        on_disk: diff.on_disk.or(base.on_disk),
        payload_m: diff.payload_m.map(to_usize).or(base.payload_m),
        inline_storage: diff.inline_storage.or(base.inline_storage),
    };
    if config.ef_construct < 4 {
        let got = config.ef_construct;
        let message = format!("Validation error: ef_construct {got}, must be 4 or more");
        return Err(LocalError::BadInput(message));
    }
    Ok(config)
}

fn optimizers(diff: Option<&proto::OptimizersConfigDiff>) -> Result<EdgeOptimizersConfig, LocalError> {
    let Some(diff) = diff else {
        return Ok(EdgeOptimizersConfig::default());
    };
    if diff.prevent_unoptimized == Some(true) {
        return Err(LocalError::unsupported("prevent_unoptimized"));
    }
    Ok(EdgeOptimizersConfig {
        deleted_threshold: diff.deleted_threshold,
        vacuum_min_vector_number: diff.vacuum_min_vector_number.map(to_usize),
        default_segment_number: diff.default_segment_number.map(to_usize),
        max_segment_size: diff.max_segment_size.map(to_usize),
        indexing_threshold: diff.indexing_threshold.map(to_usize),
        prevent_unoptimized: None,
    })
}

#[expect(deprecated, reason = "its replacement is not supported")]
fn quantization(
    config: Option<&proto::QuantizationConfig>,
) -> Result<Option<QuantizationConfig>, LocalError> {
    match config.and_then(|config| config.quantization.as_ref()) {
        None => Ok(None),
        Some(Quantization::Scalar(scalar)) => {
            reject_memory(scalar.memory)?;
            if scalar.r#type != proto::QuantizationType::Int8 as i32 {
                let got = scalar.r#type;
                let message = format!("Unknown scalar quantization type {got}, must be Int8");
                return Err(LocalError::BadInput(message));
            }
            Ok(Some(QuantizationConfig::from(ScalarQuantizationConfig {
                r#type: ScalarType::Int8,
                quantile: scalar.quantile,
                always_ram: scalar.always_ram,
            })))
        }
        Some(Quantization::Product(_)) => Err(LocalError::unsupported("product quantization")),
        Some(Quantization::Binary(_)) => Err(LocalError::unsupported("binary quantization")),
        Some(Quantization::Turboquant(_)) => Err(LocalError::unsupported("turbo quantization")),
    }
}

fn distance(value: i32) -> Result<Distance, LocalError> {
    match proto::Distance::try_from(value) {
        Ok(proto::Distance::Cosine) => Ok(Distance::Cosine),
        Ok(proto::Distance::Euclid) => Ok(Distance::Euclid),
        Ok(proto::Distance::Dot) => Ok(Distance::Dot),
        Ok(proto::Distance::Manhattan) => Ok(Distance::Manhattan),
        Ok(proto::Distance::UnknownDistance) | Err(_) => {
            Err(LocalError::BadInput("Unknown distance".to_owned()))
        }
    }
}

fn datatype(value: Option<i32>) -> Result<Option<VectorStorageDatatype>, LocalError> {
    match value.map(proto::Datatype::try_from) {
        None | Some(Ok(proto::Datatype::Default)) => Ok(None),
        Some(Ok(proto::Datatype::Float32)) => Ok(Some(VectorStorageDatatype::Float32)),
        Some(Ok(proto::Datatype::Float16)) => Ok(Some(VectorStorageDatatype::Float16)),
        Some(Ok(proto::Datatype::Uint8)) => Ok(Some(VectorStorageDatatype::Uint8)),
        Some(Ok(other)) => Err(LocalError::unsupported(format!("datatype {}", other.as_str_name()))),
        Some(Err(error)) => Err(LocalError::BadInput(error.to_string())),
    }
}

fn reject_memory(memory: Option<i32>) -> Result<(), LocalError> {
    match memory {
        None | Some(0) => Ok(()),
        Some(_) => Err(LocalError::unsupported("memory placement; use on_disk or always_ram")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hnsw_settings_of_a_vector_extend_those_of_its_collection() {
        let request = proto::CreateCollection {
            hnsw_config: Some(proto::HnswConfigDiff { ef_construct: Some(512), ..Default::default() }),
            vectors_config: Some(proto::VectorsConfig {
                config: Some(VectorsVariant::Params(proto::VectorParams {
                    size: 3,
                    distance: proto::Distance::Cosine as i32,
                    hnsw_config: Some(proto::HnswConfigDiff { m: Some(8), ..Default::default() }),
                    ..Default::default()
                })),
            }),
            ..Default::default()
        };
        let config = engine_config(&request).unwrap();
        let vector = config.vectors[DEFAULT_VECTOR_NAME].hnsw_config.unwrap();
        assert_eq!((vector.m, vector.ef_construct), (8, 512));
        assert_eq!((config.hnsw_config.m, config.hnsw_config.ef_construct), (16, 512));
    }

    #[test]
    fn unsupported_settings_are_named() {
        let request = proto::CreateCollection {
            strict_mode_config: Some(proto::StrictModeConfig {
                enabled: Some(true),
                max_query_limit: Some(10),
                ..Default::default()
            }),
            ..Default::default()
        };
        let error = engine_config(&request).unwrap_err();
        assert!(matches!(&error, LocalError::Unsupported(what) if what.contains("strict mode")));
    }
}
