//! The constants of the format.

/// The first bytes of an artifact, with the version of the format.
pub const MAGIC: &[u8; 8] = b"SMTKTXT\x01";

/// The longest content of a record. Large enough for any row within the limits of the parsers (256 cells of 4 KiB
/// would fit), small enough to be held several times in the smallest function.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The most bytes of text or of an attachment that parsers put into one frame: large enough that the header is
/// negligible.
pub const PIECE_BYTES: usize = 64 << 10;
