//! How documents are laid out.

/// The layout of a document's text, which decides where its good places to split are. Declared by the
/// format, used by the chunker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// Paragraphs, list items, sentences.
    #[default]
    Prose,
    /// Prose under headings, and code fences.
    Markdown,
    /// Lines, blank lines and indentation.
    Code,
    /// One record a line.
    Records,
    /// One row a line, the first one with the names of the columns.
    Table,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 5] = [Self::Prose, Self::Markdown, Self::Code, Self::Records, Self::Table];
}
