use std::collections::HashMap;

use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionStatus, CreateCollectionBuilder, Datatype, DeleteFieldIndexCollectionBuilder, Distance,
    FieldType, HnswConfigDiffBuilder, OptimizersConfigDiffBuilder, PayloadSchemaType, VectorParamsBuilder,
    VectorParamsMap,
};
use serde_json::json;

use crate::support::{contract, point};

#[tokio::test]
async fn a_collection_is_created_described_listed_and_deleted() {
    contract(async |context| {
        let (client, name) = (&context.client, context.name("a"));
        assert!(!client.collection_exists(&name).await.unwrap());
        let title = VectorParamsBuilder::new(3, Distance::Cosine).datatype(Datatype::Float16);
        let body = VectorParamsBuilder::new(5, Distance::Dot);
        let map = HashMap::from([("title".to_owned(), title.build()), ("body".to_owned(), body.build())]);
        let request = CreateCollectionBuilder::new(&name)
            .vectors_config(Config::ParamsMap(VectorParamsMap { map }))
            .hnsw_config(HnswConfigDiffBuilder::default().m(8).ef_construct(64))
            .optimizers_config(
                OptimizersConfigDiffBuilder::default().indexing_threshold(20_000).memmap_threshold(50_000),
            );
        assert!(client.create_collection(request).await.unwrap().result);

        assert!(client.collection_exists(&name).await.unwrap());
        let listed = client.list_collections().await.unwrap().collections;
        assert!(listed.iter().any(|collection| collection.name == name));
        let info = client.collection_info(&name).await.unwrap().result.unwrap();
        assert_eq!(info.points_count, Some(0));
        let config = info.config.unwrap();
        let hnsw = config.hnsw_config.unwrap();
        assert_eq!((hnsw.m, hnsw.ef_construct), (Some(8), Some(64)));
        let optimizers = config.optimizer_config.unwrap();
        assert_eq!(optimizers.indexing_threshold, Some(20_000));
        assert_eq!(optimizers.memmap_threshold, Some(50_000));
        let vectors = config.params.unwrap().vectors_config.unwrap().config.unwrap();
        let Config::ParamsMap(vectors) = vectors else { panic!("no named vectors: {vectors:?}") };
        let title = &vectors.map["title"];
        assert_eq!((title.size, title.datatype()), (3, Datatype::Float16));
        assert_eq!(vectors.map["body"].distance(), Distance::Dot);

        assert!(client.delete_collection(&name).await.unwrap().result);
        assert!(!client.collection_exists(&name).await.unwrap());
        assert!(!client.delete_collection(&name).await.unwrap().result);
    })
    .await;
}

#[tokio::test]
async fn a_new_collection_inherits_nothing_from_a_deleted_one() {
    contract(async |context| {
        let name = context.collection("a", 3).await;
        context.upsert(&name, vec![point(1, [1.0, 0.0, 0.0], json!({}))]).await;
        context.client.delete_collection(&name).await.unwrap();
        assert_eq!(context.collection("a", 4).await, name);
        assert_eq!(context.count(&name, None).await, 0);
        context.upsert(&name, vec![point(1, [1.0, 0.0, 0.0, 0.0], json!({}))]).await;
        assert_eq!(context.count(&name, None).await, 1);
    })
    .await;
}

#[tokio::test]
async fn payload_indexes_are_listed_with_their_types() {
    contract(async |context| {
        let (client, name) = (&context.client, context.collection("a", 3).await);
        let fields = [
            ("keyword", FieldType::Keyword, PayloadSchemaType::Keyword),
            ("integer", FieldType::Integer, PayloadSchemaType::Integer),
            ("float", FieldType::Float, PayloadSchemaType::Float),
            ("bool", FieldType::Bool, PayloadSchemaType::Bool),
            ("datetime", FieldType::Datetime, PayloadSchemaType::Datetime),
            ("uuid", FieldType::Uuid, PayloadSchemaType::Uuid),
            ("nested.text", FieldType::Text, PayloadSchemaType::Text),
        ];
        for (field, field_type, _) in fields {
            context.index(&name, &[(field, field_type)]).await;
            // Creating it again changes nothing.
            context.index(&name, &[(field, field_type)]).await;
        }
        let info = client.collection_info(&name).await.unwrap().result.unwrap();
        assert_eq!(info.payload_schema.len(), fields.len());
        for (field, _, schema_type) in fields {
            assert_eq!(info.payload_schema[field].data_type(), schema_type, "{field}");
        }

        let request = DeleteFieldIndexCollectionBuilder::new(&name, "bool").wait(true);
        client.delete_field_index(request).await.unwrap();
        let info = client.collection_info(&name).await.unwrap().result.unwrap();
        assert!(!info.payload_schema.contains_key("bool"));
        assert_ne!(info.status(), CollectionStatus::Red);
    })
    .await;
}

#[tokio::test]
async fn snapshots_are_created_listed_and_deleted() {
    use qdrant_client::qdrant::DeleteSnapshotRequestBuilder;
    contract(async |context| {
        let (client, name) = (&context.client, context.collection("a", 3).await);
        context.upsert(&name, vec![point(1, [1.0, 0.0, 0.0], json!({}))]).await;
        assert_eq!(client.list_snapshots(&name).await.unwrap().snapshot_descriptions, []);
        let made = client.create_snapshot(&name).await.unwrap().snapshot_description.unwrap();
        assert!(made.size > 0);
        assert!(made.creation_time.is_some());
        let listed = client.list_snapshots(&name).await.unwrap().snapshot_descriptions;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].name, made.name);
        // The collection is unaffected.
        context.upsert(&name, vec![point(2, [1.0, 0.0, 0.0], json!({}))]).await;
        assert_eq!(context.count(&name, None).await, 2);
        let request = DeleteSnapshotRequestBuilder::new(&name, &made.name);
        client.delete_snapshot(request).await.unwrap();
        assert_eq!(client.list_snapshots(&name).await.unwrap().snapshot_descriptions, []);
    })
    .await;
}
