//! The only place that reads environment variables.

use secrecy::SecretString;
use thiserror::Error;

/// A variable that is missing or cannot be read.
#[derive(Debug, Error)]
pub enum EnvError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something that is not what it should be.
    #[error("environment variable {name} is {got:?}: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        got: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The variable's value; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variable's value.
///
/// # Errors
/// When it is not set or empty.
pub fn required(name: &'static str) -> Result<String, EnvError> {
    optional(name).ok_or(EnvError::Missing(name))
}

/// The variable's value, in a wrapper that does not print it.
///
/// # Errors
/// When it is not set or empty.
pub fn secret(name: &'static str) -> Result<SecretString, EnvError> {
    required(name).map(SecretString::from)
}

/// The variable's value read as a `T`, or the default where it is not set.
///
/// # Errors
/// When it is set to something that is not a `T`.
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

/// The folder that holds what was deployed beside `bootstrap`.
pub fn task_root() -> std::path::PathBuf {
    optional("LAMBDA_TASK_ROOT").map_or_else(|| std::path::PathBuf::from("."), Into::into)
}

/// `MODELS_DIR`: the folders of model folders, separated by colons, relative ones below the task root;
/// by default `models`. So a file system that is mounted can hold more models than a package may.
pub fn models_dirs() -> Vec<std::path::PathBuf> {
    let named = optional("MODELS_DIR").unwrap_or_else(|| "models".to_owned());
    std::env::split_paths(&named).map(|folder| task_root().join(folder)).collect()
}

/// The processors that this function has: Lambda gives one for each 1,769 MB of memory, and shows
/// more than a small function may use. `None` where that is not said, as outside of Lambda.
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>)
pub fn processors() -> Option<usize> {
    let megabytes: usize = optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.parse().ok()?;
    Some(megabytes.div_ceil(1769).max(1))
}
