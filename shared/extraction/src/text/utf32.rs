//! UTF-32 with a byte order mark, which encoding_rs does not know.

/// The byte order mark of UTF-32LE. It begins like that of UTF-16LE, in which a NUL would follow: no text begins with one.
const LITTLE_ENDIAN_MARK: [u8; UNIT_BYTES] = [0xFF, 0xFE, 0, 0];

const BIG_ENDIAN_MARK: [u8; UNIT_BYTES] = [0, 0, 0xFE, 0xFF];

/// Bytes of one character.
const UNIT_BYTES: usize = 4;

/// Decodes UTF-32, streaming.
#[derive(Debug)]
pub(super) struct Utf32Decoder {
    is_little_endian: bool,
    /// The start of a character whose other bytes are not there yet.
    partial: Vec<u8>,
    /// The mark is not part of the text.
    has_skipped_mark: bool,
}

impl Utf32Decoder {
    /// Returns the decoder for text that starts like this, or `None` if it has no byte order mark of UTF-32.
    pub(super) fn for_mark(head: &[u8]) -> Option<Self> {
        let is_little_endian = head.starts_with(&LITTLE_ENDIAN_MARK);
        let has_mark = is_little_endian || head.starts_with(&BIG_ENDIAN_MARK);
        has_mark.then(|| Self { is_little_endian, partial: Vec::new(), has_skipped_mark: false })
    }

    pub(super) fn name(&self) -> &'static str {
        if self.is_little_endian { "UTF-32LE" } else { "UTF-32BE" }
    }

    /// Appends the decoded text to `out`; returns how many bytes are no characters and were replaced.
    pub(super) fn decode(&mut self, mut bytes: &[u8], is_last: bool, out: &mut String) -> u64 {
        let mut replaced = 0;
        if !self.partial.is_empty() {
            let (rest, after) = bytes.split_at(bytes.len().min(UNIT_BYTES - self.partial.len()));
            self.partial.extend_from_slice(rest);
            bytes = after;
        }
        let (units, rest) = bytes.as_chunks();
        let completed = self.partial.as_slice().try_into().ok();
        for unit in completed.iter().chain(units) {
            let number =
                if self.is_little_endian { u32::from_le_bytes(*unit) } else { u32::from_be_bytes(*unit) };
            if !std::mem::replace(&mut self.has_skipped_mark, true) {
                continue;
            }
            out.push(char::from_u32(number).unwrap_or_else(|| {
                replaced += UNIT_BYTES as u64;
                char::REPLACEMENT_CHARACTER
            }));
        }
        if completed.is_some() {
            self.partial.clear();
        }
        self.partial.extend_from_slice(rest);
        if is_last && !self.partial.is_empty() {
            replaced += self.partial.len() as u64;
            self.partial.clear();
            out.push(char::REPLACEMENT_CHARACTER);
        }
        replaced
    }
}
