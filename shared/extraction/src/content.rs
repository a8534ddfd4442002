//! Whether a document has text, and why not.

/// Whether a document has text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It has visible text.
    Text,
    /// It has none and is skipped for this reason.
    Empty(EmptyReason),
}

/// Why a document has no text. Displays as a sentence for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyReason {
    /// The file has 0 bytes.
    NoBytes,
    /// Only white space and invisible characters.
    OnlyWhiteSpace,
    /// Markup without visible text.
    OnlyMarkup,
    /// A notebook without cells that have text.
    NoCells,
    /// An archive, a mailbox, or another document that consists of files.
    OnlyFiles {
        /// Their number.
        files: u32,
    },
}

impl std::fmt::Display for EmptyReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NoBytes => "the file is empty: 0 bytes",
            Self::OnlyWhiteSpace => "the file contains only white space",
            Self::OnlyMarkup => "the HTML has no visible text",
            Self::NoCells => "the notebook has no cells with text",
            Self::OnlyFiles { files: 1 } => {
                "it holds 1 file and no text of its own; the file is a document of its own"
            }
            Self::OnlyFiles { files } => {
                return write!(
                    formatter,
                    "it holds {files} files and no text of its own; each is a document of its own"
                );
            }
        })
    }
}
