//! The child process: reads the document from standard input and writes frames to standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use frames::codec::{MAGIC, encode};
use frames::{DocumentFormat, Failure, FailureKind, Frame};
use ocr::Recognizer;
use sandbox::Job;

use crate::formats::load_pdfium;
use crate::{Options, ParseError, parse};

/// Characters of a panic's message that are logged: those of slicing a text quote the text, which is the document's.
const MAX_PANIC_MESSAGE: usize = 100;

/// Runs a child process with these arguments, without the program's name.
///
/// Reasons that are the document's are the last frame; a panic of a parser is one, whose place is a line on standard
/// error. Other reasons are one line on standard error and an exit code that [`sandbox::Run`] knows.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse_input(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(sandbox::EXIT_ENVIRONMENT)
        }
    }
}

fn parse_input(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let job = Job::from_arguments(arguments).map_err(|error| error.to_string())?;
    let failure = |what: &str, error: io::Error| format!("{what}: {error}");
    sandbox::confine(&job.limits).map_err(|error| failure("setting the limits failed", error))?;
    let mut options = Options { file_name: job.file_name, pdfium_library: job.pdfium_library, ocr: None };
    if job.format == DocumentFormat::Pdf {
        load_pdfium(&options).map_err(|error| error.to_string())?;
    }
    if let Some(files) = job.ocr.filter(|_| job.format.may_need_ocr()) {
        let ocr = Recognizer::open(&files.onnxruntime, &files.models);
        options.ocr = Some(ocr.map_err(|error| with_source(&error))?);
    }
    let open = |descriptor: io::Result<std::os::fd::OwnedFd>| descriptor.map(File::from);
    let input = open(io::stdin().as_fd().try_clone_to_owned());
    let mut input = input.map_err(|error| failure("opening the document failed", error))?;
    let output = open(io::stdout().as_fd().try_clone_to_owned());
    let output = output.map_err(|error| failure("opening the output failed", error))?;
    sandbox::forbid_files().map_err(|error| failure("setting the limit of files failed", error))?;

    std::panic::set_hook(Box::new(report_panic));
    let mut output = BufWriter::with_capacity(64 << 10, output);
    let mut record = MAGIC.to_vec();
    let mut sink = |frame: Frame| {
        encode(&frame, &mut record).map_err(io::Error::other)?;
        output.write_all(&record)?;
        record.clear();
        Ok(())
    };
    // What the parser has changed is not used afterwards; `record` and `output` change between two frames only.
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(job.format, &mut input, &options, &mut sink)));
    let parsed = match parsed.unwrap_or_else(|_panic| Err(panicked(job.format))) {
        Ok(_summary) => Ok(()),
        Err(ParseError::Document(failure)) => sink_failure(failure, &mut record, &mut output),
        Err(ParseError::Full) => {
            let reason = "the document exceeds a limit".to_owned();
            sink_failure(Failure { kind: FailureKind::TooLarge, reason }, &mut record, &mut output)
        }
        Err(error @ (ParseError::Input(_) | ParseError::Output(_) | ParseError::Library(_))) => {
            return Err(with_source(&error));
        }
    };
    parsed.and_then(|()| output.flush()).map_err(|error| failure("writing the text failed", error))
}

/// A library that does not survive the document.
fn panicked(format: DocumentFormat) -> ParseError {
    let cause = "its parser gives up; save it again with the program that it comes from";
    ParseError::damaged(&format!("the {}", format.short_name()), cause)
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message: String =
        panic.payload_as_str().unwrap_or_default().chars().take(MAX_PANIC_MESSAGE).collect();
    eprintln!("panicked at {place}: {message}");
}

/// Writes the last frame of a document that cannot be read. `record` may hold the start of the output.
fn sink_failure(failure: Failure, record: &mut Vec<u8>, output: &mut impl Write) -> io::Result<()> {
    encode(&Frame::Failed(failure), record).map_err(io::Error::other)?;
    output.write_all(record)
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
