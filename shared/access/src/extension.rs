//! What the middleware passes to the extractors.

use http::request::Parts;
use lambda::http::ApiError;

use crate::error::AccessError;

/// Returns what the middleware has stored in the request's extensions.
pub(crate) fn provided<T: Clone + Send + Sync + 'static>(
    parts: &Parts,
    extractor: &'static str,
) -> Result<T, ApiError> {
    parts.extensions.get::<T>().cloned().ok_or_else(|| AccessError::NotDeclared(extractor).into())
}
