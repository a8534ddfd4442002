//! What the services share: one store, and calls into it off the async threads.

use std::sync::Arc;
use std::time::Instant;

use tonic::Status;

use crate::error::LocalError;
use crate::store::Store;

/// The gRPC services over one store.
#[derive(Debug, Clone)]
pub struct Api {
    store: Arc<Store>,
}

/// A call's result with the seconds it took, as answers report them.
pub(crate) type Timed<T> = (T, f64);

impl Api {
    /// Serves `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Runs the blocking `work` for the gRPC call `name`.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Store) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<Timed<T>, Status> {
        let start = Instant::now();
        let store = Arc::clone(&self.store);
        let result = tokio::task::spawn_blocking(move || work(&store)).await;
        let elapsed = start.elapsed();
        let result = result.unwrap_or_else(|error| Err(LocalError::Internal(error.to_string())));
        let elapsed_ms = elapsed.as_secs_f64() * 1e3;
        match result {
            Ok(value) => {
                tracing::debug!(call = name, elapsed_ms, "served");
                Ok((value, elapsed.as_secs_f64()))
            }
            Err(error) => {
                tracing::debug!(call = name, elapsed_ms, code = ?error.code(), %error, "refused");
                Err(error.into())
            }
        }
    }
}

/// The answer to a call that Qdrant serves and this program does not.
pub(crate) fn unserved<T>(call: &str) -> Result<T, Status> {
    Err(LocalError::unserved(call).into())
}
