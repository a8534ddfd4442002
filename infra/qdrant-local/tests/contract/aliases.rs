use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::{
    AliasOperations, ChangeAliases, CreateAlias, CreateAliasBuilder, DeleteAlias, RenameAliasBuilder,
};
use serde_json::json;
use tonic::transport::Endpoint;

use crate::support::{Context, contract, point};

async fn two_collections(context: &Context) -> (String, String) {
    let blue = context.collection("blue", 2).await;
    context.upsert(&blue, vec![point(1, [1.0, 0.0], json!({}))]).await;
    let green = context.collection("green", 2).await;
    let points = [1, 2].map(|id| point(id, [1.0, 0.0], json!({})));
    context.upsert(&green, points.to_vec()).await;
    (blue, green)
}

/// Applies several changes in one call, for which the client has no method.
async fn change(context: &Context, actions: Vec<Action>) {
    let channel = Endpoint::from_shared(context.url.clone()).unwrap().connect().await.unwrap();
    let actions = actions.into_iter().map(|action| AliasOperations { action: Some(action) });
    let mut request = tonic::Request::new(ChangeAliases { actions: actions.collect(), timeout: None });
    if let Some(key) = &context.api_key {
        request.metadata_mut().insert("api-key", key.parse().unwrap());
    }
    CollectionsClient::new(channel).update_aliases(request).await.unwrap();
}

#[tokio::test]
async fn an_alias_refers_to_its_collection() {
    contract(async |context| {
        let (client, live) = (&context.client, context.name("live"));
        let (blue, green) = two_collections(&context).await;
        client.create_alias(CreateAliasBuilder::new(&blue, &live)).await.unwrap();
        assert_eq!(context.count(&live, None).await, 1);
        context.upsert(&live, vec![point(9, [0.0, 1.0], json!({}))]).await;
        assert_eq!(context.count(&blue, None).await, 2);

        let listed = client.list_collection_aliases(&blue).await.unwrap().aliases;
        assert_eq!(listed.len(), 1);
        assert_eq!((&listed[0].alias_name, &listed[0].collection_name), (&live, &blue));
        assert_eq!(client.list_collection_aliases(&green).await.unwrap().aliases, []);
        let listed = client.list_aliases().await.unwrap().aliases;
        assert!(listed.iter().any(|alias| alias.alias_name == live));

        let renamed = context.name("renamed");
        client.rename_alias(RenameAliasBuilder::new(&live, &renamed)).await.unwrap();
        assert_eq!(context.count(&renamed, None).await, 2);
        client.delete_alias(&renamed).await.unwrap();
        assert_eq!(client.list_collection_aliases(&blue).await.unwrap().aliases, []);
        assert_eq!(context.count(&blue, None).await, 2);
    })
    .await;
}

#[tokio::test]
async fn an_alias_is_swapped_atomically() {
    contract(async |context| {
        let live = context.name("live");
        let (blue, green) = two_collections(&context).await;
        context.client.create_alias(CreateAliasBuilder::new(&blue, &live)).await.unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let reader = tokio::spawn({
            let (context, live) = (context.clone(), live.clone());
            async move {
                let mut reads = 0;
                while !*stopped.borrow() || reads == 0 {
                    let count = context.count(&live, None).await;
                    assert!(count == 1 || count == 2, "{count} points");
                    reads += 1;
                }
            }
        });
        for round in 0..20 {
            let next = if round % 2 == 0 { &green } else { &blue };
            let delete = Action::DeleteAlias(DeleteAlias { alias_name: live.clone() });
            let create =
                Action::CreateAlias(CreateAlias { collection_name: next.clone(), alias_name: live.clone() });
            change(&context, vec![delete, create]).await;
            let expected = if round % 2 == 0 { 2 } else { 1 };
            assert_eq!(context.count(&live, None).await, expected);
        }
        stop.send(true).unwrap();
        reader.await.unwrap();
    })
    .await;
}
