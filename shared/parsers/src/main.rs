//! The child process that parses one document; see `parsers::child`.

use std::process::ExitCode;

fn main() -> ExitCode {
    parsers::child::run(std::env::args_os().skip(1))
}
