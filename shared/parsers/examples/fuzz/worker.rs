//! The process that reads the inputs.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use extraction::{Blocks, Extractor, Format};
use frames::DocumentFormat;
use ocr::Recognizer;
use parsers::{Options, ParseError, decode_image, parse};
use sandbox::Limits;

use crate::mutation::input;
use crate::target::{Reader, Target};

/// The first argument of a worker.
pub const COMMAND: &str = "--worker";

/// The line before each input, with its number.
pub const STARTED: &str = "input";

/// The line of an input that took longer than all before it, with its milliseconds.
pub const SLOW: &str = "slow";

/// The line of an input that panicked, with the place.
pub const PANIC: &str = "panic";

/// Inputs of one worker, so that leaks of libraries do not add up to its limit.
const MAX_INPUTS: u64 = 2_000;

/// The place of the last panic.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Reads inputs from this number on.
pub fn run(
    targets: &BTreeMap<String, Target>,
    format: &str,
    seed: u64,
    first: u64,
) -> Result<(), Box<dyn Error>> {
    let target = targets.get(format).ok_or_else(|| format!("no seeds of the format {format}"))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        if let Ok(mut last) = PLACE.lock() {
            *last = place;
        }
    }));
    let options = options(target.reader)?;
    // Limits the memory as a function does, and the time of all inputs together not at all.
    let is_image = matches!(target.reader, Reader::Document(format) if format.is_image());
    let limits = if is_image { Limits::with_ocr() } else { Limits::default() };
    sandbox::confine(&Limits { cpu_seconds: u64::from(u32::MAX), ..limits })?;
    let mut output = std::io::stdout().lock();
    let mut slowest = 0;
    for number in first..first + MAX_INPUTS {
        writeln!(output, "{STARTED} {number}")?;
        output.flush()?;
        let bytes = input(&target.seeds, seed, number);
        let started = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| match target.reader {
            Reader::Document(format) => read_document(format, &options, &bytes),
            Reader::Text(format) => read_text(format, &bytes, number),
        }));
        let milliseconds = started.elapsed().as_millis();
        if milliseconds > slowest {
            slowest = milliseconds;
            writeln!(output, "{SLOW} {milliseconds}")?;
        }
        match read {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => writeln!(output, "error {reason}")?,
            Err(_payload) => {
                let place = PLACE.lock().map(|place| place.clone()).unwrap_or_default();
                writeln!(output, "{PANIC} {place}")?;
            }
        }
    }
    Ok(())
}

/// What the parsers need, by the variables that name it.
fn options(reader: Reader) -> Result<Options, Box<dyn Error>> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let Reader::Document(format) = reader else { return Ok(Options::default()) };
    let ocr = match (path("ORT_DYLIB_PATH"), path("OCR_MODELS")) {
        (Some(library), Some(models)) if format.is_image() => Some(Recognizer::open(&library, &models)?),
        _ => None,
    };
    let file_name = format!("seed.{}", format.extensions()[0]);
    Ok(Options { file_name, pdfium_library: path("PDFIUM_LIBRARY"), ocr })
}

/// Parses a document, or decodes an image without OCR. An error that is not the document's is a finding.
fn read_document(format: DocumentFormat, options: &Options, bytes: &[u8]) -> Result<(), String> {
    let mut input = Cursor::new(bytes);
    let read = if format.is_image() && options.ocr.is_none() {
        decode_image(&mut input).map(drop)
    } else {
        parse(format, &mut input, options, &mut |_frame| Ok(())).map(drop)
    };
    match read {
        Ok(()) | Err(ParseError::Document(_)) => Ok(()),
        Err(other) => Err(other.to_string()),
    }
}

/// Extracts text in pieces. Whatever the bytes, an error is the document's.
fn read_text(format: &'static Format, bytes: &[u8], number: u64) -> Result<(), String> {
    let piece = [1, 7, 64, 4096][(number % 4) as usize];
    let mut extractor = Extractor::new(format, None);
    let mut blocks = Blocks::default();
    for piece in bytes.chunks(piece) {
        if extractor.push(piece, &mut blocks).is_err() {
            return Ok(());
        }
    }
    let has_text = extractor.finish(&mut blocks).is_ok();
    let shown = blocks.iter().count();
    if has_text && shown == 0 && !blocks.text().is_empty() {
        return Err("text outside of blocks".into());
    }
    Ok(())
}
