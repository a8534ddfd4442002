//! The command `migrate`, for databases that no CloudFormation stack manages.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use db::{Db, DbError};

use crate::Config;
use crate::administrator::{self, AdministratorError};
use crate::grant_source::{GrantSource, GrantSourceError, grant_source};
use crate::reencrypt::{ReencryptError, Reencrypted, reencrypt};

/// Manages the schema of the database that `DATABASE_URL` names, and the secrets in it.
#[derive(Debug, Parser)]
#[command(name = "migrate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply every migration that is missing, and create the superuser of `ADMINISTRATOR_SECRET` if there is none
    Up,
    /// Undo every migration newer than a version; dropped tables lose their rows
    Down {
        /// The version to return to, e.g. 20261123000004; 0 undoes everything
        #[arg(long)]
        to: i64,
    },
    /// List which migrations are applied and which are missing; changes nothing
    Status,
    /// Re-encrypt every secret of a source with the first key of `CONNECTOR_SECRETS_KEYS`
    ///
    /// To rotate keys: put the new one before the old ones, run this until no secrets are left under old keys, and
    /// remove the old keys. Fails while any are left.
    ReencryptSecrets,
    /// Grant a bucket or a directory that sources may read, to one user or to everyone
    GrantSource(GrantSource),
}

/// Runs the command line of this process.
pub async fn run_command() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match Config::from_env() {
        Ok(config) => run(&arguments.command, &config).await,
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(report) => print(&mut std::io::stdout(), &report, ExitCode::SUCCESS),
        Err(reason) => print(&mut std::io::stderr(), &format!("migrate: {reason}"), ExitCode::FAILURE),
    }
}

/// Prints a line. A closed pipe does not make the migration fail.
fn print(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    writeln!(stream, "{text}").ok();
    code
}

async fn run(command: &Command, config: &Config) -> Result<String, String> {
    let db = Db::connect(&config.db).map_err(|error| lambda::error_chain(&error))?;
    execute(command, &db, config).await.map_err(|error| lambda::error_chain(&error))
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("version {0} is not applied; `migrate status` lists those that are, 0 undoes everything")]
    UnknownVersion(i64),
    #[error(transparent)]
    Reencrypt(#[from] ReencryptError),
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    #[error("{0}")]
    SecretsLeft(Reencrypted),
    #[error(transparent)]
    GrantSource(#[from] GrantSourceError),
}

async fn execute(command: &Command, db: &Db, config: &Config) -> Result<String, CommandError> {
    match command {
        Command::Up => {
            let report = db::migrate(db).await?;
            administrator::ensure(db, config.administrator_secret.as_ref()).await?;
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
        Command::ReencryptSecrets => {
            let report = reencrypt(db, config.connector_secret.as_ref(), None).await?;
            if report.left > 0 { Err(CommandError::SecretsLeft(report)) } else { Ok(report.to_string()) }
        }
        Command::GrantSource(request) => Ok(grant_source(db, request).await?),
    }
}

#[cfg(test)]
mod tests {
    use secrets::SecretSource;
    use sqlx::PgPool;

    use super::*;

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn re_encryption_fails_while_any_secret_is_left(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        let config = Config {
            db: db::DbConfig::by_url("postgres://"),
            connector_secret: Some(SecretSource::Value(
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(),
            )),
            administrator_secret: None,
        };
        let report = execute(&Command::ReencryptSecrets, &db, &config).await.unwrap();
        assert_eq!(report, "re-encrypted 0 secrets with key 630dcd2966c43366; 0 are left under other keys");
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size,
                chunk_overlap)
            SELECT gen_random_uuid(), 'notes', id, 'notes', 'model', 256, 51 FROM users;
            INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, '/srv', 'directory' FROM collections;
            INSERT INTO connector_secrets (collection_source_id, secret_type, ciphertext, key_id)
            SELECT id, 'token', 'x', '0123456789abcdef' FROM collection_sources;",
        )
        .execute(&pool)
        .await
        .unwrap();
        let refused = execute(&Command::ReencryptSecrets, &db, &config).await.unwrap_err().to_string();
        assert!(refused.contains("1 are left") && refused.contains("key 0123456789abcdef"), "{refused}");
    }
}
