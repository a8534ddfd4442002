//! Markdown. Its markup stays in the text; the chunker knows its headings and code fences.

use domain::Layout;

use crate::EmptyReason;
use crate::Format;
use crate::text::TextReader;

const NAME: &str = "Markdown";

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Markdown,
    has_headings: true,
    signatures: &[],
    extensions: &["md", "markdown", "mdown", "mkd", "mdx"],
    file_names: &[],
    media_types: &["text/markdown", "text/x-markdown"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::new(NAME, content_type)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_detected_and_chunked_by_its_headings() {
        let format = Format::detect("README.md", None, b"# Title").unwrap();
        assert_eq!((format.name(), format.layout()), (NAME, Layout::Markdown));
    }
}
