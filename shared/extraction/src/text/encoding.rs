//! Finds the encoding of text and decodes it to UTF-8, streaming.
//!
//! A byte order mark takes precedence. Otherwise, an encoding that the content type, an XML declaration, a
//! coding comment or a `meta` element names is believed, with two exceptions: UTF-8 and windows-1252 are
//! often declared wrongly, so they only count if the bytes agree, and text with many UTF-8 sequences and no
//! error is UTF-8 whatever it declares. Text without a declaration is UTF-8 if most of its non-ASCII
//! sequences are, otherwise chardetng guesses. All of this is decided by the 64 KiB from the first non-ASCII
//! byte on.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::declared::{HEAD_BYTES, MetaScanner, of_content_type, of_head};
use super::utf32::Utf32Decoder;
use crate::Warning;

/// Bytes from the first non-ASCII byte on by which the encoding is detected.
const WINDOW_BYTES: usize = 64 * 1024;

/// ASCII before the first other byte that chardetng sees too: it rates the letters beside a character.
const CONTEXT_BYTES: usize = 64;

/// Sequences of UTF-8, without an error, that outweigh a declaration.
const CERTAIN_SEQUENCES: usize = 8;

const ESCAPE: u8 = 0x1B;

/// Decodes bytes to UTF-8 while detecting their encoding.
#[derive(Debug)]
pub(super) struct TextDecoder {
    declared: Declared,
    /// Searches a page for its charset until the encoding is known.
    meta: Option<MetaScanner>,
    /// The last bytes of ASCII.
    context: Vec<u8>,
    is_guessed: bool,
    /// Bytes that are invalid in the encoding.
    replaced: u64,
    state: State,
}

#[derive(Debug, Default)]
struct Declared {
    /// The first that is neither UTF-8 nor windows-1252.
    legacy: Option<&'static Encoding>,
    has_windows_1252: bool,
}

enum State {
    /// Nothing is known: the first bytes are buffered.
    Start { held: Vec<u8> },
    /// Only ASCII so far, which is the same in nearly all encodings. An escape character may begin Japanese
    /// text in ISO-2022-JP, so it is held back.
    Ascii { has_escape: bool },
    /// Bytes are buffered until there are enough to decide.
    Undecided { held: Vec<u8> },
    /// The encoding is known.
    Decoding { decoder: Decoder },
    /// The encoding is UTF-32.
    DecodingUtf32 { decoder: Utf32Decoder },
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Start { .. } => "Start",
            Self::Ascii { .. } => "Ascii",
            Self::Undecided { .. } => "Undecided",
            Self::Decoding { .. } => "Decoding",
            Self::DecodingUtf32 { .. } => "DecodingUtf32",
        })
    }
}

impl Declared {
    fn add(&mut self, encoding: Option<&'static Encoding>) {
        match encoding {
            None => {}
            Some(encoding) if encoding == UTF_8 => {}
            Some(encoding) if encoding == WINDOWS_1252 => self.has_windows_1252 = true,
            Some(encoding) => self.legacy = self.legacy.or(Some(encoding)),
        }
    }

    /// The declared encoding in which ASCII characters are not the bytes of ASCII.
    fn not_ascii(&self) -> Option<&'static Encoding> {
        self.legacy.filter(|encoding| !encoding.is_ascii_compatible())
    }
}

impl TextDecoder {
    pub(super) fn new(content_type: Option<&str>, is_html: bool) -> Self {
        let mut declared = Declared::default();
        declared.add(content_type.and_then(of_content_type));
        Self {
            declared,
            meta: is_html.then(MetaScanner::default),
            context: Vec::new(),
            is_guessed: false,
            replaced: 0,
            state: State::Start { held: Vec::new() },
        }
    }

    /// Appends the text that is decoded by now to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        self.advance(bytes, false, out);
    }

    /// Appends the rest and returns the name of the encoding.
    pub(super) fn finish(&mut self, out: &mut String) -> &'static str {
        self.advance(b"", true, out);
        match &self.state {
            State::Decoding { decoder } => decoder.encoding().name(),
            State::DecodingUtf32 { decoder } => decoder.name(),
            State::Start { .. } | State::Ascii { .. } | State::Undecided { .. } => UTF_8.name(),
        }
    }

    /// What was guessed and replaced. Complete after [`Self::finish`], which returned `encoding`.
    pub(super) fn warnings(&self, encoding: &'static str) -> impl Iterator<Item = Warning> {
        let guessed = self.is_guessed.then_some(Warning::EncodingGuessed { encoding });
        let bytes = self.replaced;
        guessed.into_iter().chain((bytes > 0).then_some(Warning::BytesReplaced { bytes, encoding }))
    }

    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.state {
            State::Start { held } | State::Undecided { held } => held.capacity(),
            State::Ascii { .. } | State::Decoding { .. } | State::DecodingUtf32 { .. } => 0,
        }
    }

    fn advance(&mut self, bytes: &[u8], is_last: bool, out: &mut String) {
        match &mut self.state {
            State::Start { held } => {
                held.extend_from_slice(bytes);
                if held.len() < HEAD_BYTES && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                self.start(&held[..held.len().min(HEAD_BYTES)]);
                self.advance(&held, is_last, out);
            }
            State::Ascii { has_escape: true } => {
                self.state = State::Ascii { has_escape: false };
                let bytes = [&[ESCAPE], bytes].concat();
                self.advance(&bytes, is_last, out);
            }
            State::Ascii { has_escape: false } => self.advance_ascii(bytes, is_last, out),
            State::Undecided { held } => {
                held.extend_from_slice(bytes);
                if held.len() < WINDOW_BYTES && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                let window = &held[..held.len().min(WINDOW_BYTES)];
                let encoding = self.decide(window, held.len() < WINDOW_BYTES);
                self.state = State::Decoding { decoder: encoding.new_decoder_without_bom_handling() };
                self.advance(&held, is_last, out);
            }
            State::Decoding { decoder } => decode(decoder, bytes, is_last, out, &mut self.replaced),
            State::DecodingUtf32 { decoder } => self.replaced += decoder.decode(bytes, is_last, out),
        }
    }

    /// Decides what can be decided by the first bytes.
    fn start(&mut self, head: &[u8]) {
        if let Some(decoder) = Utf32Decoder::for_mark(head) {
            self.state = State::DecodingUtf32 { decoder };
            return;
        }
        if let Some((encoding, _)) = Encoding::for_bom(head) {
            self.state = State::Decoding { decoder: encoding.new_decoder_with_bom_removal() };
            return;
        }
        self.declared.add(of_head(head));
        let guessed = utf16_without_mark(head);
        let not_ascii = self.declared.not_ascii();
        self.is_guessed = not_ascii.is_none() && guessed.is_some();
        self.state = match not_ascii.or(guessed) {
            Some(encoding) => State::Decoding { decoder: encoding.new_decoder_without_bom_handling() },
            None => State::Ascii { has_escape: false },
        };
    }

    fn advance_ascii(&mut self, bytes: &[u8], is_last: bool, out: &mut String) {
        let ascii = &bytes[..Encoding::ascii_valid_up_to(bytes)];
        let japanese = memchr::memmem::find(ascii, &[ESCAPE, b'$']);
        let ends_in_escape = ascii.len() == bytes.len() && ascii.ends_with(&[ESCAPE]) && !is_last;
        let (text, rest) = bytes.split_at(japanese.unwrap_or(ascii.len() - usize::from(ends_in_escape)));
        // ASCII is valid UTF-8, so nothing is replaced here.
        out.push_str(&String::from_utf8_lossy(text));
        self.context.extend_from_slice(&text[text.len().saturating_sub(CONTEXT_BYTES)..]);
        self.context.drain(..self.context.len().saturating_sub(CONTEXT_BYTES));
        if let Some(meta) = &mut self.meta
            && let Some(encoding) = meta.push(text)
        {
            self.meta = None;
            self.declared.add(Some(encoding));
        }
        if ends_in_escape {
            self.state = State::Ascii { has_escape: true };
        } else if !rest.is_empty() {
            self.state = State::Undecided { held: Vec::new() };
            self.advance(rest, is_last, out);
        }
    }

    /// Decides the encoding by the bytes from the first that is not ASCII on.
    fn decide(&mut self, window: &[u8], is_whole: bool) -> &'static Encoding {
        if let Some(meta) = &mut self.meta {
            self.declared.add(meta.push(window));
        }
        let utf8 = Utf8Evidence::of(window, is_whole);
        if let Some(encoding) = self.declared.legacy
            && !(utf8.invalid == 0 && utf8.valid >= CERTAIN_SEQUENCES)
        {
            return encoding;
        }
        if utf8.valid > utf8.invalid {
            return UTF_8;
        }
        if self.declared.has_windows_1252 {
            return WINDOWS_1252;
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(&self.context, false);
        detector.feed(window, is_whole);
        let guessed = detector.guess(None, Utf8Detection::Deny);
        if window.is_ascii() && guessed != ISO_2022_JP {
            // The escape character was none of ISO-2022-JP.
            return UTF_8;
        }
        self.is_guessed = true;
        guessed
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], is_last: bool, out: &mut String, replaced: &mut u64) {
    loop {
        let needed = decoder.max_utf8_buffer_length(bytes.len().min(64 * 1024)).unwrap_or(256 * 1024);
        out.reserve(needed);
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, out, is_last);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, _) => {
                *replaced += u64::from(length);
                out.push('\u{FFFD}');
            }
        }
    }
}

/// How many sequences of non-ASCII bytes are UTF-8, and how many are not. Text in another encoding hardly
/// ever forms a valid sequence.
#[derive(Debug, Default)]
struct Utf8Evidence {
    valid: usize,
    invalid: usize,
}

impl Utf8Evidence {
    fn of(window: &[u8], is_whole: bool) -> Self {
        let mut evidence = Self::default();
        let mut last: &[u8] = b"";
        for chunk in window.utf8_chunks() {
            evidence.valid += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
            evidence.invalid += usize::from(!chunk.invalid().is_empty());
            last = chunk.invalid();
        }
        // The window, not the document, may end within a character.
        let ends_within = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
        if ends_within && !is_whole {
            evidence.invalid -= 1;
            evidence.valid += 1;
        }
        evidence
    }
}

/// Whether text starts with the byte order mark of UTF-16 or UTF-32.
pub(super) fn has_wide_mark(head: &[u8]) -> bool {
    let is_utf16 = Encoding::for_bom(head).is_some_and(|(encoding, _)| encoding != UTF_8);
    is_utf16 || Utf32Decoder::for_mark(head).is_some()
}

/// Detects UTF-16 without a byte order mark by the zero bytes of its ASCII characters.
pub(super) fn utf16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.chunks_exact(2);
    let (length, mut high, mut low) = (pairs.len(), 0, 0);
    for pair in pairs {
        high += usize::from(pair[0] == 0 && pair[1] != 0);
        low += usize::from(pair[1] == 0 && pair[0] != 0);
    }
    let is_utf16 = |ours: usize, other: usize| length >= 2 && ours * 10 >= length * 6 && other * 20 <= length;
    if is_utf16(low, high) {
        Some(UTF_16LE)
    } else if is_utf16(high, low) {
        Some(UTF_16BE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
