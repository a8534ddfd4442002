//! Parses one document in a child process with limits.
//!
//! A parser of untrusted bytes may crash, hang or take all memory, and it may be made to run code. So it runs in a
//! child process with limits on memory, processor time and wall-clock time, with no file but the document, and without
//! the environment of its parent, which holds the credentials of a function. Whatever happens in there costs that
//! document, and is an error with a reason for its owner.
//!
//! The parent calls [`Sandbox::start`] and reads frames. The child parses its arguments with [`Job::from_arguments`],
//! calls [`confine`] before it reads a byte of the document, and [`forbid_files`] when its libraries are loaded.
//! Limits are set by the child itself, which is still trusted then: that needs no unsafe code between fork and exec.

mod confinement;
mod error;
mod job;
mod run;

pub use confinement::{confine, forbid_files};
pub use error::{ChildMessages, SandboxError};
pub use job::{Job, JobError, Limits, OcrFiles};
pub use run::{EXIT_ENVIRONMENT, Run, Sandbox};
