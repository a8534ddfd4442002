//! Frames as bytes.
//!
//! The bytes start with [`MAGIC`], whose last byte is the version. Each frame follows as one record: a tag of one
//! byte, the length of its content in four bytes (little endian), and the content. The last record is
//! [`Frame::End`](crate::Frame::End) or [`Frame::Failed`](crate::Frame::Failed), so that a truncated artifact is never
//! mistaken for a complete one. Equal frames have equal bytes, and bytes that no frame would encode to are refused.
//!
//! A record is at most [`MAX_RECORD_BYTES`] long, which bounds the memory of both sides.

mod decoder;
mod error;
mod format;
mod record;

pub use decoder::Decoder;
pub use error::DecodeError;
pub use format::{MAGIC, MAX_RECORD_BYTES, PIECE_BYTES};
pub use record::{RecordTooLong, encode};

#[cfg(test)]
mod tests;
