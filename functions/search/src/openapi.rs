//! The search routes' part of the API description.

use utoipa::openapi::OpenApi;

/// The description of this function's routes, generated from the handlers.
pub fn openapi() -> OpenApi {
    crate::router::routes().to_openapi()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The api function serves this file as its part of the whole description, without knowing
    /// this crate.
    #[test]
    fn the_committed_description_is_that_of_the_handlers() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let generated = super::openapi().to_pretty_json().unwrap() + "\n";
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
