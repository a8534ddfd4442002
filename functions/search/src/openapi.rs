//! The search routes' part of the OpenAPI document.

use serde_json::Value;

/// Generates the document of this function's routes from the handlers and declarations.
///
/// # Errors
/// Returns an error if the document cannot be serialized, which is a defect.
pub fn openapi() -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(crate::router::routes().to_openapi())?;
    access::close_request_bodies(&mut document);
    access::open_objects(&mut document);
    Ok(document)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The api function includes this file in its document, since it does not depend on this crate.
    #[test]
    fn the_committed_document_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let generated = serde_json::to_string_pretty(&super::openapi().unwrap()).unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "{} is out of date; run UPDATE_OPENAPI=1 cargo test -p search",
            path.display()
        );
    }
}
