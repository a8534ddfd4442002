use std::collections::HashMap;

use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, Distance, FieldType, Filter, Fusion, Modifier, NamedVectors,
    PointStruct, PrefetchQueryBuilder, Query, QueryBatchPointsBuilder, QueryPointsBuilder, ScoredPoint,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, Vector, VectorInput, VectorParamsBuilder,
    VectorParamsMap,
};
use serde_json::json;

use crate::support::{Context, contract, number, point};

/// Creates points 1 to 5 at 10, 20, ... degrees from the x axis.
async fn fan(context: &Context) -> String {
    let name = context.collection("a", 2).await;
    context.index(&name, &[("odd", FieldType::Bool)]).await;
    let points = (1..=5_u64).map(|id| {
        let angle = (id as f32 * 10.0).to_radians();
        point(id, [angle.cos(), angle.sin()], json!({"odd": id % 2 == 1, "text": "t"}))
    });
    context.upsert(&name, points.collect()).await;
    name
}

fn along_x(name: &str) -> QueryPointsBuilder {
    QueryPointsBuilder::new(name).query(Query::new_nearest(vec![2.0, 0.0]))
}

fn numbers(points: &[ScoredPoint]) -> Vec<u64> {
    points.iter().map(|point| number(&point.id)).collect()
}

async fn query(context: &Context, request: QueryPointsBuilder) -> Vec<ScoredPoint> {
    context.client.query(request).await.unwrap().result
}

#[tokio::test]
async fn the_nearest_points_come_first_with_their_cosine() {
    contract(async |context| {
        let name = fan(&context).await;
        let found = query(&context, along_x(&name)).await;
        assert_eq!(numbers(&found), [1, 2, 3, 4, 5]);
        for point in &found {
            let expected = (number(&point.id) as f32 * 10.0).to_radians().cos();
            assert!((point.score - expected).abs() < 1e-5, "{} is not {expected}", point.score);
            assert!(point.payload.is_empty() && point.vectors.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn limit_offset_and_score_threshold_are_applied() {
    contract(async |context| {
        let name = fan(&context).await;
        assert_eq!(numbers(&query(&context, along_x(&name).limit(2)).await), [1, 2]);
        assert_eq!(numbers(&query(&context, along_x(&name).limit(2).offset(2)).await), [3, 4]);
        assert_eq!(numbers(&query(&context, along_x(&name).limit(2).offset(4)).await), [5]);
        let threshold = 25_f32.to_radians().cos();
        let cut = along_x(&name).score_threshold(threshold);
        assert_eq!(numbers(&query(&context, cut.clone()).await), [1, 2]);
        assert_eq!(numbers(&query(&context, cut.offset(1)).await), [2]);
        let odd = Filter::must([Condition::matches("odd", true)]);
        assert_eq!(numbers(&query(&context, along_x(&name).filter(odd)).await), [1, 3, 5]);
    })
    .await;
}

#[tokio::test]
async fn payloads_and_vectors_are_returned_on_request() {
    contract(async |context| {
        let name = fan(&context).await;
        let request = along_x(&name).limit(1).with_payload(true).with_vectors(true);
        let found = query(&context, request).await.remove(0);
        assert_eq!(found.payload.len(), 2);
        assert!(found.vectors.unwrap().get_vector().is_some());
        let include = qdrant_client::qdrant::PayloadIncludeSelector { fields: vec!["text".to_owned()] };
        let found = query(&context, along_x(&name).limit(1).with_payload(include)).await.remove(0);
        assert_eq!(found.payload.keys().collect::<Vec<_>>(), ["text"]);
    })
    .await;
}

#[tokio::test]
async fn a_query_by_example_excludes_the_example() {
    contract(async |context| {
        let name = fan(&context).await;
        let request =
            QueryPointsBuilder::new(&name).query(Query::new_nearest(VectorInput::new_id(1))).limit(2);
        assert_eq!(numbers(&query(&context, request).await), [2, 3]);
    })
    .await;
}

#[tokio::test]
async fn a_batch_returns_a_result_for_each_query() {
    contract(async |context| {
        let name = fan(&context).await;
        let along_y = QueryPointsBuilder::new(&name).query(Query::new_nearest(vec![0.0, 1.0]));
        let queries = vec![along_x(&name).limit(1).build(), along_y.limit(2).build()];
        let request = QueryBatchPointsBuilder::new(&name, queries);
        let results = context.client.query_batch(request).await.unwrap().result;
        assert_eq!(
            results.iter().map(|batch| numbers(&batch.result)).collect::<Vec<_>>(),
            [vec![1], vec![5, 4]]
        );
    })
    .await;
}

async fn dense_and_sparse(context: &Context) -> String {
    let name = context.name("hybrid");
    let dense = VectorParamsBuilder::new(2, Distance::Cosine).build();
    let map = HashMap::from([("dense".to_owned(), dense)]);
    let mut sparse = SparseVectorsConfigBuilder::default();
    let params = SparseVectorParamsBuilder::default().modifier(Modifier::Idf);
    sparse.add_named_vector_params("sparse", params);
    let request = CreateCollectionBuilder::new(&name)
        .vectors_config(Config::ParamsMap(VectorParamsMap { map }))
        .sparse_vectors_config(sparse);
    context.client.create_collection(request).await.unwrap();
    let point = |id: u64, dense: [f32; 2], sparse: Vec<(u32, f32)>| {
        let vectors = NamedVectors::default()
            .add_vector("dense", Vector::new_dense(dense.to_vec()))
            .add_vector("sparse", Vector::from(sparse));
        PointStruct::new(id, vectors, HashMap::<String, qdrant_client::qdrant::Value>::new())
    };
    let points = vec![
        point(1, [1.0, 0.0], vec![(7, 1.0)]),
        point(2, [0.9, 0.1], vec![(8, 2.0), (7, 1.0)]),
        point(3, [0.5, 0.5], vec![(7, 3.0)]),
        point(4, [0.0, 1.0], vec![(9, 5.0)]),
    ];
    context.upsert(&name, points).await;
    name
}

#[tokio::test]
async fn sparse_scores_weigh_rare_terms_more() {
    contract(async |context| {
        let name = dense_and_sparse(&context).await;
        let terms = Query::new_nearest(VectorInput::new_sparse(vec![7, 8], vec![1.0, 1.0]));
        let found = query(&context, QueryPointsBuilder::new(&name).query(terms).using("sparse")).await;
        // Term 7 is in three of four points, term 8 in one, and point 4 has neither.
        let idf = |n: f32| ((4.0 - n + 0.5) / (n + 0.5) + 1.0).ln();
        let expected = [(2, 2.0 * idf(1.0) + idf(3.0)), (3, 3.0 * idf(3.0)), (1, idf(3.0))];
        assert_eq!(found.len(), expected.len());
        for (point, (id, score)) in found.iter().zip(expected) {
            assert_eq!(number(&point.id), id);
            assert!((point.score - score).abs() < 1e-4, "{id}: {} is not {score}", point.score);
        }
    })
    .await;
}

#[tokio::test]
async fn fusion_prefers_points_of_both_lists() {
    contract(async |context| {
        let name = dense_and_sparse(&context).await;
        let dense = PrefetchQueryBuilder::default()
            .query(Query::new_nearest(vec![1.0, 0.0]))
            .using("dense")
            .limit(10_u64);
        let sparse = PrefetchQueryBuilder::default()
            .query(Query::new_nearest(VectorInput::new_sparse(vec![8, 7], vec![1.0, 0.1])))
            .using("sparse")
            .limit(10_u64);
        let request = QueryPointsBuilder::new(&name)
            .add_prefetch(dense)
            .add_prefetch(sparse)
            .query(Query::new_fusion(Fusion::Rrf));
        // Dense: 1, 2, 3, 4. Sparse: 2, 3, 1. Reciprocal ranks with constant 2: 2 has
        // 1/3 + 1/2, 1 has 1/2 + 1/4, 3 has 1/4 + 1/3, 4 has 1/5.
        let found = query(&context, request.clone()).await;
        assert_eq!(numbers(&found), [2, 1, 3, 4]);
        assert!((found[0].score - (1.0 / 3.0 + 0.5)).abs() < 1e-5, "{}", found[0].score);
        assert_eq!(numbers(&query(&context, request.limit(1).offset(1)).await), [1]);
    })
    .await;
}
