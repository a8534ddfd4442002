//! The command line of Semantik, a program on the machine of its user.
//!
//! It knows the HTTP API only, through `client`. Standard output has results, standard error everything else; `--json` prints
//! one JSON value instead of text for people.

mod arguments;
mod commands;
mod connection;
mod environment;
mod failure;
mod output;
mod profiles;
mod prompt;
mod sessions;
mod upload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    match commands::run(arguments, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The result of a command, or of a part of one.
type Outcome<T = ()> = Result<T, Failure>;
