//! `qdrant.Qdrant`: the health check.

use qdrant_client::qdrant::qdrant_server::Qdrant;
use qdrant_client::qdrant::{HealthCheckReply, HealthCheckRequest};
use tonic::{Request, Response, Status};

use crate::api::Api;

#[tonic::async_trait]
impl Qdrant for Api {
    async fn health_check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckReply>, Status> {
        Ok(Response::new(HealthCheckReply {
            title: "qdrant-local".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: None,
        }))
    }
}
