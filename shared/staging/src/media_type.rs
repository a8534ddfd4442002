//! The media type of a document.

/// Returns a document's media type: the declared one, else one guessed from its name. The defaults of S3
/// (`binary/octet-stream`) and of HTTP clients count as undeclared.
pub fn media_type(declared: Option<&str>, file_name: &str) -> Option<String> {
    let declared = declared
        .filter(|value| !value.ends_with("/octet-stream") && *value != "application/x-www-form-urlencoded");
    let guessed = || mime_guess::from_path(file_name).first_raw();
    declared.or_else(guessed).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undeclared_media_types_are_guessed_from_the_name() {
        assert_eq!(media_type(None, "a/b.md").as_deref(), Some("text/markdown"));
        assert_eq!(media_type(Some("binary/octet-stream"), "b.html").as_deref(), Some("text/html"));
        assert_eq!(media_type(Some("text/x-notes"), "b.html").as_deref(), Some("text/x-notes"));
        assert_eq!(media_type(Some("application/octet-stream"), "LICENSE"), None);
    }
}
