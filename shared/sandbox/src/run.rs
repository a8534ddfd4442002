//! The parent's side.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use frames::codec::Decoder;
use frames::{DocumentFormat, Failure, FailureKind, Frame};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::{ChildMessages, Job, Limits, SandboxError};

/// The exit code of a child whose failure is not the document's.
pub const EXIT_ENVIRONMENT: u8 = 3;

/// Bytes of the child's messages that are kept.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

const SIGABRT: i32 = 6;

/// How long a child that has written its last frame may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How child processes are started.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The program of the child.
    pub executable: PathBuf,
    /// Arguments before those of the job, for a program that does other things, too.
    pub arguments: Vec<OsString>,
}

/// A document that is being parsed. The child is killed when this is dropped.
#[derive(Debug)]
pub struct Run {
    child: Child,
    output: ChildStdout,
    /// `None` when they were taken.
    messages: Option<JoinHandle<Vec<u8>>>,
    decoder: Decoder,
    buffer: Vec<u8>,
    received_bytes: u64,
    /// How long to wait for the child from now on. The time that the caller takes for a frame does not count.
    time_left: Duration,
    limits: Limits,
    format: DocumentFormat,
    has_ended: bool,
}

impl Sandbox {
    /// Starts to parse a document.
    ///
    /// # Errors
    /// Returns `Process` if the child cannot be started.
    pub fn start(&self, job: &Job, document: File) -> Result<Run, SandboxError> {
        let mut child = Command::new(&self.executable)
            .args(&self.arguments)
            .args(job.to_arguments())
            .env_clear()
            // ONNX Runtime would write a database for its telemetry, which the limits forbid.
            .env("ORT_DISABLE_TELEMETRY", "1")
            .current_dir("/")
            .stdin(Stdio::from(document))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(SandboxError::Process)?;
        let (Some(output), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(SandboxError::Process(std::io::Error::other("the child has no output")));
        };
        Ok(Run {
            child,
            output,
            messages: Some(tokio::spawn(read_start(messages))),
            decoder: Decoder::new(),
            buffer: vec![0; 64 << 10],
            received_bytes: 0,
            time_left: job.limits.wall_clock,
            limits: job.limits,
            format: job.format,
            has_ended: false,
        })
    }
}

impl Run {
    /// Returns the next frame, or `None` after [`Frame::End`].
    ///
    /// # Errors
    /// Returns `Document` if the document cannot be read or exceeds a limit, and others if the child failed for
    /// another reason. What was received before an error is worthless.
    pub async fn next(&mut self) -> Result<Option<Frame>, SandboxError> {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(Frame::Failed(failure))) => {
                    // It exits after this frame, which closes its standard error.
                    let messages = timeout(EXIT_TIMEOUT, self.messages()).await.unwrap_or_default();
                    return Err(document(failure, &messages));
                }
                Ok(Some(frame)) => {
                    self.has_ended = matches!(frame, Frame::End(_));
                    return Ok(Some(frame));
                }
                Ok(None) if self.has_ended => return Ok(None),
                Ok(None) => {}
                // Bytes that are no frames: the child has lost control of itself.
                Err(_invalid) => return Err(self.crash("")),
            }
            let started = Instant::now();
            let read = timeout(self.time_left, self.output.read(&mut self.buffer)).await;
            self.time_left = self.time_left.saturating_sub(started.elapsed());
            let Ok(read) = read else {
                return Err(self.too_slow(self.limits.wall_clock.as_secs()));
            };
            let read = read.map_err(SandboxError::Process)?;
            if read == 0 {
                return Err(self.explain_exit().await);
            }
            self.received_bytes += read as u64;
            if self.received_bytes > self.limits.output_bytes {
                let limit = self.limits.output_bytes >> 20;
                let reason = format!("contains more than {limit} MiB; split it");
                return Err(self.failure(FailureKind::TooLarge, &reason, ""));
            }
            self.decoder.push(&self.buffer[..read]);
        }
    }

    /// Finds out why the child has ended without a last frame.
    async fn explain_exit(&mut self) -> SandboxError {
        let status = match timeout(EXIT_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return SandboxError::Process(error),
            // It has closed its output and does not exit.
            Err(_elapsed) => return self.crash(""),
        };
        let messages = self.messages().await;
        if status.code() == Some(EXIT_ENVIRONMENT.into()) {
            return SandboxError::Child(messages);
        }
        if is_out_of_time(status) {
            return self.too_slow(self.limits.cpu_seconds);
        }
        // What Rust's allocator and the C library say before they abort. PDFium says nothing, and it aborts for no other
        // reason; Rust and the C library give theirs.
        let is_silent_abort = status.signal() == Some(SIGABRT) && messages.is_empty();
        if is_silent_abort || messages.contains("memory allocation of") || messages.contains("std::bad_alloc")
        {
            let limit = self.limits.memory_bytes >> 20;
            let reason = format!(
                "needs more than {limit} MiB of memory; it may be damaged: save it again, or split it"
            );
            return self.failure(FailureKind::TooLarge, &reason, &messages);
        }
        self.crash(&messages)
    }

    /// What the child has written to standard error, when it has closed it.
    async fn messages(&mut self) -> String {
        let Some(messages) = self.messages.take() else { return String::new() };
        let messages = messages.await.unwrap_or_default();
        String::from_utf8_lossy(&messages).trim().to_owned()
    }

    fn too_slow(&self, seconds: u64) -> SandboxError {
        let reason =
            format!("could not be read within {seconds} s; it may be damaged: save it again, or split it");
        self.failure(FailureKind::TooLarge, &reason, "")
    }

    fn crash(&self, messages: &str) -> SandboxError {
        self.failure(
            FailureKind::Damaged,
            "crashes its parser and is most likely damaged; save it again with the program that it comes from",
            messages,
        )
    }

    fn failure(&self, kind: FailureKind, reason: &str, messages: &str) -> SandboxError {
        let name = self.format.short_name();
        document(Failure { kind, reason: format!("the {name} {reason}") }, messages)
    }
}

fn document(failure: Failure, messages: &str) -> SandboxError {
    let messages = (!messages.is_empty()).then(|| ChildMessages(messages.to_owned()));
    SandboxError::Document { failure, messages }
}

/// Whether the processor time is used up. The kernel sends SIGXCPU at the soft limit and SIGKILL at the hard one; both
/// are the same here.
fn is_out_of_time(status: ExitStatus) -> bool {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    matches!(status.signal(), Some(SIGKILL | SIGXCPU))
}

/// Reads all, and keeps the start.
async fn read_start(mut reader: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    // An error ends the messages, whose end nobody needs.
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read.min(MAX_MESSAGE_BYTES - kept.len())]);
    }
    kept
}

#[cfg(test)]
mod tests;
