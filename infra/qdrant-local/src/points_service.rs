//! `qdrant.Points`: the gRPC service. [`crate::points_reads`] and [`crate::points_writes`] implement its calls.

use qdrant_client::qdrant::points_server::Points;
use qdrant_client::qdrant::points_update_operation::{
    ClearPayload, DeletePayload, DeletePoints as DeletePointsOperation, DeleteVectors, Operation,
    OverwritePayload, PointStructList, SetPayload, UpdateVectors,
};
use qdrant_client::qdrant::{
    ClearPayloadPoints, CountPoints, CountResponse, CountResult, CreateFieldIndexCollection,
    CreateVectorNameRequest, DeleteFieldIndexCollection, DeletePayloadPoints, DeletePointVectors,
    DeletePoints, DeleteVectorNameRequest, DiscoverBatchPoints, DiscoverBatchResponse, DiscoverPoints,
    DiscoverResponse, FacetCounts, FacetResponse, GetPoints, GetResponse, PointsOperationResponse,
    QueryBatchPoints, QueryBatchResponse, QueryGroupsResponse, QueryPointGroups, QueryPoints, QueryResponse,
    RecommendBatchPoints, RecommendBatchResponse, RecommendGroupsResponse, RecommendPointGroups,
    RecommendPoints, RecommendResponse, ScrollPoints, ScrollResponse, SearchBatchPoints, SearchBatchResponse,
    SearchGroupsResponse, SearchMatrixOffsetsResponse, SearchMatrixPairsResponse, SearchMatrixPoints,
    SearchPointGroups, SearchPoints, SearchResponse, SetPayloadPoints, UpdateBatchPoints,
    UpdateBatchResponse, UpdatePointVectors, UpsertPoints,
};
use tonic::{Request, Response, Status};

use crate::api::{Api, unsupported};
use crate::points_reads as reads;
use crate::points_writes::{self as writes, Write};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Points for Api {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::Upsert(PointStructList {
            points: request.points,
            shard_key_selector: request.shard_key_selector,
            update_filter: request.update_filter,
            update_mode: request.update_mode,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/Upsert", write).await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::DeletePoints(DeletePointsOperation {
            points: request.points,
            shard_key_selector: request.shard_key_selector,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/Delete", write).await
    }

    async fn get(&self, request: Request<GetPoints>) -> Answer<GetResponse> {
        let request = request.into_inner();
        let (result, time) = self.call("Points/Get", move |store| reads::get(store, request)).await?;
        Ok(Response::new(GetResponse { result, time, usage: None }))
    }

    async fn update_vectors(&self, request: Request<UpdatePointVectors>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::UpdateVectors(UpdateVectors {
            points: request.points,
            shard_key_selector: request.shard_key_selector,
            update_filter: request.update_filter,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/UpdateVectors", write).await
    }

    async fn delete_vectors(&self, request: Request<DeletePointVectors>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::DeleteVectors(DeleteVectors {
            points_selector: request.points_selector,
            vectors: request.vectors,
            shard_key_selector: request.shard_key_selector,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/DeleteVectors", write).await
    }

    async fn set_payload(&self, request: Request<SetPayloadPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::SetPayload(SetPayload {
            payload: request.payload,
            points_selector: request.points_selector,
            shard_key_selector: request.shard_key_selector,
            key: request.key,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/SetPayload", write).await
    }

    async fn overwrite_payload(&self, request: Request<SetPayloadPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::OverwritePayload(OverwritePayload {
            payload: request.payload,
            points_selector: request.points_selector,
            shard_key_selector: request.shard_key_selector,
            key: request.key,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/OverwritePayload", write).await
    }

    async fn delete_payload(&self, request: Request<DeletePayloadPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::DeletePayload(DeletePayload {
            keys: request.keys,
            points_selector: request.points_selector,
            shard_key_selector: request.shard_key_selector,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/DeletePayload", write).await
    }

    async fn clear_payload(&self, request: Request<ClearPayloadPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::ClearPayload(ClearPayload {
            points: request.points,
            shard_key_selector: request.shard_key_selector,
        });
        let write = Write::new(request.collection_name, request.wait, operation);
        self.write("Points/ClearPayload", write).await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let work = move |store: &crate::store::Store| writes::create_index(store, request);
        let (result, time) = self.call("Points/CreateFieldIndex", work).await?;
        Ok(Response::new(PointsOperationResponse { result: Some(result), time, usage: None }))
    }

    async fn delete_field_index(
        &self,
        request: Request<DeleteFieldIndexCollection>,
    ) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        let work = move |store: &crate::store::Store| writes::delete_index(store, request);
        let (result, time) = self.call("Points/DeleteFieldIndex", work).await?;
        Ok(Response::new(PointsOperationResponse { result: Some(result), time, usage: None }))
    }

    async fn create_vector_name(
        &self,
        _request: Request<CreateVectorNameRequest>,
    ) -> Answer<PointsOperationResponse> {
        unsupported("Points/CreateVectorName")
    }

    async fn delete_vector_name(
        &self,
        _request: Request<DeleteVectorNameRequest>,
    ) -> Answer<PointsOperationResponse> {
        unsupported("Points/DeleteVectorName")
    }

    async fn search(&self, _request: Request<SearchPoints>) -> Answer<SearchResponse> {
        unsupported("Points/Search; use Points/Query")
    }

    async fn search_batch(&self, _request: Request<SearchBatchPoints>) -> Answer<SearchBatchResponse> {
        unsupported("Points/SearchBatch; use Points/QueryBatch")
    }

    async fn search_groups(&self, _request: Request<SearchPointGroups>) -> Answer<SearchGroupsResponse> {
        unsupported("Points/SearchGroups")
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
        let request = request.into_inner();
        let ((result, next_page_offset), time) =
            self.call("Points/Scroll", move |store| reads::scroll(store, request)).await?;
        Ok(Response::new(ScrollResponse { next_page_offset, result, time, usage: None }))
    }

    async fn recommend(&self, _request: Request<RecommendPoints>) -> Answer<RecommendResponse> {
        unsupported("Points/Recommend")
    }

    async fn recommend_batch(
        &self,
        _request: Request<RecommendBatchPoints>,
    ) -> Answer<RecommendBatchResponse> {
        unsupported("Points/RecommendBatch")
    }

    async fn recommend_groups(
        &self,
        _request: Request<RecommendPointGroups>,
    ) -> Answer<RecommendGroupsResponse> {
        unsupported("Points/RecommendGroups")
    }

    async fn discover(&self, _request: Request<DiscoverPoints>) -> Answer<DiscoverResponse> {
        unsupported("Points/Discover")
    }

    async fn discover_batch(&self, _request: Request<DiscoverBatchPoints>) -> Answer<DiscoverBatchResponse> {
        unsupported("Points/DiscoverBatch")
    }

    async fn count(&self, request: Request<CountPoints>) -> Answer<CountResponse> {
        let request = request.into_inner();
        let (count, time) = self.call("Points/Count", move |store| reads::count(store, request)).await?;
        let result = Some(CountResult { count });
        Ok(Response::new(CountResponse { result, time, usage: None }))
    }

    async fn update_batch(&self, request: Request<UpdateBatchPoints>) -> Answer<UpdateBatchResponse> {
        let request = request.into_inner();
        let work = move |store: &crate::store::Store| writes::update_batch(store, request);
        let (result, time) = self.call("Points/UpdateBatch", work).await?;
        Ok(Response::new(UpdateBatchResponse { result, time, usage: None }))
    }

    async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
        let request = request.into_inner();
        let (result, time) = self.call("Points/Query", move |store| reads::query(store, request)).await?;
        Ok(Response::new(QueryResponse { result, time, usage: None }))
    }

    async fn query_batch(&self, request: Request<QueryBatchPoints>) -> Answer<QueryBatchResponse> {
        let request = request.into_inner();
        let (result, time) =
            self.call("Points/QueryBatch", move |store| reads::query_batch(store, request)).await?;
        Ok(Response::new(QueryBatchResponse { result, time, usage: None }))
    }

    async fn query_groups(&self, _request: Request<QueryPointGroups>) -> Answer<QueryGroupsResponse> {
        unsupported("Points/QueryGroups")
    }

    async fn facet(&self, _request: Request<FacetCounts>) -> Answer<FacetResponse> {
        unsupported("Points/Facet")
    }

    async fn search_matrix_pairs(
        &self,
        _request: Request<SearchMatrixPoints>,
    ) -> Answer<SearchMatrixPairsResponse> {
        unsupported("Points/SearchMatrixPairs")
    }

    async fn search_matrix_offsets(
        &self,
        _request: Request<SearchMatrixPoints>,
    ) -> Answer<SearchMatrixOffsetsResponse> {
        unsupported("Points/SearchMatrixOffsets")
    }
}

impl Api {
    async fn write(&self, name: &'static str, write: Write) -> Answer<PointsOperationResponse> {
        let (result, time) = self.call(name, move |store| write.apply(store)).await?;
        Ok(Response::new(PointsOperationResponse { result: Some(result), time, usage: None }))
    }
}
