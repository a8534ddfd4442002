//! `qdrant.Snapshots`: snapshots of one collection.

use qdrant_client::qdrant::snapshots_server::Snapshots;
use qdrant_client::qdrant::{
    CreateFullSnapshotRequest, CreateSnapshotRequest, CreateSnapshotResponse, DeleteFullSnapshotRequest,
    DeleteSnapshotRequest, DeleteSnapshotResponse, ListFullSnapshotsRequest, ListSnapshotsRequest,
    ListSnapshotsResponse,
};
use tonic::{Request, Response, Status};

use crate::api::{Api, unsupported};
use crate::snapshot;

#[tonic::async_trait]
impl Snapshots for Api {
    async fn create(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        let name = request.into_inner().collection_name;
        let (description, time) =
            self.call("Snapshots/Create", move |store| snapshot::create(store, &name)).await?;
        tracing::info!(snapshot.name = description.name, "snapshot written");
        let snapshot_description = Some(description);
        Ok(Response::new(CreateSnapshotResponse { snapshot_description, time }))
    }

    async fn list(
        &self,
        request: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        let name = request.into_inner().collection_name;
        let (snapshot_descriptions, time) =
            self.call("Snapshots/List", move |store| snapshot::list(store, &name)).await?;
        Ok(Response::new(ListSnapshotsResponse { snapshot_descriptions, time }))
    }

    async fn delete(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        let DeleteSnapshotRequest { collection_name, snapshot_name } = request.into_inner();
        let work =
            move |store: &crate::store::Store| snapshot::delete(store, &collection_name, &snapshot_name);
        let ((), time) = self.call("Snapshots/Delete", work).await?;
        Ok(Response::new(DeleteSnapshotResponse { time }))
    }

    async fn create_full(
        &self,
        _request: Request<CreateFullSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        unsupported("Snapshots/CreateFull")
    }

    async fn list_full(
        &self,
        _request: Request<ListFullSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        unsupported("Snapshots/ListFull")
    }

    async fn delete_full(
        &self,
        _request: Request<DeleteFullSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        unsupported("Snapshots/DeleteFull")
    }
}
