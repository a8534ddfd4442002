//! Detects binary files among those that claim to be text.

use crate::ExtractionError;

/// The percentage of characters that may be unprintable.
const ALLOWED_PERCENT: u64 = 30;

/// The same where some of them are NULs, which hardly any text contains.
const ALLOWED_PERCENT_WITH_NUL: u64 = 5;

/// This many are allowed in any case, so that one NUL does not make a short text a binary file.
const ALLOWED_WITH_NUL: u64 = 4;

/// The percentage is checked after every 64 KiB of decoded text, and at the end.
pub(super) const CHECK_EVERY_BYTES: u64 = 64 * 1024;

/// Counts unprintable characters of the decoded text, in which a run of NULs is one character: a log that was
/// truncated while it was written begins with any number of them.
#[derive(Debug)]
pub(super) struct PrintableCheck {
    format: &'static str,
    read_bytes: u64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    chars: u64,
    /// Control characters, and U+FFFD, nearly all of which replace invalid bytes.
    unprintable: u64,
    has_nul: bool,
}

impl PrintableCheck {
    pub(super) fn new(format: &'static str) -> Self {
        Self { format, read_bytes: 0, counts: Counts::default() }
    }

    /// Whether the percentage was checked at least once, so that the text so far may be released.
    pub(super) fn has_checked(&self) -> bool {
        self.read_bytes >= CHECK_EVERY_BYTES
    }

    /// Reads more text. The checks happen at the same characters however the text is split.
    pub(super) fn read(&mut self, mut text: &str) -> Result<(), ExtractionError> {
        while !text.is_empty() {
            let until_check = CHECK_EVERY_BYTES - self.read_bytes % CHECK_EVERY_BYTES;
            let cut = text.ceil_char_boundary(until_check.min(text.len() as u64) as usize);
            let (now, later) = text.split_at(cut);
            self.counts.add(now.as_bytes());
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
        let Counts { chars: read, unprintable: found, has_nul } = self.counts;
        match self.counts.exceeded_percent() {
            None => Ok(()),
            Some(allowed_percent) => {
                let format = self.format;
                Err(ExtractionError::Binary { format, found, read, has_nul, allowed_percent })
            }
        }
    }
}

impl Counts {
    fn add(&mut self, text: &[u8]) {
        for piece in text.chunks(4096) {
            // The fast path for nearly every piece of text.
            if piece.iter().all(|byte| (0x20..0x7F).contains(byte) || (9..=13).contains(byte)) {
                self.chars += piece.len() as u64;
                continue;
            }
            self.chars += piece.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64;
            self.unprintable += piece.iter().filter(|byte| !is_printable_byte(**byte)).count() as u64;
            self.has_nul |= piece.contains(&0);
        }
        // U+FFFD and the C1 controls, by their UTF-8 bytes.
        if !text.is_ascii() {
            for position in memchr::memchr2_iter(0xEF, 0xC2, text) {
                let is_unprintable = match &text[position..] {
                    [0xC2, second, ..] => matches!(second, 0x80..=0x84 | 0x86..=0x9A | 0x9C..=0x9F),
                    rest => rest.starts_with("\u{FFFD}".as_bytes()),
                };
                self.unprintable += u64::from(is_unprintable);
            }
        }
    }

    /// The percentage that may be unprintable, if more are. One character never decides.
    fn exceeded_percent(&self) -> Option<u64> {
        let exceeds = |percent: u64| self.unprintable * 100 > self.chars * percent;
        if self.has_nul && self.unprintable > ALLOWED_WITH_NUL && exceeds(ALLOWED_PERCENT_WITH_NUL) {
            return Some(ALLOWED_PERCENT_WITH_NUL);
        }
        (self.unprintable > 1 && exceeds(ALLOWED_PERCENT)).then_some(ALLOWED_PERCENT)
    }
}

/// Whether the first bytes of a file look like text in an encoding that keeps ASCII.
pub(super) fn looks_printable(head: &[u8]) -> bool {
    let mut single_nuls = head.to_vec();
    single_nuls.dedup_by(|byte, before| *byte == 0 && *before == 0);
    let unprintable = single_nuls.iter().filter(|byte| !is_printable_byte(**byte)).count() as u64;
    let counts = Counts { chars: single_nuls.len() as u64, unprintable, has_nul: single_nuls.contains(&0) };
    counts.exceeded_percent().is_none()
}

/// Whether a byte may be part of text. White space, backspace and escape occur in logs and listings; no
/// other control character does.
fn is_printable_byte(byte: u8) -> bool {
    matches!(byte, 0x08..=0x0D | 0x1B | 0x20..=0x7E | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_lowers_the_allowed_percentage() {
        let mut check = PrintableCheck::new("plain text");
        check.read("one\0 two\0 three").unwrap();
        check.check().unwrap();
        let text = format!("{}\0\u{1}\u{2}\u{3}\u{4}\u{5}", "word ".repeat(10));
        let mut check = PrintableCheck::new("plain text");
        check.read(&text.replace('\0', "")).unwrap();
        check.check().unwrap();
        let mut check = PrintableCheck::new("plain text");
        check.read(&text).unwrap();
        assert_eq!(
            check.check().unwrap_err().to_string(),
            "this is a binary file, not plain text: 6 of the first 56 characters are unprintable, NULs among them; \
             at most 5 % allowed (UTF-16 needs a byte order mark or a charset)"
        );
    }

    #[test]
    fn more_than_three_in_ten_unprintable_characters_are_refused() {
        let mut check = PrintableCheck::new("plain text");
        check.read("1234567\u{1}\u{FFFD}\u{81}").unwrap();
        check.check().unwrap();
        check.read("\u{2}").unwrap();
        assert_eq!(
            check.check(),
            Err(ExtractionError::Binary {
                format: "plain text",
                found: 4,
                read: 11,
                has_nul: false,
                allowed_percent: 30
            })
        );
    }
}
