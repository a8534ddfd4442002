use std::collections::HashSet;

use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::{
    CollectionStatus, Condition, CreateCollectionBuilder, Datatype, Distance, FieldType, Filter,
    GetPointsBuilder, HnswConfigDiffBuilder, OptimizersConfigDiffBuilder, PointId,
    QuantizationSearchParamsBuilder, Query, QueryPointsBuilder, ScalarQuantizationBuilder, ScoredPoint,
    SearchParamsBuilder, VectorParamsBuilder, vector_output,
};
use serde_json::json;

use crate::support::{Context, Numbers, contract, cosine, eventually, number, point};

const DIMENSION: usize = 32;
const POINTS: u64 = 6_000;
/// In KB. All vectors together have 750 KB, so they cannot all be in segments below it.
const INDEXING_THRESHOLD: u64 = 100;
/// As many points of float32 vectors have the size of the threshold.
const POINTS_BELOW_THRESHOLD: u64 = INDEXING_THRESHOLD * 1024 / (DIMENSION as u64 * 4);

/// Creates a collection, fills it well above its indexing threshold, and waits until its index is built. Returns
/// its name and vectors.
async fn indexed(context: &Context, vectors: VectorParamsBuilder) -> (String, Vec<Vec<f32>>) {
    let name = context.name("indexed");
    let optimizers = OptimizersConfigDiffBuilder::default()
        .indexing_threshold(INDEXING_THRESHOLD)
        // By default one per CPU: a server with many would keep every segment below the threshold.
        .default_segment_number(2);
    let request = CreateCollectionBuilder::new(&name)
        .vectors_config(vectors)
        // Small segments would be scanned instead of searched by their graph.
        .hnsw_config(HnswConfigDiffBuilder::default().ef_construct(128).full_scan_threshold(10))
        .optimizers_config(optimizers);
    context.client.create_collection(request).await.unwrap();
    context.index(&name, &[("tenth", FieldType::Integer)]).await;
    let mut random = Numbers(7);
    let vectors: Vec<_> = (0..POINTS).map(|_| random.vector(DIMENSION)).collect();
    let points: Vec<_> = vectors
        .iter()
        .zip(0..)
        .map(|(vector, id): (_, u64)| point(id, vector.clone(), json!({"tenth": id % 10})))
        .collect();
    for batch in points.chunks(500) {
        context.upsert(&name, batch.to_vec()).await;
    }
    // Qdrant builds an index per segment, in the background, and only for segments above the threshold. When the
    // optimizers are done, each segment without an index is below it.
    eventually("an index", || async {
        let info = context.client.collection_info(&name).await.unwrap().result.unwrap();
        let (indexed, segments) = (info.indexed_vectors_count.unwrap_or(0), info.segments_count);
        let is_done =
            info.status() == CollectionStatus::Green && info.optimizer_status.is_some_and(|it| it.ok);
        is_done && indexed > 0 && POINTS <= indexed + segments * POINTS_BELOW_THRESHOLD
    })
    .await;
    (name, vectors)
}

async fn search(
    context: &Context,
    name: &str,
    vector: &[f32],
    params: SearchParamsBuilder,
    filter: Option<Filter>,
) -> Vec<ScoredPoint> {
    let mut request =
        QueryPointsBuilder::new(name).query(Query::new_nearest(vector.to_vec())).limit(10).params(params);
    if let Some(filter) = filter {
        request = request.filter(filter);
    }
    context.client.query(request).await.unwrap().result
}

/// Returns the share of the exact ten nearest points that searches with `params` find, over twenty queries.
async fn recall(context: &Context, name: &str, params: &SearchParamsBuilder, filter: Option<Filter>) -> f64 {
    let mut random = Numbers(99);
    let (mut found, mut all) = (0, 0);
    for _ in 0..20 {
        let query = random.vector(DIMENSION);
        let exact = SearchParamsBuilder::default().exact(true);
        let exact = search(context, name, &query, exact, filter.clone()).await;
        let exact: HashSet<_> = exact.iter().map(|point| number(&point.id)).collect();
        let approximate = search(context, name, &query, params.clone(), filter.clone()).await;
        found += approximate.iter().filter(|point| exact.contains(&number(&point.id))).count();
        all += exact.len();
    }
    found as f64 / all as f64
}

#[tokio::test]
async fn an_index_finds_what_exact_search_finds() {
    contract(async |context| {
        let vectors = VectorParamsBuilder::new(DIMENSION as u64, Distance::Cosine);
        let (name, vectors) = indexed(&context, vectors).await;
        assert_eq!(context.count(&name, None).await, POINTS);

        // Exact search is exact.
        let query = Numbers(5).vector(DIMENSION);
        let mut expected: Vec<_> = vectors.iter().map(|vector| cosine(vector, &query)).collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        let exact = SearchParamsBuilder::default().exact(true);
        let found = search(&context, &name, &query, exact, None).await;
        assert_eq!(found.len(), 10);
        for (point, expected) in found.iter().zip(expected) {
            assert!((point.score - expected).abs() < 1e-5, "{} is not {expected}", point.score);
        }

        let params = SearchParamsBuilder::default().hnsw_ef(128);
        let all = recall(&context, &name, &params, None).await;
        assert!(all >= 0.95, "recall {all}");
        let filter = Filter::must([Condition::matches("tenth", 3)]);
        let filtered = recall(&context, &name, &params, Some(filter)).await;
        assert!(filtered >= 0.95, "recall with a filter {filtered}");
        // A minimal candidate list misses some, so the graph is really used.
        let params = SearchParamsBuilder::default().hnsw_ef(1);
        let short = recall(&context, &name, &params, None).await;
        assert!(short < 1.0, "recall with the shortest candidate list {short}");

        // Later writes are found at once.
        context.upsert(&name, vec![point(POINTS, query.clone(), json!({"tenth": 3}))]).await;
        let params = SearchParamsBuilder::default();
        let found = search(&context, &name, &query, params, None).await;
        assert_eq!(number(&found[0].id), POINTS);
    })
    .await;
}

#[tokio::test]
async fn int8_is_rescored_with_the_stored_vectors() {
    contract(async |context| {
        let scalar = ScalarQuantizationBuilder::default().quantile(0.99).always_ram(true).build();
        let vectors = VectorParamsBuilder::new(DIMENSION as u64, Distance::Cosine)
            .on_disk(true)
            .quantization_config(Quantization::Scalar(scalar));
        let (name, vectors) = indexed(&context, vectors).await;
        let quantization = |rescore| {
            let params = QuantizationSearchParamsBuilder::default();
            let params = params.rescore(rescore).oversampling(2.0);
            SearchParamsBuilder::default().hnsw_ef(128).quantization(params.build())
        };
        let error = |points: &[ScoredPoint], query: &[f32]| {
            let errors = points.iter().map(|point| {
                let vector = &vectors[usize::try_from(number(&point.id)).unwrap()];
                (point.score - cosine(vector, query)).abs()
            });
            errors.fold(0.0, f32::max)
        };
        let (mut rescored_error, mut raw_error) = (0.0_f32, 0.0_f32);
        for seed in 5..10 {
            let query = Numbers(seed).vector(DIMENSION);
            let rescored = search(&context, &name, &query, quantization(true), None).await;
            rescored_error = rescored_error.max(error(&rescored, &query));
            let raw = search(&context, &name, &query, quantization(false), None).await;
            raw_error = raw_error.max(error(&raw, &query));
        }
        assert!(rescored_error < 1e-5, "off by {rescored_error}");
        // Points of segments without an index have exact scores, those of the others never.
        assert!(raw_error > 1e-5, "no score comes from quantized vectors");
        assert!(raw_error < 0.05, "off by {raw_error}");
        let recall = recall(&context, &name, &quantization(true), None).await;
        assert!(recall >= 0.95, "recall {recall}");
    })
    .await;
}

async fn stored(context: &Context, name: &str, id: u64) -> Vec<f32> {
    let ids: Vec<PointId> = vec![id.into()];
    let request = GetPointsBuilder::new(name, ids).with_vectors(true);
    let point = context.client.get_points(request).await.unwrap().result.remove(0);
    match point.vectors.unwrap().get_vector().unwrap() {
        vector_output::Vector::Dense(dense) => dense.data,
        other => panic!("not dense: {other:?}"),
    }
}

#[tokio::test]
async fn vectors_keep_the_precision_of_their_datatype() {
    contract(async |context| {
        let create = async |suffix: &str, datatype, distance| {
            let name = context.name(suffix);
            let vectors = VectorParamsBuilder::new(3, distance).datatype(datatype);
            let request = CreateCollectionBuilder::new(&name).vectors_config(vectors);
            context.client.create_collection(request).await.unwrap();
            name
        };
        let values = [0.1, 1.0 / 3.0, -2.0 / 3.0];
        let full = create("f32", Datatype::Float32, Distance::Dot).await;
        context.upsert(&full, vec![point(1, values, json!({}))]).await;
        assert_eq!(stored(&context, &full, 1).await, values);

        let half = create("f16", Datatype::Float16, Distance::Dot).await;
        context.upsert(&half, vec![point(1, values, json!({}))]).await;
        let kept = stored(&context, &half, 1).await;
        assert_ne!(kept, values);
        for (kept, value) in kept.iter().zip(values) {
            assert!((kept - value).abs() < 1e-3, "{kept} is not {value}");
        }

        let bytes = create("u8", Datatype::Uint8, Distance::Euclid).await;
        context.upsert(&bytes, vec![point(1, [0.0, 17.0, 255.0], json!({}))]).await;
        assert_eq!(stored(&context, &bytes, 1).await, [0.0, 17.0, 255.0]);
    })
    .await;
}
