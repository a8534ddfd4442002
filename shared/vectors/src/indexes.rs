//! Creating, completing and deleting indexes: Qdrant collections.

use domain::Quantization;
use qdrant_client::qdrant::vectors_config::Config as VectorsVariant;
use qdrant_client::qdrant::{
    CollectionConfig, CollectionInfo, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Datatype,
    Distance, FieldType, HnswConfigDiffBuilder, Modifier, OptimizersConfigDiffBuilder, PayloadSchemaType,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, VectorParams, VectorParamsBuilder,
    VectorParamsMap,
};
use qdrant_client::{Qdrant, QdrantError};
use tonic::Code;

use crate::payload::INDEXED_FIELDS;
use crate::{DENSE, IndexStorage, SPARSE, VectorDatabase, VectorsError};

/// Edges of each node in the HNSW graph.
const HNSW_M: u64 = 16;
/// Neighbours considered while the graph is built.
const HNSW_EF_CONSTRUCT: u64 = 512;
/// Kilobytes of vectors in a segment from which Qdrant builds an HNSW graph for it.
const INDEXING_THRESHOLD_KB: u64 = 20_000;
/// Kilobytes of vectors in a segment from which Qdrant memory-maps it.
const MEMMAP_THRESHOLD_KB: u64 = 50_000;

/// The settings of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// The name of its Qdrant collection, see `domain::vector_store_name`.
    pub name: String,
    /// The dimension of its dense vectors.
    pub dimension: u64,
    /// How dense vectors are stored: as float32, as float16, or as int8. The last keeps the float32 vectors
    /// on disk and quantized ones in memory; searches rescore with the former.
    pub quantization: Quantization,
    /// How it is kept, if it does not exist yet. One that exists stays as it is.
    pub storage: IndexStorage,
}

impl VectorDatabase {
    /// Creates the index and its payload indexes, or those of them that are missing. An index that was created
    /// by a release with another version of sparse vectors stays without those of this version.
    ///
    /// # Errors
    /// Returns `Conflict` if the index exists with another dimension or storage.
    pub async fn ensure_index(&self, spec: &IndexSpec) -> Result<(), VectorsError> {
        let info = match self.find_info(&spec.name).await? {
            Some(info) => info,
            None => {
                self.create_index(spec).await?;
                let message = format!("the Qdrant collection {} was deleted while it was created", spec.name);
                self.find_info(&spec.name).await?.ok_or(VectorsError::Unavailable { message })?
            }
        };
        check_existing(spec, &info)?;
        for (field, field_type) in INDEXED_FIELDS {
            let index = info.payload_schema.get(field);
            if index.is_none_or(|index| index.data_type != schema_type(field_type) as i32) {
                let mut request =
                    CreateFieldIndexCollectionBuilder::new(&spec.name, field, field_type).wait(true);
                if let Some(params) = spec.storage.payload_index(field_type) {
                    request = request.field_index_params(params);
                }
                self.call(|client| {
                    let request = request.clone();
                    async move { client.create_field_index(request).await }
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Deletes the index with all its points. Succeeds if there is none.
    pub async fn delete_index(&self, name: &str) -> Result<(), VectorsError> {
        match self.call(|client| async move { client.delete_collection(name).await }).await {
            Ok(_) | Err(VectorsError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn find_info(&self, name: &str) -> Result<Option<CollectionInfo>, VectorsError> {
        match self.call(|client| async move { client.collection_info(name).await }).await {
            Ok(response) => Ok(response.result),
            Err(VectorsError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_index(&self, spec: &IndexSpec) -> Result<(), VectorsError> {
        let vectors = VectorParamsMap { map: [(DENSE.to_owned(), vector_params(spec))].into() };
        // Qdrant multiplies weights by the IDF, which it updates as points are added and deleted.
        let mut terms = SparseVectorsConfigBuilder::default();
        let sparse = SparseVectorParamsBuilder::default().modifier(Modifier::Idf);
        terms.add_named_vector_params(SPARSE, sparse.index(spec.storage.sparse_index()));
        let graph = HnswConfigDiffBuilder::default().m(HNSW_M).ef_construct(HNSW_EF_CONSTRUCT);
        let request = CreateCollectionBuilder::new(&spec.name)
            .vectors_config(VectorsVariant::ParamsMap(vectors))
            .sparse_vectors_config(terms)
            .hnsw_config(spec.storage.apply_to_graph(graph))
            .optimizers_config(
                OptimizersConfigDiffBuilder::default()
                    .indexing_threshold(INDEXING_THRESHOLD_KB)
                    .memmap_threshold(MEMMAP_THRESHOLD_KB),
            );
        let request = spec.storage.apply(request);
        let create = |client: Qdrant| {
            let request = request.clone();
            async move {
                match client.create_collection(request).await {
                    Ok(_) => {
                        tracing::info!(index.name = spec.name, index.storage = ?spec.storage, "created an index");
                        Ok(())
                    }
                    // Another caller created it with the same settings.
                    Err(QdrantError::ResponseError { status }) if status.code() == Code::AlreadyExists => {
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
        };
        self.call(create).await
    }
}

fn vector_params(spec: &IndexSpec) -> VectorParams {
    let datatype = match spec.quantization {
        Quantization::Float32 | Quantization::Int8 => Datatype::Float32,
        Quantization::Float16 => Datatype::Float16,
    };
    let params = VectorParamsBuilder::new(spec.dimension, Distance::Cosine).datatype(datatype);
    spec.storage.apply_to_vectors(params, spec.quantization).build()
}

/// An existing index may be kept in another way than new ones: quantized though its precision does not require it, or on
/// disk.
fn check_existing(spec: &IndexSpec, info: &CollectionInfo) -> Result<(), VectorsError> {
    let existing = info.config.as_ref().and_then(dense_params);
    if existing.is_some_and(|params| is_suitable(spec, params)) {
        return Ok(());
    }
    Err(VectorsError::Conflict {
        name: spec.name.clone(),
        existing: existing.map_or_else(|| format!("no vector {DENSE:?}"), describe),
        expected: describe(&vector_params(spec)),
    })
}

fn is_suitable(spec: &IndexSpec, params: &VectorParams) -> bool {
    let stores_floats = matches!(params.datatype(), Datatype::Default | Datatype::Float32);
    let stores_precision = match spec.quantization {
        Quantization::Float32 => stores_floats,
        Quantization::Float16 => params.datatype() == Datatype::Float16,
        Quantization::Int8 => stores_floats && is_quantized(params),
    };
    stores_precision && params.size == spec.dimension && params.distance() == Distance::Cosine
}

fn is_quantized(params: &VectorParams) -> bool {
    params.quantization_config.as_ref().is_some_and(|config| config.quantization.is_some())
}

fn dense_params(config: &CollectionConfig) -> Option<&VectorParams> {
    match config.params.as_ref()?.vectors_config.as_ref()?.config.as_ref()? {
        VectorsVariant::ParamsMap(named) => named.map.get(DENSE),
        VectorsVariant::Params(_) => None,
    }
}

fn describe(params: &VectorParams) -> String {
    let storage = match params.datatype() {
        Datatype::Float16 => "float16",
        Datatype::Default | Datatype::Float32 => "float32",
        other => other.as_str_name(),
    };
    let quantized = if is_quantized(params) { " with int8 copies" } else { "" };
    let distance = params.distance().as_str_name();
    format!("vectors of dimension {} stored as {storage}{quantized} with distance {distance}", params.size)
}

fn schema_type(field_type: FieldType) -> PayloadSchemaType {
    match field_type {
        FieldType::Keyword => PayloadSchemaType::Keyword,
        FieldType::Integer => PayloadSchemaType::Integer,
        FieldType::Float => PayloadSchemaType::Float,
        FieldType::Geo => PayloadSchemaType::Geo,
        FieldType::Text => PayloadSchemaType::Text,
        FieldType::Bool => PayloadSchemaType::Bool,
        FieldType::Datetime => PayloadSchemaType::Datetime,
        FieldType::Uuid => PayloadSchemaType::Uuid,
    }
}
