//! Optimistic concurrency control by `ETag` and `If-Match`
//! (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1>).

use axum::extract::FromRequestParts;
use axum::response::{IntoResponseParts, ResponseParts};
use domain::ErrorKind;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::ApiError;

/// The length of an ETag, in bytes of the hash: collisions between versions of one resource are negligible.
const VERSION_BYTES: usize = 12;

/// The version of a resource: a hash of the fields that a client can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(HeaderValue);

impl ETag {
    /// Computes the version from the editable fields: the first 12 bytes of their SHA-256, in hexadecimal.
    ///
    /// # Errors
    /// Returns `Internal` if the fields cannot be serialized as JSON.
    pub fn of(editable: &impl Serialize) -> Result<Self, ApiError> {
        let json = serde_json::to_vec(editable).map_err(|error| ApiError::internal(&error))?;
        let digest = Sha256::digest(&json);
        let version = hex::encode(&digest[..VERSION_BYTES]);
        HeaderValue::from_str(&format!("\"{version}\"")).map(Self).map_err(|error| ApiError::internal(&error))
    }
}

impl IntoResponseParts for ETag {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Self::Error> {
        response.headers_mut().insert(header::ETAG, self.0);
        Ok(response)
    }
}

/// The versions that a client accepts as the one it changes; any, if the header is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IfMatch {
    allowed: Option<Vec<String>>,
}

impl IfMatch {
    /// Checks the current version. Call it with the row locked.
    ///
    /// # Errors
    /// Returns 412 if the current version is none of those that the client sent.
    pub fn check(&self, current: &ETag) -> Result<(), ApiError> {
        let Some(allowed) = &self.allowed else {
            return Ok(());
        };
        let current = current.0.to_str().unwrap_or_default();
        if allowed.iter().any(|tag| tag == "*" || tag == current) {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "If-Match is {}, but the current version is {current}: the resource has changed since; \
                read it again and repeat the change",
                allowed.join(", ")
            ),
        )
        .with_status(StatusCode::PRECONDITION_FAILED))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut allowed = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| {
                ApiError::invalid_field(
                    "If-Match",
                    "not an ETag; the value of the ETag header of an earlier response allowed",
                )
            })?;
            allowed.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        Ok(Self { allowed: (!allowed.is_empty()).then_some(allowed) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn if_match(tags: &[&str]) -> IfMatch {
        IfMatch { allowed: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()) }
    }

    #[test]
    fn only_the_version_that_the_client_read_can_be_changed() {
        let (old, new) = (ETag::of(&json!({"name": "a"})).unwrap(), ETag::of(&json!({"name": "b"})).unwrap());
        let tag = old.0.to_str().unwrap();
        assert_eq!(tag.len(), 26, "{tag}");
        assert!(IfMatch::default().check(&new).is_ok());
        assert!(if_match(&["*"]).check(&new).is_ok());
        assert!(if_match(&["\"x\"", tag]).check(&old).is_ok());
        let refused = if_match(&[tag]).check(&new).unwrap_err();
        assert!(refused.detail().contains("has changed since"), "{}", refused.detail());
    }
}
