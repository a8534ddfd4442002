//! How a command fails: its exit status, and one line that says why.

use std::io;
use std::process::ExitCode;

use client::ClientError;

use crate::environment::NoHome;
use crate::output::sanitize;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_SIGNED_IN: u8 = 3;
/// 128 + SIGPIPE, as of programs that the signal ends.
const CLOSED_PIPE: u8 = 141;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Some items failed; they are reported already.
    Items,
    /// A request or a file failed.
    Client(ClientError),
    /// The arguments contradict each other or name nothing that exists.
    Usage(String),
    /// Anything else, in words.
    Other(String),
    /// Whoever read the output has gone, as `| head -1` does.
    ClosedPipe,
}

impl Failure {
    /// Prints the reason and returns the exit status.
    pub fn report(self) -> ExitCode {
        let (status, reason) = match self {
            Self::Items => (FAILED, None),
            Self::ClosedPipe => (CLOSED_PIPE, None),
            Self::Usage(reason) => (USAGE, Some(reason)),
            Self::Client(ClientError::NotSignedIn(reason)) => {
                let what_to_do = "run `semantik login`, or set SEMANTIK_API_KEY";
                (NOT_SIGNED_IN, Some(format!("{reason}; {what_to_do}")))
            }
            Self::Client(error) => (FAILED, Some(error.to_string())),
            Self::Other(reason) => (FAILED, Some(reason)),
        };
        if let Some(reason) = reason {
            // If standard error is closed, too, there is nobody to tell.
            let _ = crate::output::error_line(&format!("semantik: {}", sanitize(&reason)));
        }
        ExitCode::from(status)
    }

    /// A local file that cannot be read or written.
    pub fn file(path: &std::path::Path, source: io::Error) -> Self {
        Self::Client(ClientError::File { path: path.display().to_string(), source })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<NoHome> for Failure {
    fn from(error: NoHome) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// Errors of standard output; those of files are made by [`Failure::file`].
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Other(format!("the output cannot be written: {error}"))
        }
    }
}
