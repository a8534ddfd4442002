//! Plain text: prose without markup. Form feeds begin pages.

use domain::Layout;

use crate::EmptyReason;
use crate::Format;
use crate::text::TextReader;

const NAME: &str = "plain text";

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Prose,
    has_headings: false,
    signatures: &[],
    extensions: &["txt", "text", "log", "rst", "adoc", "asciidoc", "org", "tex"],
    file_names: &["readme", "license", "licence", "notice", "authors", "changelog"],
    media_types: &["text/*"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::with_pages(NAME, content_type)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_detected_by_name_and_by_any_text_type() {
        for (file_name, content_type) in
            [("notes.txt", None), ("LICENSE", None), ("x", Some("text/x-unknown"))]
        {
            assert_eq!(Format::detect(file_name, content_type, b"text").unwrap().name(), NAME);
        }
    }
}
