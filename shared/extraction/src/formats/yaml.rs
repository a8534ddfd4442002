//! YAML and Java properties: escapes of printable characters are decoded.

use domain::Layout;

use crate::text::{EscapeKind, Escapes, Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "YAML";

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Code,
    has_headings: false,
    signatures: &[],
    extensions: &["yaml", "yml", "properties"],
    file_names: &[],
    media_types: &["application/yaml", "text/yaml", "text/x-yaml", "application/x-yaml"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| {
        let rewrite = Unicode(Escapes::new(EscapeKind::Unicode));
        Box::new(TextReader::rewritten_within_lines(NAME, content_type, rewrite))
    },
};

#[derive(Debug)]
struct Unicode(Escapes);

impl Rewrite for Unicode {
    fn push(&mut self, text: &str, out: &mut String) {
        self.0.decode(text, out);
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        self.0.finish(out);
        0
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use crate::formats::testing::extract;

    #[test]
    fn escapes_are_decoded() {
        let yaml = "name: \"Gr\\xF6\\xDFe \\u6771\"\npath: C:\\temp\n";
        assert_eq!(extract("a.yaml", yaml), "name: \"Größe 東\"\npath: C:\\temp\n");
        assert_eq!(extract("a.properties", "greeting=Gr\\u00fc\\u00dfe"), "greeting=Grüße");
    }
}
