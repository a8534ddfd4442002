//! Queries: from Qdrant's messages to the engine's requests.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_input::Variant as InputVariant;
use qdrant_client::qdrant::{self as proto};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    AcornSearchParams, Condition, DEFAULT_VECTOR_NAME, DateTimeWrapper, Direction, EdgeConfig, Filter,
    Fusion, HasIdCondition, NamedQuery, OrderBy, PointId, Prefetch, QuantizationSearchParams, QueryEnum,
    QueryRequest, Sample, ScoringQuery, SearchParams, StartFrom, VectorInternal,
};

use crate::convert_filter::{filter, json_path, point_id, to_usize};
use crate::convert_point::{sparse, with_payload, with_vectors};
use crate::convert_update::{check_dense, check_name, check_sparse};
use crate::error::LocalError;

/// The limit of a request without one.
const DEFAULT_LIMIT: u64 = 10;
/// The rank constant of reciprocal rank fusion of a request without one.
const DEFAULT_RRF_K: usize = 2;

/// What a query needs from its collection.
pub trait QueryContext {
    /// Returns the collection's configuration.
    fn config(&self) -> &EdgeConfig;
    /// Returns the stored vector `name` of a point, for a query by example.
    fn stored_vector(&self, id: PointId, name: &str) -> Result<VectorInternal, LocalError>;
    /// Rejects a filter that strict mode does not allow.
    fn check_filter(&self, filter: &Filter) -> Result<(), LocalError>;
}

/// Converts a request. The engine's result includes the first `offset` points, which the caller must skip.
pub fn query_request(
    request: proto::QueryPoints,
    context: &impl QueryContext,
) -> Result<QueryRequest, LocalError> {
    if request.lookup_from.is_some() {
        return Err(LocalError::unsupported("lookup_from"));
    }
    if request.shard_key_selector.is_some() {
        return Err(LocalError::unsupported("shard keys"));
    }
    let has_prefetch = !request.prefetch.is_empty();
    let stage = stage(request.query, request.using, request.filter, has_prefetch, context)?;
    Ok(QueryRequest {
        prefetches: prefetches(request.prefetch, context)?,
        query: stage.query,
        filter: stage.filter,
        score_threshold: request.score_threshold.map(OrderedFloat),
        limit: to_usize(request.limit.unwrap_or(DEFAULT_LIMIT)),
        offset: to_usize(request.offset.unwrap_or(0)),
        params: request.params.map(search_params).transpose()?,
        with_vector: with_vectors(request.with_vectors),
        with_payload: with_payload(request.with_payload, false)?,
    })
}

/// Converts an order by an indexed payload field.
pub fn order_by(value: proto::OrderBy) -> Result<OrderBy, LocalError> {
    let direction = match value.direction.map(proto::Direction::try_from) {
        None => None,
        Some(Ok(proto::Direction::Asc)) => Some(Direction::Asc),
        Some(Ok(proto::Direction::Desc)) => Some(Direction::Desc),
        Some(Err(error)) => return Err(LocalError::BadInput(error.to_string())),
    };
    let start_from = value.start_from.and_then(|start| start.value).map(start_from).transpose()?;
    Ok(OrderBy { key: json_path(&value.key)?, direction, start_from })
}

struct Stage {
    query: Option<ScoringQuery>,
    filter: Option<Filter>,
}

fn prefetches(
    values: Vec<proto::PrefetchQuery>,
    context: &impl QueryContext,
) -> Result<Vec<Prefetch>, LocalError> {
    values.into_iter().map(|value| prefetch(value, context)).collect()
}

fn prefetch(value: proto::PrefetchQuery, context: &impl QueryContext) -> Result<Prefetch, LocalError> {
    if value.lookup_from.is_some() {
        return Err(LocalError::unsupported("lookup_from"));
    }
    let has_prefetch = !value.prefetch.is_empty();
    let stage = stage(value.query, value.using, value.filter, has_prefetch, context)?;
    Ok(Prefetch {
        prefetches: prefetches(value.prefetch, context)?,
        query: stage.query,
        limit: to_usize(value.limit.unwrap_or(DEFAULT_LIMIT)),
        params: value.params.map(search_params).transpose()?,
        filter: stage.filter,
        score_threshold: value.score_threshold.map(OrderedFloat),
    })
}

fn stage(
    query: Option<proto::Query>,
    using: Option<String>,
    filter_by: Option<proto::Filter>,
    has_prefetch: bool,
    context: &impl QueryContext,
) -> Result<Stage, LocalError> {
    let using = using.unwrap_or_else(|| DEFAULT_VECTOR_NAME.to_owned());
    let mut filter_by = filter_by.map(filter).transpose()?;
    if let Some(filter_by) = &filter_by {
        context.check_filter(filter_by)?;
    }
    let query = match query.and_then(|query| query.variant) {
        None if has_prefetch => {
            let message = "A query is needed to merge the prefetches. Can't have prefetches \
                           without defining a query.";
            return Err(LocalError::BadRequest(message.to_owned()));
        }
        None => None,
        Some(Variant::Nearest(input)) => {
            let vector = match input.variant {
                Some(InputVariant::Id(id)) => {
                    let id = point_id(id)?;
                    check_name(&using, context.config())?;
                    // The example itself is excluded from the result.
                    let example = Condition::HasId(HasIdCondition::from_iter([id]));
                    let others = Filter::new_must_not(example);
                    filter_by = Filter::merge_opts(filter_by, Some(others));
                    context.stored_vector(id, &using)?
                }
                Some(variant) => input_vector(variant, &using, context.config())?,
                None => return Err(LocalError::BadInput("Malformed VectorInput type".to_owned())),
            };
            Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(vector, using))))
        }
        Some(Variant::Fusion(_) | Variant::Rrf(_)) if !has_prefetch => {
            let message = "cannot do Fusion query without prefetches";
            return Err(LocalError::BadRequest(message.to_owned()));
        }
        Some(Variant::Fusion(fusion)) => match proto::Fusion::try_from(fusion) {
            Ok(proto::Fusion::Rrf) => {
                Some(ScoringQuery::Fusion(Fusion::Rrf { k: DEFAULT_RRF_K, weights: None }))
            }
            Ok(proto::Fusion::Dbsf) => Some(ScoringQuery::Fusion(Fusion::Dbsf)),
            Err(error) => return Err(LocalError::BadInput(error.to_string())),
        },
        Some(Variant::Rrf(rrf)) => {
            let weights = rrf.weights.into_iter().map(OrderedFloat).collect::<Vec<_>>();
            Some(ScoringQuery::Fusion(Fusion::Rrf {
                k: rrf.k.map_or(DEFAULT_RRF_K, |k| k as usize),
                weights: (!weights.is_empty()).then_some(weights),
            }))
        }
        Some(Variant::OrderBy(order)) => Some(ScoringQuery::OrderBy(order_by(order)?)),
        Some(Variant::Sample(_)) => Some(ScoringQuery::Sample(Sample::Random)),
        Some(Variant::Recommend(_)) => return Err(LocalError::unsupported("the recommend query")),
        Some(Variant::Discover(_)) => return Err(LocalError::unsupported("the discover query")),
        Some(Variant::Context(_)) => return Err(LocalError::unsupported("the context query")),
        Some(Variant::Formula(_)) => return Err(LocalError::unsupported("the formula query")),
        Some(Variant::NearestWithMmr(_)) => return Err(LocalError::unsupported("the MMR query")),
        Some(Variant::RelevanceFeedback(_)) => {
            return Err(LocalError::unsupported("the relevance feedback query"));
        }
        Some(Variant::Text(_)) => return Err(LocalError::unsupported("the text query")),
    };
    Ok(Stage { query, filter: filter_by })
}

fn input_vector(
    variant: InputVariant,
    using: &str,
    config: &EdgeConfig,
) -> Result<VectorInternal, LocalError> {
    match variant {
        InputVariant::Dense(dense) => {
            check_dense(using, dense.data.len(), config)?;
            Ok(VectorInternal::Dense(dense.data))
        }
        InputVariant::Sparse(vector) => {
            check_sparse(using, config)?;
            sparse(vector.indices, vector.values).map(VectorInternal::Sparse)
        }
        InputVariant::MultiDense(_) => Err(LocalError::unsupported("multivectors")),
        InputVariant::Document(_) | InputVariant::Image(_) | InputVariant::Object(_) => {
            Err(LocalError::unsupported("inference"))
        }
        InputVariant::Id(_) => Err(LocalError::Internal("the input is an id, not a vector".to_owned())),
    }
}

fn search_params(params: proto::SearchParams) -> Result<SearchParams, LocalError> {
    if params.idf.is_some() {
        return Err(LocalError::unsupported("the search parameter idf"));
    }
    Ok(SearchParams {
        hnsw_ef: params.hnsw_ef.map(to_usize),
        exact: params.exact.unwrap_or(false),
        quantization: params.quantization.map(|quantization| QuantizationSearchParams {
            ignore: quantization.ignore.unwrap_or(false),
            rescore: quantization.rescore,
            oversampling: quantization.oversampling,
        }),
        indexed_only: params.indexed_only.unwrap_or(false),
        acorn: params.acorn.map(|acorn| AcornSearchParams {
            enable: acorn.enable.unwrap_or(false),
            max_selectivity: acorn.max_selectivity.map(OrderedFloat),
        }),
    })
}

fn start_from(value: proto::start_from::Value) -> Result<StartFrom, LocalError> {
    use proto::start_from::Value;
    match value {
        Value::Float(number) => Ok(StartFrom::Float(number)),
        Value::Integer(number) => Ok(StartFrom::Integer(number)),
        Value::Timestamp(time) => u32::try_from(time.nanos)
            .ok()
            .and_then(|nanos| chrono::DateTime::from_timestamp(time.seconds, nanos))
            .map(|instant| StartFrom::Datetime(DateTimeWrapper(instant)))
            .ok_or_else(|| LocalError::BadInput(format!("Unable to parse timestamp: {time:?}"))),
        Value::Datetime(text) => text
            .parse::<DateTimeWrapper>()
            .map(StartFrom::Datetime)
            .map_err(|error| LocalError::BadInput(format!("Unable to parse datetime: {error}"))),
    }
}
