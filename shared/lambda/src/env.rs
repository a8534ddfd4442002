//! The only place that reads environment variables.

use secrecy::SecretString;
use secrets::{DatabaseAccess, DatabaseAuthentication, SecretSource};
use thiserror::Error;

/// A variable that is missing or has an invalid value.
#[derive(Debug, Error)]
pub enum EnvError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// Its value cannot be parsed.
    #[error("environment variable {name}: invalid value; {reason}, got {got:?}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        got: String,
        /// What is wrong, or what is allowed.
        reason: String,
    },
}

/// Returns the variable's value; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the variable's value.
///
/// # Errors
/// Returns `Missing` if it is not set or empty.
pub fn required(name: &'static str) -> Result<String, EnvError> {
    optional(name).ok_or(EnvError::Missing(name))
}

/// Returns where a secret comes from: the ARN in one variable, else the value in another one, which only tests and
/// commands set.
pub fn optional_secret(arn: &'static str, value: &'static str) -> Option<SecretSource> {
    let managed = optional(arn).map(SecretSource::Arn);
    managed.or_else(|| optional(value).map(|value| SecretSource::Value(SecretString::from(value))))
}

/// Returns where a secret comes from, as [`optional_secret`] does.
///
/// # Errors
/// Returns `Missing` if neither variable is set.
pub fn secret(arn: &'static str, value: &'static str) -> Result<SecretSource, EnvError> {
    optional_secret(arn, value).ok_or(EnvError::Missing(arn))
}

/// Returns how the database is reached: `DATABASE_URL`, with its password in `DATABASE_SECRET_ARN`, or with IAM tokens
/// if `DATABASE_AUTHENTICATION` is `iam`.
///
/// # Errors
/// Returns `Missing` if there is no URL, and `Invalid` for an unknown authentication.
pub fn database() -> Result<DatabaseAccess, EnvError> {
    const AUTHENTICATION: &str = "DATABASE_AUTHENTICATION";
    let kind = optional(AUTHENTICATION);
    let authentication = DatabaseAuthentication::choose(kind.as_deref(), optional("DATABASE_SECRET_ARN"));
    let authentication = authentication.map_err(|error| EnvError::Invalid {
        name: AUTHENTICATION,
        got: kind.unwrap_or_default(),
        reason: error.to_string(),
    })?;
    Ok(DatabaseAccess {
        url: SecretString::from(required("DATABASE_URL")?),
        authentication,
        requires_verify_full: is_production(),
    })
}

/// Reads `DATABASE_CONNECTIONS`: how many connections this process has at most; 4 by default.
///
/// # Errors
/// Returns `Invalid` if it is not a number from 1 to 100.
pub fn database_connections() -> Result<u32, EnvError> {
    const NAME: &str = "DATABASE_CONNECTIONS";
    let connections = parsed_or(NAME, 4)?;
    if (1..=100).contains(&connections) {
        return Ok(connections);
    }
    Err(EnvError::Invalid {
        name: NAME,
        got: connections.to_string(),
        reason: "1 to 100 is allowed".to_owned(),
    })
}

/// Returns whether this is a deployment that others rely on: `STAGE` is `production`.
pub fn is_production() -> bool {
    optional("STAGE").as_deref() == Some("production")
}

/// Parses the variable's value, or returns the default if it is not set.
///
/// # Errors
/// Returns `Invalid` if the value cannot be parsed.
pub fn parsed_or<T>(name: &'static str, default: T) -> Result<T, EnvError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let Some(value) = optional(name) else {
        return Ok(default);
    };
    match value.parse() {
        Ok(parsed) => Ok(parsed),
        Err(error) => Err(EnvError::Invalid { name, reason: error.to_string(), got: value }),
    }
}

/// Returns the entries of a comma-separated variable; none if it is not set.
pub fn list(name: &'static str) -> Vec<String> {
    let value = optional(name).unwrap_or_default();
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Returns the folder of the deployment package: `LAMBDA_TASK_ROOT`, else the current folder.
pub fn task_root() -> std::path::PathBuf {
    optional("LAMBDA_TASK_ROOT").map_or_else(|| std::path::PathBuf::from("."), Into::into)
}

/// Reads `MODELS_DIR`: the folders that contain model folders, separated by colons, relative to the task
/// root; `models` by default. A mounted file system can hold more models than fit into a package.
pub fn models_dirs() -> Vec<std::path::PathBuf> {
    let named = optional("MODELS_DIR").unwrap_or_else(|| "models".to_owned());
    std::env::split_paths(&named).map(|folder| task_root().join(folder)).collect()
}

/// Returns the number of vCPUs of this function: Lambda allots one per 1,769 MB of memory, while the
/// operating system reports more than a small function can use. `None` outside of Lambda.
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>)
pub fn processors() -> Option<usize> {
    let megabytes: usize = optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.parse().ok()?;
    Some(megabytes.div_ceil(1769).max(1))
}
