//! The recognize function: extracts documents with OCR. It is also the child process that it starts for each document.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use extract::Config;

fn main() -> ExitCode {
    extract::run(Config::from_env_with_ocr)
}
