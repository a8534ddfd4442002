//! `qdrant.Collections`: collections and their aliases.

use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::collections_server::Collections;
use qdrant_client::qdrant::{
    AliasDescription, AliasOperations, ChangeAliases, CollectionClusterInfoRequest,
    CollectionClusterInfoResponse, CollectionDescription, CollectionExists, CollectionExistsRequest,
    CollectionExistsResponse, CollectionOperationResponse, CreateCollection, CreateShardKeyRequest,
    CreateShardKeyResponse, DeleteCollection, DeleteShardKeyRequest, DeleteShardKeyResponse,
    GetCollectionInfoRequest, GetCollectionInfoResponse, ListAliasesRequest, ListAliasesResponse,
    ListCollectionAliasesRequest, ListCollectionsRequest, ListCollectionsResponse, ListShardKeysRequest,
    ListShardKeysResponse, UpdateCollection, UpdateCollectionClusterSetupRequest,
    UpdateCollectionClusterSetupResponse,
};
use tonic::{Request, Response, Status};

use crate::api::{Api, unsupported};
use crate::error::LocalError;
use crate::registry::AliasChange;

#[tonic::async_trait]
impl Collections for Api {
    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Result<Response<GetCollectionInfoResponse>, Status> {
        let name = request.into_inner().collection_name;
        let (info, time) =
            self.call("Collections/Get", move |store| Ok(store.collection(&name)?.info())).await?;
        Ok(Response::new(GetCollectionInfoResponse { result: Some(info), time }))
    }

    async fn list(
        &self,
        _request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        let (names, time) = self.call("Collections/List", |store| Ok(store.names())).await?;
        let collections = names.into_iter().map(|name| CollectionDescription { name }).collect();
        Ok(Response::new(ListCollectionsResponse { collections, time }))
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let definition = request.into_inner();
        let name = definition.collection_name.clone();
        let work = move |store: &crate::store::Store| store.create(definition);
        let ((), time) = self.call("Collections/Create", work).await?;
        tracing::info!(collection.name = name, "created");
        Ok(Response::new(CollectionOperationResponse { result: true, time }))
    }

    async fn update(
        &self,
        _request: Request<UpdateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        unsupported("Collections/Update")
    }

    async fn delete(
        &self,
        request: Request<DeleteCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let name = request.into_inner().collection_name;
        let deleted = name.clone();
        let (result, time) = self.call("Collections/Delete", move |store| store.delete(&name)).await?;
        tracing::info!(collection.name = deleted, existed = result, "deleted");
        Ok(Response::new(CollectionOperationResponse { result, time }))
    }

    async fn update_aliases(
        &self,
        request: Request<ChangeAliases>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let actions = request.into_inner().actions;
        let work = move |store: &crate::store::Store| {
            let changes = actions.into_iter().map(alias_change).collect::<Result<_, _>>()?;
            store.change_aliases(changes)
        };
        let ((), time) = self.call("Collections/UpdateAliases", work).await?;
        Ok(Response::new(CollectionOperationResponse { result: true, time }))
    }

    async fn list_collection_aliases(
        &self,
        request: Request<ListCollectionAliasesRequest>,
    ) -> Result<Response<ListAliasesResponse>, Status> {
        let name = request.into_inner().collection_name;
        let work = move |store: &crate::store::Store| {
            store.collection(&name)?;
            Ok(descriptions(store.aliases(), Some(&name)))
        };
        let (aliases, time) = self.call("Collections/ListCollectionAliases", work).await?;
        Ok(Response::new(ListAliasesResponse { aliases, time }))
    }

    async fn list_aliases(
        &self,
        _request: Request<ListAliasesRequest>,
    ) -> Result<Response<ListAliasesResponse>, Status> {
        let work = |store: &crate::store::Store| Ok(descriptions(store.aliases(), None));
        let (aliases, time) = self.call("Collections/ListAliases", work).await?;
        Ok(Response::new(ListAliasesResponse { aliases, time }))
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Result<Response<CollectionExistsResponse>, Status> {
        let name = request.into_inner().collection_name;
        let work = move |store: &crate::store::Store| Ok(store.exists(&name));
        let (exists, time) = self.call("Collections/CollectionExists", work).await?;
        let result = Some(CollectionExists { exists });
        Ok(Response::new(CollectionExistsResponse { result, time }))
    }

    async fn collection_cluster_info(
        &self,
        _request: Request<CollectionClusterInfoRequest>,
    ) -> Result<Response<CollectionClusterInfoResponse>, Status> {
        unsupported("Collections/CollectionClusterInfo")
    }

    async fn update_collection_cluster_setup(
        &self,
        _request: Request<UpdateCollectionClusterSetupRequest>,
    ) -> Result<Response<UpdateCollectionClusterSetupResponse>, Status> {
        unsupported("Collections/UpdateCollectionClusterSetup")
    }

    async fn create_shard_key(
        &self,
        _request: Request<CreateShardKeyRequest>,
    ) -> Result<Response<CreateShardKeyResponse>, Status> {
        unsupported("Collections/CreateShardKey")
    }

    async fn delete_shard_key(
        &self,
        _request: Request<DeleteShardKeyRequest>,
    ) -> Result<Response<DeleteShardKeyResponse>, Status> {
        unsupported("Collections/DeleteShardKey")
    }

    async fn list_shard_keys(
        &self,
        _request: Request<ListShardKeysRequest>,
    ) -> Result<Response<ListShardKeysResponse>, Status> {
        unsupported("Collections/ListShardKeys")
    }
}

fn alias_change(operation: AliasOperations) -> Result<AliasChange, LocalError> {
    match operation.action {
        Some(Action::CreateAlias(create)) => {
            Ok(AliasChange::Create { alias: create.alias_name, collection: create.collection_name })
        }
        Some(Action::RenameAlias(rename)) => {
            Ok(AliasChange::Rename { old: rename.old_alias_name, new: rename.new_alias_name })
        }
        Some(Action::DeleteAlias(delete)) => Ok(AliasChange::Delete { alias: delete.alias_name }),
        None => Err(LocalError::BadInput("Malformed AliasOperation type".to_owned())),
    }
}

fn descriptions(aliases: Vec<(String, String)>, only: Option<&str>) -> Vec<AliasDescription> {
    let aliases = aliases.into_iter();
    aliases
        .filter(|(_, name)| only.is_none_or(|only| only == name))
        .map(|(alias_name, collection_name)| AliasDescription { alias_name, collection_name })
        .collect()
}
