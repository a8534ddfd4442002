//! The properties of a mail or an attachment.

use chrono::{DateTime, SecondsFormat};
use encoding_rs::{Encoding, UTF_16LE, WINDOWS_1252};

use crate::ParseError;
use crate::formats::compound::{Compound, stream};
use crate::limits::MAX_SMALL_PART_BYTES;

pub(super) const WHAT: &str = "the mail";

/// What is read of a mail, by the numbers of MAPI.
#[derive(Debug, Clone, Copy)]
pub(super) enum Property {
    Subject = 0x0037,
    RepresentedName = 0x0042,
    RepresentedAddress = 0x0065,
    SenderName = 0x0C1A,
    SenderAddress = 0x0C1F,
    SenderSmtpAddress = 0x5D01,
    RepresentedSmtpAddress = 0x5D02,
    DisplayCc = 0x0E03,
    DisplayTo = 0x0E04,
    Body = 0x1000,
    Name = 0x3001,
    Address = 0x3003,
    RecipientSmtpAddress = 0x39FE,
    CompressedRtf = 0x1009,
    Html = 0x1013,
    AttachmentData = 0x3701,
    AttachmentName = 0x3704,
    AttachmentLongName = 0x3707,
    AttachmentMediaType = 0x370E,
}

/// Types of properties.
const UNICODE: u16 = 0x001F;
const STRING: u16 = 0x001E;
const BINARY: u16 = 0x0102;

/// Properties that have a number rather than a stream.
const CLIENT_SUBMIT_TIME: u32 = 0x0039_0040;
const RECIPIENT_KIND: u32 = 0x0C15_0003;
const DELIVERY_TIME: u32 = 0x0E06_0040;
const INTERNET_CODE_PAGE: u32 = 0x3FDE_0003;
const MESSAGE_CODE_PAGE: u32 = 0x3FFD_0003;

/// An entry of the stream of numbers: tag, flags, value.
const ENTRY_BYTES: usize = 16;

/// The properties in a storage.
pub(super) struct Properties<'p, 'a> {
    file: &'p mut Compound<'a>,
    storage: &'p str,
    entries: Vec<u8>,
    encoding: &'static Encoding,
}

impl<'p, 'a> Properties<'p, 'a> {
    /// Reads the numbers, which follow a header of this length.
    pub(super) fn read(
        file: &'p mut Compound<'a>,
        storage: &'p str,
        header_bytes: usize,
    ) -> Result<Self, ParseError> {
        let path = format!("{storage}/__properties_version1.0");
        let entries =
            stream(file, &path, MAX_SMALL_PART_BYTES).map_err(|error| ParseError::damaged(WHAT, error))?;
        let entries = entries.unwrap_or_default();
        let entries = entries.get(header_bytes..).unwrap_or_default().to_vec();
        let mut properties = Self { file, storage, entries, encoding: WINDOWS_1252 };
        let page = properties.number(MESSAGE_CODE_PAGE).or_else(|| properties.number(INTERNET_CODE_PAGE));
        let page = page.and_then(|page| u16::try_from(page).ok());
        properties.encoding = page.and_then(codepage::to_encoding).unwrap_or(WINDOWS_1252);
        Ok(properties)
    }

    /// Returns a text, or nothing.
    pub(super) fn text(&mut self, property: Property) -> Result<String, ParseError> {
        let unicode = self.stream(property, UNICODE, MAX_SMALL_PART_BYTES)?;
        let (bytes, encoding) = match unicode {
            Some(bytes) => (bytes, UTF_16LE),
            None => (self.stream(property, STRING, MAX_SMALL_PART_BYTES)?.unwrap_or_default(), self.encoding),
        };
        let (text, _had_errors) = encoding.decode_without_bom_handling(&bytes);
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// Returns bytes, or nothing.
    pub(super) fn bytes(&mut self, property: Property) -> Result<Vec<u8>, ParseError> {
        self.bytes_up_to(property, MAX_SMALL_PART_BYTES)
    }

    /// Returns up to this many bytes.
    pub(super) fn bytes_up_to(&mut self, property: Property, limit: u64) -> Result<Vec<u8>, ParseError> {
        Ok(self.stream(property, BINARY, limit)?.unwrap_or_default())
    }

    /// Returns when the mail was sent, or else received.
    pub(super) fn date(&self) -> Option<String> {
        let ticks = self.number(CLIENT_SUBMIT_TIME).or_else(|| self.number(DELIVERY_TIME))?;
        date_text(ticks)
    }

    /// Returns the kind of a recipient: 1 (to), 2 (cc) or 3 (bcc).
    pub(super) fn recipient_kind(&self) -> Option<u64> {
        self.number(RECIPIENT_KIND)
    }

    fn number(&self, tag: u32) -> Option<u64> {
        let (entries, _rest) = self.entries.as_chunks::<ENTRY_BYTES>();
        let entry = entries.iter().find(|entry| entry[..4] == tag.to_le_bytes())?;
        let value = u64::from_le_bytes(*entry.last_chunk()?);
        // Numbers of type LONG have four bytes.
        Some(if tag & 0xFFFF == 0x0003 { value & 0xFFFF_FFFF } else { value })
    }

    fn stream(&mut self, property: Property, kind: u16, limit: u64) -> Result<Option<Vec<u8>>, ParseError> {
        let path = format!("{}/__substg1.0_{:04X}{kind:04X}", self.storage, property as u16);
        stream(self.file, &path, limit).map_err(|error| ParseError::damaged(WHAT, error))
    }
}

/// A point in time: 100-nanosecond ticks since 1601, in UTC.
pub(super) fn date_text(ticks: u64) -> Option<String> {
    const TICKS_PER_SECOND: u64 = 10_000_000;
    const SECONDS_FROM_1601_TO_1970: i64 = 11_644_473_600;
    let seconds = i64::try_from(ticks / TICKS_PER_SECOND).ok().filter(|seconds| *seconds > 0)?;
    let date = DateTime::from_timestamp(seconds - SECONDS_FROM_1601_TO_1970, 0)?;
    Some(date.to_rfc3339_opts(SecondsFormat::Secs, true))
}
