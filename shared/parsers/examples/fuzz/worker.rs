//! The process that reads the inputs.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;

use extraction::{Blocks, Extractor, Format};
use frames::DocumentFormat;
use parsers::{Options, ParseError, parse};
use sandbox::Limits;

use crate::mutation::input;
use crate::target::{Reader, Target};

/// The first argument of a worker.
pub const COMMAND: &str = "--worker";

/// The line before each input, with its number.
pub const STARTED: &str = "input";

/// Inputs of one worker, so that leaks of libraries do not add up to its limit.
const MAX_INPUTS: u64 = 2_000;

/// The place of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

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
        if let Ok(mut last) = PANIC.lock() {
            *last = place;
        }
    }));
    // Limits the memory as a function does, and the time of all inputs together not at all.
    sandbox::confine(&Limits { cpu_seconds: u64::from(u32::MAX), ..Limits::default() })?;
    let mut output = std::io::stdout().lock();
    for number in first..first + MAX_INPUTS {
        writeln!(output, "{STARTED} {number}")?;
        output.flush()?;
        let bytes = input(&target.seeds, seed, number);
        let read = catch_unwind(AssertUnwindSafe(|| match target.reader {
            Reader::Document(format) => read_document(format, &bytes),
            Reader::Text(format) => read_text(format, &bytes, number),
        }));
        match read {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => writeln!(output, "error {reason}")?,
            Err(_payload) => {
                let place = PANIC.lock().map(|place| place.clone()).unwrap_or_default();
                writeln!(output, "panic {place}")?;
            }
        }
    }
    Ok(())
}

/// Parses a document. An error that is not the document's is a finding.
fn read_document(format: DocumentFormat, bytes: &[u8]) -> Result<(), String> {
    let pdfium_library = std::env::var_os("PDFIUM_LIBRARY").map(PathBuf::from);
    let options =
        Options { file_name: format!("seed.{}", format.extensions()[0]), pdfium_library, ocr: None };
    match parse(format, &mut Cursor::new(bytes), &options, &mut |_frame| Ok(())) {
        Ok(_summary) => Ok(()),
        Err(ParseError::Document(_failure)) => Ok(()),
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
