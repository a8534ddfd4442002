//! The HTTP request that a message comes with.

use access::Caller;
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use lambda::http::{ApiError, BaseUrl, ClientInfo, ReceivedAt, RequestSite};

use crate::State;

/// What the HTTP request of a message says.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(super) caller: Caller,
    pub(super) received: ReceivedAt,
    pub(super) request_id: String,
    pub(super) site: RequestSite,
    pub(super) headers: HeaderMap,
    base_url: BaseUrl,
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Ok(received) = ReceivedAt::from_request_parts(parts, state).await;
        let Ok(client) = ClientInfo::from_request_parts(parts, state).await;
        let Ok(base_url) = BaseUrl::from_request_parts(parts, state).await;
        let Ok(site) = RequestSite::from_request_parts(parts, state).await;
        let headers = parts.headers.clone();
        Ok(Self { caller, received, request_id: client.request_id, base_url, site, headers })
    }
}

impl Sender {
    /// The base URL of the API.
    pub(super) fn api_url(&self, state: &State) -> String {
        self.base_url.clone().configured(state.api_url.as_deref())
    }
}
