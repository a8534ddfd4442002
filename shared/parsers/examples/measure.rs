//! Parses files in the sandbox with the limits of a function, and prints one JSON line per file: what was read or why
//! not, the time, and the child's memory.
//!
//! ```text
//! cargo run --release -p parsers --example measure -- [--text DIR] FILE…
//! ```
//!
//! With `--text`, the text of the file with number N goes to `DIR/N.txt`, with a form feed between two pages. PDF
//! documents need the library that PDFIUM_LIBRARY names. The child is this program itself. It sends its peak memory at
//! its end; that of a child that is killed or crashes is sampled every millisecond.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use frames::{DocumentFormat, Frame, Summary, push_row_text};
use sandbox::{ChildMessages, Job, Limits, Run, Sandbox, SandboxError};
use serde_json::{Value, json};

const CHILD: &str = "--child";

/// How long a child may take from its last frame to its end.
const STATUS_TIMEOUT: Duration = Duration::from_millis(200);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == CHILD).is_some() {
        let socket = arguments.next().ok_or("--child: no socket given")?;
        return run_child(Path::new(&socket), arguments);
    }
    let text_folder = match arguments.next_if(|first| first == "--text") {
        Some(_) => Some(PathBuf::from(arguments.next().ok_or("--text: no folder given")?)),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(STATUS_TIMEOUT))?;
    let sandbox =
        Sandbox { executable: std::env::current_exe()?, arguments: vec![CHILD.into(), path.into()] };
    for (number, file) in arguments.map(PathBuf::from).enumerate() {
        let (measured, text) = runtime.block_on(measure(&sandbox, &file, &socket))?;
        if let Some(folder) = &text_folder {
            fs::write(folder.join(format!("{number}.txt")), text)?;
        }
        println!("{measured}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses a document, and sends the status of this process, which has its peak memory. What that needs is opened before
/// the limits forbid it.
fn run_child(socket: &Path, arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, Box<dyn Error>> {
    let parent = UnixDatagram::unbound()?;
    parent.connect(socket)?;
    let mut status = File::open("/proc/self/status")?;
    let code = parsers::child::run(arguments);
    let mut text = String::new();
    status.read_to_string(&mut text)?;
    parent.send(text.as_bytes())?;
    Ok(code)
}

/// What a child has written.
#[derive(Default)]
struct Parsed {
    text: String,
    headings: u64,
    warnings: Vec<String>,
    summary: Summary,
}

async fn measure(
    sandbox: &Sandbox,
    path: &Path,
    socket: &UnixDatagram,
) -> Result<(Value, String), Box<dyn Error>> {
    let file_name = path.to_string_lossy().into_owned();
    let mut head = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut head)?;
    let Some(format) = DocumentFormat::detect(&file_name, "", &head) else {
        return Ok((json!({ "file": file_name, "outcome": "no parser" }), String::new()));
    };
    let pdfium_library = std::env::var_os("PDFIUM_LIBRARY").map(PathBuf::from);
    let job = Job { format, file_name, pdfium_library, ocr: None, limits: Limits::default() };
    let started = Instant::now();
    let mut run = sandbox.start(&job, File::open(path)?)?;
    let is_done = Arc::new(AtomicBool::new(false));
    let watch = thread::spawn({
        let is_done = Arc::clone(&is_done);
        move || watch_child(&is_done)
    });
    let parsed = receive(&mut run).await;
    let seconds = started.elapsed().as_secs_f64();
    is_done.store(true, Ordering::Relaxed);
    let sampled = watch.join().map_err(|_panic| "the thread that watches the child panicked")?;
    let mut status = vec![0; 16 << 10];
    let peak_kib = match socket.recv(&mut status) {
        Ok(length) => peak_of(&String::from_utf8_lossy(&status[..length])),
        Err(error) if error.kind() == ErrorKind::WouldBlock => sampled,
        Err(error) => return Err(error.into()),
    };
    let mut line = json!({
        "file": job.file_name,
        "format": format.extensions()[0],
        "bytes": fs::metadata(path)?.len(),
        "seconds": seconds,
        "peak_kib": peak_kib,
    });
    let text = match parsed {
        Ok(Parsed { text, headings, warnings, summary }) => {
            line["outcome"] = "read".into();
            line["text_bytes"] = summary.text_bytes.into();
            line["pages"] = summary.pages.into();
            line["rows"] = summary.rows.into();
            line["attachments"] = summary.attachments.into();
            line["headings"] = headings.into();
            line["warnings"] = warnings.into();
            text
        }
        Err(SandboxError::Document { failure, messages }) => {
            line["outcome"] = format!("{:?}", failure.kind).to_lowercase().into();
            line["reason"] = failure.reason.into();
            if let Some(ChildMessages(messages)) = messages {
                line["messages"] = messages.into();
            }
            String::new()
        }
        Err(other) => return Err(other.into()),
    };
    Ok((line, text))
}

async fn receive(run: &mut Run) -> Result<Parsed, SandboxError> {
    let mut parsed = Parsed::default();
    while let Some(frame) = run.next().await? {
        match frame {
            Frame::Page { index: 1.., .. } => parsed.text.push('\x0C'),
            Frame::Text(text) => parsed.text.push_str(&text),
            Frame::Row { cells, .. } => push_row_text(&cells, &mut parsed.text),
            Frame::Heading { .. } => parsed.headings += 1,
            Frame::Warning(warning) => parsed.warnings.push(warning.to_string()),
            Frame::End(summary) => parsed.summary = summary,
            _ => {}
        }
    }
    Ok(parsed)
}

/// Returns the peak of the resident memory of this process's only child in KiB.
fn watch_child(is_done: &AtomicBool) -> u64 {
    let mut status = None;
    let mut peak_kib = 0;
    while !is_done.load(Ordering::Relaxed) {
        status = status.or_else(find_child);
        if let Some(text) = status.as_ref().and_then(|path| fs::read_to_string(path).ok()) {
            peak_kib = peak_kib.max(peak_of(&text));
        }
        thread::sleep(Duration::from_millis(1));
    }
    peak_kib
}

/// Returns the path of the status of this process's child.
fn find_child() -> Option<PathBuf> {
    let parent = u64::from(std::process::id());
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.path().join("status")).find(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        number_of(&text, "PPid:") == Some(parent)
    })
}

/// The peak of the resident memory in KiB.
fn peak_of(status: &str) -> u64 {
    number_of(status, "VmHWM:").unwrap_or_default()
}

fn number_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
