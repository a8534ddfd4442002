//! Shared by the gRPC services: the store, and running blocking calls on it.

use std::sync::Arc;
use std::time::Instant;

use tonic::Status;

use crate::error::LocalError;
use crate::store::Store;

/// The gRPC services of one store.
#[derive(Debug, Clone)]
pub struct Api {
    store: Arc<Store>,
}

/// A result and the seconds it took, as responses report them.
pub(crate) type Timed<T> = (T, f64);

impl Api {
    /// Creates the services of a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Runs the blocking `work` of the gRPC call `name`.
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
                tracing::debug!(call = name, elapsed_ms, code = ?error.code(), %error, "rejected");
                Err(error.into())
            }
        }
    }
}

/// Returns the error of a call that Qdrant supports and this program does not.
pub(crate) fn unsupported<T>(call: &str) -> Result<T, Status> {
    Err(LocalError::unsupported(call).into())
}
