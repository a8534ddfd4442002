//! Frames as bytes.
//!
//! The bytes start with [`MAGIC`], whose last byte is the version. Each frame follows as one record: a tag of one
//! byte, the length of its content in four bytes (little endian), and the content. The last record is
//! [`Frame::End`](crate::Frame::End) or [`Frame::Failed`](crate::Frame::Failed), so that a truncated artifact is never
//! mistaken for a complete one. Equal frames have equal bytes, and bytes that no frame would encode to are refused.
//!
//! A record is at most [`MAX_RECORD_BYTES`] long, which bounds the memory of both sides.

mod decoder;
mod record;

pub use decoder::{DecodeError, Decoder};
pub use record::{RecordTooLong, encode};

/// The first bytes of an artifact, with the version of the format.
pub const MAGIC: &[u8; 8] = b"SMTKTXT\x01";

/// The longest content of a record. Large enough for any row within the limits of the parsers (256 cells of 4 KiB
/// would fit), small enough to be held several times in the smallest function.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The most bytes of text or of an attachment that parsers put into one frame: large enough that the header is
/// negligible.
pub const PIECE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;
