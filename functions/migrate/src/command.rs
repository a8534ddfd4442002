//! The command `migrate`, for databases that no stack looks after.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use db::{Db, DbError};

use crate::Config;

/// Applies Semantik's migrations to the database that `DATABASE_URL` names.
#[derive(Debug, Parser)]
#[command(name = "migrate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply every migration that is missing
    Up,
    /// Undo every migration newer than a version; tables go with their rows
    Down {
        /// The version to go back to, e.g. 20261123000004; 0 undoes everything
        #[arg(long)]
        to: i64,
    },
    /// Say which migrations are applied and which are missing; changes nothing
    Status,
}

/// Runs the command line of this process.
pub async fn run_command() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match Config::from_env() {
        Ok(config) => run(&arguments.command, &config).await,
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(report) => say(&mut std::io::stdout(), &report, ExitCode::SUCCESS),
        Err(reason) => say(&mut std::io::stderr(), &format!("migrate: {reason}"), ExitCode::FAILURE),
    }
}

/// A reader that went away is no failure of the migration.
fn say(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    writeln!(stream, "{text}").ok();
    code
}

async fn run(command: &Command, config: &Config) -> Result<String, String> {
    let db = Db::connect(&config.db).map_err(|error| lambda::error_chain(&error))?;
    execute(command, &db).await.map_err(|error| lambda::error_chain(&error))
}

/// A command that was not carried out.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("version {0} is not applied; `migrate status` lists those that are, 0 undoes everything")]
    UnknownVersion(i64),
}

async fn execute(command: &Command, db: &Db) -> Result<String, CommandError> {
    match command {
        Command::Up => {
            let report = db::migrate(db).await?;
            Ok(format!(
                "applied {} migrations; the schema is at version {}",
                report.applied.len(),
                report.version
            ))
        }
        Command::Down { to } => {
            let before = db::migration_status(db).await?;
            if *to != 0 && !before.iter().any(|migration| migration.version == *to && migration.is_applied) {
                return Err(CommandError::UnknownVersion(*to));
            }
            db::undo_to(db, *to).await?;
            let undone = before.iter().filter(|migration| migration.is_applied && migration.version > *to);
            Ok(format!("undid {} migrations; the schema is at version {to}", undone.count()))
        }
        Command::Status => {
            let lines = db::migration_status(db).await?.into_iter().map(|migration| {
                let state = if migration.is_applied { "applied" } else { "missing" };
                format!("{} {state} {}", migration.version, migration.description)
            });
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}
