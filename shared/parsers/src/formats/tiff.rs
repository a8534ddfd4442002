//! TIFF: the text of its pages by OCR.

use std::collections::HashSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use frames::WarningKind;
use image::ImageFormat;

use crate::limits::{MAX_OCR_PAGES, MAX_PAGES};
use crate::output::Output;
use crate::parser::Parser;
use crate::pictures::read_picture;
use crate::{Input, Options, ParseError};

use super::image::{NO_TEXT, decode};

pub(super) const PARSER: Parser = Parser { parse, no_text: NO_TEXT };

const WHAT: &str = "the TIFF image";

fn parse(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let Some(ocr) = &options.ocr else { return Ok(()) };
    let pages = pages(input)?;
    let (read, left_out) = pages.split_at(pages.len().min(MAX_OCR_PAGES as usize));
    for page in read {
        output.page("")?;
        match decode(WHAT, BufReader::new(Page::new(input, page)), ImageFormat::Tiff) {
            Ok(picture) => output.text(&read_picture(ocr, picture)?)?,
            // The only page has a reason; others can be read.
            Err(error) if pages.len() == 1 => return Err(error),
            Err(ParseError::Document(_)) => output.warn(WarningKind::PartsUnreadable, 1),
            Err(error) => return Err(error),
        }
    }
    output.warn(WarningKind::OcrPagesLeftOut, left_out.len() as u64);
    Ok(())
}

/// What makes a page the only one of the file: the decoder of images reads the first one.
struct Changes {
    /// The file's first bytes, with the place of the page.
    header: Vec<u8>,
    /// Where the place of the next page is, which is 0 then.
    next: Range<u64>,
}

/// Returns the changes for each page. The directories of the pages are a chain, each with the place of the next one.
fn pages(input: &mut dyn Input) -> Result<Vec<Changes>, ParseError> {
    let damaged = |error| ParseError::damaged(WHAT, error);
    let mut start = [0; 16];
    input.rewind().map_err(ParseError::Input)?;
    input.read_exact(&mut start[..8]).map_err(damaged)?;
    let is_little_endian = start[0] == b'I';
    let number = |bytes: &[u8]| {
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if is_little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    };
    // BigTIFF has the version 43 and wider numbers.
    let is_big = number(&start[2..4]) == 43;
    if is_big {
        input.read_exact(&mut start[8..]).map_err(damaged)?;
    }
    let (count_bytes, entry_bytes, offset_bytes) = if is_big { (8, 20, 8) } else { (2, 12, 4) };
    let header_bytes = 2 * offset_bytes;
    let mut next = number(&start[offset_bytes..header_bytes]);
    let (mut pages, mut seen) = (Vec::new(), HashSet::new());
    // A chain may be a circle, or end outside of the file: what is there before counts.
    while next != 0 && pages.len() < MAX_PAGES as usize && seen.insert(next) {
        let mut buffer = [0; 8];
        let mut read = |offset: u64, bytes: usize| -> io::Result<u64> {
            input.seek(SeekFrom::Start(offset))?;
            input.read_exact(&mut buffer[..bytes])?;
            Ok(number(&buffer[..bytes]))
        };
        let Ok(entries) = read(next, count_bytes) else { break };
        let mut header = start[..header_bytes].to_vec();
        let offset = next.to_le_bytes();
        for (place, byte) in offset[..offset_bytes].iter().enumerate() {
            let place = if is_little_endian { place } else { offset_bytes - 1 - place };
            header[offset_bytes + place] = *byte;
        }
        let after =
            entries.saturating_mul(entry_bytes).saturating_add(next).saturating_add(count_bytes as u64);
        pages.push(Changes { header, next: after..after.saturating_add(offset_bytes as u64) });
        next = read(after, offset_bytes).unwrap_or(0);
    }
    Ok(pages)
}

/// The file as if this page were its only one.
struct Page<'a> {
    input: &'a mut dyn Input,
    changes: &'a Changes,
    position: u64,
}

impl<'a> Page<'a> {
    fn new(input: &'a mut dyn Input, changes: &'a Changes) -> Self {
        Self { input, changes, position: 0 }
    }
}

impl Read for Page<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let header = usize::try_from(self.position).ok().and_then(|start| self.changes.header.get(start..));
        let read = match header {
            Some(rest) if !rest.is_empty() => {
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                length
            }
            _ => {
                self.input.seek(SeekFrom::Start(self.position))?;
                let read = self.input.read(buffer)?;
                for (byte, position) in buffer[..read].iter_mut().zip(self.position..) {
                    if self.changes.next.contains(&position) {
                        *byte = 0;
                    }
                }
                read
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Page<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(distance) => self
                .position
                .checked_add_signed(distance)
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?,
            SeekFrom::End(_) => self.input.seek(to)?,
        };
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests;
