//! Where and how Qdrant keeps an index: shards, replicas, disk or memory, quantization.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use domain::Quantization;
use qdrant_client::qdrant::quantization_config::Quantization as QuantizationVariant;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, DatetimeIndexParamsBuilder, FieldType, HnswConfigDiffBuilder,
    IntegerIndexParamsBuilder, KeywordIndexParamsBuilder, QuantizationType, ScalarQuantizationBuilder,
    SparseIndexConfigBuilder, UuidIndexParamsBuilder, VectorParamsBuilder, payload_index_params::IndexParams,
};

/// The quantile beyond which values are clipped by scalar quantization.
const QUANTILE: f32 = 0.99;

/// How indexes are kept that are created from now on. Existing ones stay as they were created; a reindex or a rebuild
/// creates a new index. The default is that of a single server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexStorage {
    /// The number of shards; `None` for Qdrant's default, one per node of the cluster.
    pub shards: Option<NonZeroU32>,
    /// How many nodes hold each shard.
    pub replicas: NonZeroU32,
    /// How many replicas must have applied a write before it succeeds, at most `replicas`.
    pub write_consistency: NonZeroU32,
    /// What is read from disk instead of being held in memory.
    pub on_disk: OnDisk,
    /// Whether int8 copies of the vectors are held in memory whatever the collection's precision; searches rescore their
    /// candidates with the original vectors. Collections of precision int8 always have them.
    pub has_scalar_quantization: bool,
}

impl Default for IndexStorage {
    fn default() -> Self {
        Self {
            shards: None,
            replicas: NonZeroU32::MIN,
            write_consistency: NonZeroU32::MIN,
            on_disk: OnDisk::None,
            has_scalar_quantization: false,
        }
    }
}

/// What an index reads from disk, through the page cache, instead of holding it in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisk {
    /// What Qdrant does by itself: large segments of vectors are memory-mapped, and payloads are as the server is configured.
    None,
    /// The original vectors.
    Vectors,
    /// The original vectors, the HNSW graph, the sparse index, the payloads and their indexes.
    All,
}

impl FromStr for OnDisk {
    type Err = UnknownOnDisk;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "vectors" => Ok(Self::Vectors),
            "all" => Ok(Self::All),
            _ => Err(UnknownOnDisk),
        }
    }
}

/// A text that names no [`OnDisk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOnDisk;

impl fmt::Display for UnknownOnDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("none, vectors and all are allowed")
    }
}

impl IndexStorage {
    /// Sets what concerns the whole index.
    pub(crate) fn apply(&self, mut request: CreateCollectionBuilder) -> CreateCollectionBuilder {
        if let Some(shards) = self.shards {
            request = request.shard_number(shards.get());
        }
        if self.on_disk == OnDisk::All {
            request = request.on_disk_payload(true);
        }
        request.replication_factor(self.replicas.get()).write_consistency_factor(self.write_consistency.get())
    }

    pub(crate) fn apply_to_graph(&self, graph: HnswConfigDiffBuilder) -> HnswConfigDiffBuilder {
        if self.on_disk == OnDisk::All { graph.on_disk(true) } else { graph }
    }

    pub(crate) fn sparse_index(&self) -> SparseIndexConfigBuilder {
        let index = SparseIndexConfigBuilder::default();
        if self.on_disk == OnDisk::All { index.on_disk(true) } else { index }
    }

    /// Sets what concerns the dense vectors of a precision. Those of precision int8 are always quantized, and on disk.
    pub(crate) fn apply_to_vectors(
        &self,
        mut params: VectorParamsBuilder,
        precision: Quantization,
    ) -> VectorParamsBuilder {
        let is_int8 = precision == Quantization::Int8;
        if is_int8 || self.on_disk != OnDisk::None {
            params = params.on_disk(true);
        }
        if is_int8 || self.has_scalar_quantization {
            let scalar = ScalarQuantizationBuilder::default()
                .r#type(QuantizationType::Int8 as i32)
                .quantile(QUANTILE)
                .always_ram(true);
            params = params.quantization_config(QuantizationVariant::Scalar(scalar.build()));
        }
        params
    }

    /// Returns the parameters of a payload index; `None` for the defaults of its type.
    pub(crate) fn payload_index(&self, field_type: FieldType) -> Option<IndexParams> {
        if self.on_disk != OnDisk::All {
            return None;
        }
        match field_type {
            FieldType::Keyword => Some(KeywordIndexParamsBuilder::default().on_disk(true).build().into()),
            FieldType::Integer => {
                Some(IntegerIndexParamsBuilder::new(true, true).on_disk(true).build().into())
            }
            FieldType::Datetime => Some(DatetimeIndexParamsBuilder::default().on_disk(true).build().into()),
            FieldType::Uuid => Some(UuidIndexParamsBuilder::default().on_disk(true).build().into()),
            // No payload field has these types.
            FieldType::Float | FieldType::Geo | FieldType::Text | FieldType::Bool => None,
        }
    }
}
