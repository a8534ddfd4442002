//! How the crate `vectors` has indexes kept: shards, replicas, disk, quantization.

use std::num::NonZeroU32;

use domain::{Quantization, SearchMode};
use qdrant_client::qdrant::quantization_config::Quantization as Variant;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionConfig, CreateCollectionBuilder, Datatype, Distance, ScalarQuantization, VectorParams,
    VectorParamsBuilder,
};
use vectors::{ChunkQuery, IndexSpec, IndexStorage, OnDisk};

use crate::support::{Context, Numbers, contract, rejection};
use crate::vectors::{DIMENSION, chunks, document, query, spec, store};

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

async fn config(context: &Context, spec: &IndexSpec) -> CollectionConfig {
    context.client.collection_info(&spec.name).await.unwrap().result.unwrap().config.unwrap()
}

fn dense(config: &CollectionConfig) -> &VectorParams {
    let vectors = config.params.as_ref().unwrap().vectors_config.as_ref().unwrap();
    match vectors.config.as_ref().unwrap() {
        Config::ParamsMap(named) => &named.map["dense"],
        Config::Params(unnamed) => panic!("not named: {unnamed:?}"),
    }
}

fn scalar(params: &VectorParams) -> Option<&ScalarQuantization> {
    match params.quantization_config.as_ref()?.quantization.as_ref()? {
        Variant::Scalar(scalar) => Some(scalar),
        other => panic!("not scalar: {other:?}"),
    }
}

#[tokio::test]
#[expect(deprecated, reason = "servers before 1.18 do not know their replacements")]
async fn an_index_is_kept_as_configured() {
    contract(async |context| {
        let store = store(&context);
        let plain = spec(&context, Quantization::Float16);
        store.ensure_index(&plain).await.unwrap();
        let existing = config(&context, &plain).await;
        let params = existing.params.as_ref().unwrap();
        assert_eq!((params.replication_factor, params.write_consistency_factor), (Some(1), Some(1)));
        assert_eq!(dense(&existing).on_disk, None);
        assert_eq!(scalar(dense(&existing)), None);
        assert!(!existing.hnsw_config.unwrap().on_disk.unwrap_or(false));

        let storage = IndexStorage {
            shards: Some(number(2)),
            replicas: number(3),
            write_consistency: number(2),
            on_disk: OnDisk::All,
            has_scalar_quantization: true,
        };
        let name = context.name("configured");
        let configured = IndexSpec { name, storage: storage.clone(), ..plain.clone() };
        store.ensure_index(&configured).await.unwrap();
        let existing = config(&context, &configured).await;
        let params = existing.params.as_ref().unwrap();
        assert_eq!(params.shard_number, 2);
        assert_eq!((params.replication_factor, params.write_consistency_factor), (Some(3), Some(2)));
        assert!(params.on_disk_payload);
        let sparse = &params.sparse_vectors_config.as_ref().unwrap().map["sparse-v2"];
        assert_eq!(sparse.index.unwrap().on_disk, Some(true));
        let hnsw = existing.hnsw_config.unwrap();
        assert_eq!((hnsw.m, hnsw.ef_construct, hnsw.on_disk), (Some(16), Some(512), Some(true)));
        let vectors = dense(&existing);
        assert_eq!((vectors.on_disk, vectors.datatype()), (Some(true), Datatype::Float16));
        let scalar = scalar(vectors).unwrap();
        assert_eq!((scalar.quantile, scalar.always_ram), (Some(0.99), Some(true)));
        let info = context.client.collection_info(&configured.name).await.unwrap().result.unwrap();
        assert_eq!(info.payload_schema.len(), 11);
        for (field, index) in info.payload_schema {
            let params = format!("{:?}", index.params);
            assert!(params.contains("on_disk: Some(true)"), "{field}: {params}");
        }

        // Searches work, and the index remains suitable when the settings change.
        store.upsert(&configured.name, chunks(document(1), 1, 1, 40)).await.unwrap();
        for mode in [SearchMode::Dense, SearchMode::Sparse, SearchMode::Hybrid] {
            let text = "chunk".to_owned();
            let requested = ChunkQuery { mode, text, ..query(&Numbers(4).vector(DIMENSION)) };
            assert_eq!(store.search(&configured.name, &requested).await.unwrap().len(), 10);
        }
        let again = IndexSpec { storage: IndexStorage::default(), ..configured };
        store.ensure_index(&again).await.unwrap();
        store.ensure_index(&IndexSpec { storage, ..plain }).await.unwrap();
    })
    .await;
}

#[tokio::test]
#[expect(deprecated, reason = "servers before 1.18 do not know their replacements")]
async fn vectors_alone_can_be_on_disk() {
    contract(async |context| {
        let store = store(&context);
        let storage = IndexStorage { on_disk: OnDisk::Vectors, ..IndexStorage::default() };
        let spec = IndexSpec { storage, ..spec(&context, Quantization::Float32) };
        store.ensure_index(&spec).await.unwrap();
        let existing = config(&context, &spec).await;
        assert_eq!(dense(&existing).on_disk, Some(true));
        assert_eq!(scalar(dense(&existing)), None);
        let sparse = &existing.params.unwrap().sparse_vectors_config.unwrap().map["sparse-v2"];
        assert_eq!(sparse.index.and_then(|index| index.on_disk), None);
    })
    .await;
}

#[tokio::test]
async fn numbers_of_shards_and_replicas_are_positive() {
    contract(async |context| {
        let create = || {
            CreateCollectionBuilder::new(context.name("a"))
                .vectors_config(VectorParamsBuilder::new(3, Distance::Cosine))
        };
        for request in
            [create().shard_number(0), create().replication_factor(0), create().write_consistency_factor(0)]
        {
            let status = rejection(context.client.create_collection(request).await);
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains("must be 1 or larger"), "{}", status.message());
        }
    })
    .await;
}
