//! Why a request was not answered.

use lambda::http::ApiError;

use super::message::RpcError;

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error of the protocol, which the client's program handles.
    Protocol(RpcError),
    /// An error of the API, in a problem document.
    Api(ApiError),
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Protocol(error)
    }
}

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Api(error.into())
    }
}
