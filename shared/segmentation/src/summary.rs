//! What is known at the end of a document, beside its chunks.

use domain::DocumentWarning;
use extraction::{Content, Extracted};

/// What a document was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Whether there is anything to index.
    pub content: Content,
    /// What was lost or guessed on the way to its text.
    pub warnings: Vec<DocumentWarning>,
}

impl From<Extracted> for DocumentSummary {
    fn from(extracted: Extracted) -> Self {
        let warnings = extracted
            .warnings
            .iter()
            .map(|warning| DocumentWarning { code: warning.code().to_owned(), message: warning.to_string() });
        Self { content: extracted.content, warnings: warnings.collect() }
    }
}

/// What a parser warned of.
pub(crate) fn parser_warning(warning: frames::Warning) -> DocumentWarning {
    DocumentWarning { code: warning.kind.name().to_owned(), message: warning.to_string() }
}
