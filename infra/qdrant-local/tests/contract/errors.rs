use qdrant_client::qdrant::{
    Condition, CreateAliasBuilder, CreateCollectionBuilder, DeletePointsBuilder, Distance,
    FacetCountsBuilder, FieldType, Filter, Query, QueryPointsBuilder, RenameAliasBuilder,
    ScrollPointsBuilder, StrictModeConfigBuilder, UpsertPointsBuilder, VectorParamsBuilder,
};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::server::Server;
use crate::support::{contract, count, point, rejection};

#[tokio::test]
async fn an_unknown_collection_is_not_found() {
    contract(async |context| {
        let (client, name) = (&context.client, context.name("missing"));
        let expected = format!("Not found: Collection `{name}` doesn't exist!");
        let points = vec![point(1, [1.0], json!({}))];
        let query = QueryPointsBuilder::new(&name).query(Query::new_nearest(vec![1.0]));
        let alias = CreateAliasBuilder::new(&name, context.name("alias"));
        let rejections = [
            rejection(client.collection_info(&name).await),
            rejection(client.upsert_points(UpsertPointsBuilder::new(&name, points)).await),
            rejection(client.query(query).await),
            rejection(client.scroll(ScrollPointsBuilder::new(&name)).await),
            rejection(count(client, &name, None).await),
            rejection(client.create_snapshot(&name).await),
            rejection(client.create_alias(alias).await),
        ];
        for status in rejections {
            assert_eq!(status.code(), Code::NotFound);
            assert_eq!(status.message(), expected);
        }
        let rename = RenameAliasBuilder::new(context.name("no"), context.name("alias"));
        assert_eq!(rejection(client.rename_alias(rename).await).code(), Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn collection_names_are_unique() {
    contract(async |context| {
        let name = context.collection("a", 2).await;
        let vectors = VectorParamsBuilder::new(2, Distance::Cosine);
        let request = CreateCollectionBuilder::new(&name).vectors_config(vectors);
        let status = rejection(context.client.create_collection(request).await);
        assert_eq!(status.code(), Code::AlreadyExists);
        let expected = format!("Wrong input: Collection `{name}` already exists!");
        assert_eq!(status.message(), expected);
    })
    .await;
}

#[tokio::test]
async fn vectors_of_the_wrong_shape_are_rejected() {
    contract(async |context| {
        let (client, name) = (&context.client, context.collection("a", 3).await);
        let wrong = vec![point(2, [1.0, 0.0, 0.0, 0.0], json!({}))];
        let request = UpsertPointsBuilder::new(&name, wrong).wait(true);
        let status = rejection(client.upsert_points(request).await);
        let expected = "Wrong input: Vector dimension error: expected dim: 3, got 4";
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, expected));
        assert_eq!(context.count(&name, None).await, 0);

        let query = QueryPointsBuilder::new(&name).query(Query::new_nearest(vec![1.0; 4]));
        let status = rejection(client.query(query.clone()).await);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, expected));

        let query = query.query(Query::new_nearest(vec![1.0; 3])).using("other");
        let status = rejection(client.query(query).await);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("Not existing vector name error: other"), "{status}");
    })
    .await;
}

#[tokio::test]
async fn strict_mode_rejects_filters_without_an_index() {
    contract(async |context| {
        let (client, name) = (&context.client, context.name("strict"));
        let strict = StrictModeConfigBuilder::default()
            .enabled(true)
            .unindexed_filtering_retrieve(false)
            .unindexed_filtering_update(false);
        let request = CreateCollectionBuilder::new(&name)
            .vectors_config(VectorParamsBuilder::new(2, Distance::Cosine))
            .strict_mode_config(strict);
        client.create_collection(request).await.unwrap();
        context.upsert(&name, vec![point(1, [1.0, 0.0], json!({"field": "x"}))]).await;
        let filter = Filter::must([Condition::matches("field", "x".to_owned())]);

        let query =
            QueryPointsBuilder::new(&name).query(Query::new_nearest(vec![1.0, 0.0])).filter(filter.clone());
        let delete = DeletePointsBuilder::new(&name).points(filter.clone()).wait(true);
        let rejections = [
            rejection(client.query(query.clone()).await),
            rejection(client.scroll(ScrollPointsBuilder::new(&name).filter(filter.clone())).await),
            rejection(count(client, &name, Some(filter.clone())).await),
            rejection(client.delete_points(delete.clone()).await),
        ];
        let expected = "Bad request: Index required but not found for \"field\" of one of the \
                        following types: [keyword]";
        for status in rejections {
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().starts_with(expected), "{}", status.message());
        }
        assert_eq!(context.count(&name, None).await, 1);

        context.index(&name, &[("field", FieldType::Keyword)]).await;
        assert_eq!(client.query(query).await.unwrap().result.len(), 1);
        client.delete_points(delete).await.unwrap();
        assert_eq!(context.count(&name, None).await, 0);
    })
    .await;
}

#[tokio::test]
async fn qdrant_local_is_strict_by_default() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    let client = server.client();
    let create = |name: &str| {
        let vectors = VectorParamsBuilder::new(2, Distance::Cosine);
        CreateCollectionBuilder::new(name).vectors_config(vectors)
    };
    let filter = || Some(Filter::must([Condition::matches("field", "x".to_owned())]));
    client.create_collection(create("default")).await.unwrap();
    let status = rejection(count(&client, "default", filter()).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    let lax = create("lax").strict_mode_config(StrictModeConfigBuilder::default().enabled(false));
    client.create_collection(lax).await.unwrap();
    assert_eq!(count(&client, "lax", filter()).await.unwrap(), 0);
}

#[tokio::test]
async fn qdrant_local_names_unsupported_calls() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    let status = rejection(server.client().facet(FacetCountsBuilder::new("a", "key")).await);
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "qdrant-local does not support Points/Facet");
}
