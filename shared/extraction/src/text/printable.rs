//! Detects binary files among those that claim to be text.

use crate::ExtractionError;

/// The percentage of characters that may be unprintable.
pub(super) const ALLOWED_PERCENT: u64 = 30;

/// The percentage is checked after every 64 KiB of decoded text, and at the end.
pub(super) const CHECK_EVERY_BYTES: u64 = 64 * 1024;

/// Counts unprintable characters of the decoded text.
#[derive(Debug)]
pub(super) struct PrintableCheck {
    format: &'static str,
    read_bytes: u64,
    read_chars: u64,
    unprintable: u64,
    replaced: u64,
}

impl PrintableCheck {
    pub(super) fn new(format: &'static str) -> Self {
        Self { format, read_bytes: 0, read_chars: 0, unprintable: 0, replaced: 0 }
    }

    /// Whether the percentage was checked at least once, so that the text so far may be released.
    pub(super) fn has_checked(&self) -> bool {
        self.read_bytes >= CHECK_EVERY_BYTES
    }

    /// U+FFFD found so far; nearly all of them replace invalid bytes.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Reads more text. The checks happen at the same characters however the text is split.
    pub(super) fn read(&mut self, mut text: &str) -> Result<(), ExtractionError> {
        while !text.is_empty() {
            let until_check = CHECK_EVERY_BYTES - self.read_bytes % CHECK_EVERY_BYTES;
            let cut = text.ceil_char_boundary(until_check.min(text.len() as u64) as usize);
            let (now, later) = text.split_at(cut);
            self.count(now)?;
            let due = self.read_bytes / CHECK_EVERY_BYTES;
            self.read_bytes += now.len() as u64;
            if self.read_bytes / CHECK_EVERY_BYTES > due {
                self.check()?;
            }
            text = later;
        }
        Ok(())
    }

    /// Checks the percentage.
    pub(super) fn check(&self) -> Result<(), ExtractionError> {
        if self.unprintable * 100 > self.read_chars * ALLOWED_PERCENT {
            return Err(ExtractionError::Unprintable {
                format: self.format,
                found: self.unprintable,
                read: self.read_chars,
                allowed_percent: ALLOWED_PERCENT,
            });
        }
        Ok(())
    }

    fn count(&mut self, text: &str) -> Result<(), ExtractionError> {
        for piece in text.as_bytes().chunks(4096) {
            // The fast path for nearly every piece of text.
            if piece.iter().all(|byte| (0x20..0x7F).contains(byte) || (9..=13).contains(byte)) {
                self.read_chars += piece.len() as u64;
                continue;
            }
            for (position, byte) in piece.iter().enumerate() {
                if byte & 0xC0 == 0x80 {
                    continue;
                }
                if *byte == 0 {
                    let before = piece[..position].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
                    let character = self.read_chars + before as u64;
                    return Err(ExtractionError::Nul { format: self.format, character });
                }
                self.unprintable += u64::from(!is_printable_byte(*byte));
            }
            self.read_chars += piece.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64;
        }
        // U+FFFD and the C1 controls, by their UTF-8 bytes.
        if !text.is_ascii() {
            for position in memchr::memchr2_iter(0xEF, 0xC2, text.as_bytes()) {
                let rest = &text.as_bytes()[position..];
                if rest.starts_with("\u{FFFD}".as_bytes()) {
                    self.replaced += 1;
                    self.unprintable += 1;
                } else if matches!(rest, [0xC2, 0x80..=0x84 | 0x86..=0x9F, ..]) {
                    self.unprintable += 1;
                }
            }
        }
        Ok(())
    }
}

/// Whether a byte may be part of text. White space, backspace and escape occur in logs and listings; no
/// other control character does.
pub(super) fn is_printable_byte(byte: u8) -> bool {
    matches!(byte, 0x08..=0x0D | 0x1B | 0x20..=0x7E | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_reported_with_its_position() {
        let mut check = PrintableCheck::new("plain text");
        check.read("äöü").unwrap();
        assert_eq!(check.read("ß\0x"), Err(ExtractionError::Nul { format: "plain text", character: 4 }));
    }

    #[test]
    fn more_than_three_in_ten_unprintable_characters_are_refused() {
        let mut check = PrintableCheck::new("plain text");
        check.read("1234567\u{1}\u{FFFD}\u{81}").unwrap();
        check.check().unwrap();
        check.read("\u{2}").unwrap();
        assert_eq!(
            check.check(),
            Err(ExtractionError::Unprintable {
                format: "plain text",
                found: 4,
                read: 11,
                allowed_percent: 30
            })
        );
    }
}
