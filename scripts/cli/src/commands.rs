//! One module per command.

mod account;
mod collections;
mod find;
mod integrity;
mod keys;
mod mcp;
mod passages;
mod push;
mod search;
mod sources;
pub mod watch;

use clap::CommandFactory as _;

pub use self::find::{find_collection, find_if_any};
use crate::arguments::{Arguments, Command};
use crate::connection::connect;
use crate::output::Output;
use crate::{Outcome, upload};

/// Runs the command of these arguments.
pub async fn run(arguments: Arguments, output: &Output) -> Outcome {
    let Arguments { global, command, .. } = arguments;
    let output = *output;
    match command {
        Command::Login(login) => account::login(&global, &login, output).await,
        Command::Logout => account::logout(&global, output).await,
        Command::Collections(command) => collections::run(&connect(&global)?, command, output).await,
        Command::Upload(options) => upload::run(&connect(&global)?, &options, output).await,
        Command::Push(push) => push::run(&connect(&global)?, push, output).await,
        Command::Search(search) => search::run(&connect(&global)?, search, output).await,
        Command::Watch { operation } => watch::run(&connect(&global)?, operation, output).await,
        Command::Sources(command) => sources::run(&connect(&global)?, command, output).await,
        Command::Keys(command) => keys::run(&connect(&global)?, command, output).await,
        Command::Mcp(command) => mcp::run(&connect(&global)?, command, output).await,
        Command::Integrity { collection, repair } => {
            integrity::run(&connect(&global)?, &collection, repair, output).await
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "semantik", &mut script);
            Ok(output.line(String::from_utf8_lossy(&script).trim_end())?)
        }
    }
}
