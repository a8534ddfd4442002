//! Environment variables.

use std::path::PathBuf;

use thiserror::Error;

/// The user has no home folder, and the variable that names another one is not set.
#[derive(Debug, Error)]
#[error("there is no home folder; set {variable}")]
pub struct NoHome {
    variable: &'static str,
}

/// Returns a variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is no function: its configuration is read here"
)]
pub fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns whether a variable is set and not empty.
pub fn is_set(name: &str) -> bool {
    get(name).is_some()
}

/// The folder of settings: `semantik` in `XDG_CONFIG_HOME`.
pub fn config_folder() -> Result<PathBuf, NoHome> {
    folder("XDG_CONFIG_HOME", ".config")
}

/// The folder of sessions and of what was uploaded: `semantik` in `XDG_STATE_HOME`.
pub fn state_folder() -> Result<PathBuf, NoHome> {
    folder("XDG_STATE_HOME", ".local/state")
}

/// The specification wants relative paths ignored.
fn folder(variable: &'static str, default: &str) -> Result<PathBuf, NoHome> {
    let named = get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = named.or_else(|| std::env::home_dir().map(|home| home.join(default)));
    let base = base.ok_or(NoHome { variable })?;
    Ok(base.join("semantik"))
}
