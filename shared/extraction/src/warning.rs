//! What a reader should know about how a document was read.

use std::fmt::{Display, Formatter, Result};

/// Something that was guessed, replaced or left out while a document was read. Displays as a sentence for
/// users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The bytes are not UTF-8, and neither the file nor its content type names the encoding.
    EncodingGuessed {
        /// The WHATWG name of the encoding.
        encoding: &'static str,
    },
    /// Bytes that are invalid in the encoding became U+FFFD.
    BytesReplaced {
        /// The number of invalid bytes.
        bytes: u64,
        /// The WHATWG name of the encoding.
        encoding: &'static str,
    },
    /// NUL characters were removed.
    NulsRemoved {
        /// The number of characters.
        count: u64,
    },
    /// Embedded data, such as the base64 of an image, was left out.
    DataOmitted {
        /// The length of the data in bytes.
        bytes: u64,
    },
}

impl Warning {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EncodingGuessed { .. } => "encoding_guessed",
            Self::BytesReplaced { .. } => "bytes_replaced",
            Self::NulsRemoved { .. } => "nuls_removed",
            Self::DataOmitted { .. } => "data_omitted",
        }
    }
}

impl Display for Warning {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::EncodingGuessed { encoding } => write!(
                formatter,
                "the encoding is not declared and the text is not UTF-8; read as {encoding}, guessed from its bytes"
            ),
            Self::BytesReplaced { bytes, encoding } => {
                write!(formatter, "{bytes} bytes are not valid {encoding}; replaced by U+FFFD")
            }
            Self::NulsRemoved { count } => write!(formatter, "{count} NUL characters in the text; removed"),
            Self::DataOmitted { bytes } => {
                write!(formatter, "{bytes} bytes are embedded data, such as base64; left out")
            }
        }
    }
}
